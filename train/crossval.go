package train

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/metrics"
)

// crossed are training and validation pictures with what heads like the model's say of them that
// were trained without their fold. The test part has no say in it.
type crossed struct {
	items  []dataset.Item
	ex     head.Examples
	logits []float64 // [n,K]
}

// crossValidate is nil where it would take too long, and for solvers that stop before they
// converge, whose heads are not told by their settings. cfg is the fit's, and valid the model's logits of
// the validation part.
func (r *run) crossValidate(ctx context.Context, cfg head.Config, valid []float64) (*crossed, error) {
	if r.bottlenecks != nil {
		return r.crossChosen(valid), nil
	}
	fit := r.res.Fit
	ex, at := r.part(dataset.Train, dataset.Validation)
	if fit.Solver != head.LBFGS || folds*fitWork(len(ex.Rows), ex.Features(), ex.Classes, fit.Iterations) > reportWork {
		return nil, nil
	}
	items := slices.Clone(r.items)
	for i := range items {
		if items[i].Split == dataset.Validation {
			items[i].Split = dataset.Train
		}
	}
	fold, err := r.deal(items, at, folds)
	if err != nil {
		return nil, err
	}
	cfg.Options, cfg.Folds = fit.Options, fold
	cfg.Tolerance = max(cfg.Tolerance, roughTolerance)
	logits, err := head.CrossValidate(ctx, ex, cfg)
	if err != nil {
		return nil, fmt.Errorf("train: cross-validate: %w", err)
	}
	return r.answered(at, fold, logits), nil
}

// crossChosen is crossValidate of a head whose values were chosen by the labels of its pictures: what
// heads said that had neither a picture nor its label in their choice, and of the validation part the
// model. It is nil where those heads were of another L2, and without pictures.
func (r *run) crossChosen(valid []float64) *crossed {
	c := r.chosenWith
	if c == nil || r.cfg.L2 < 0 || r.res.Fit.Solver != head.LBFGS {
		return nil
	}
	at, fold, logits := slices.Clone(c.pictures), slices.Clone(c.fold), slices.Clone(c.logits)
	apart := slices.Max(fold) + 1
	_, held := r.part(dataset.Validation)
	for range held {
		fold = append(fold, apart)
	}
	return r.answered(append(at, held...), fold, append(logits, valid...))
}

// answered are the logits [n,K] of pictures by heads that were trained without their fold; nil where
// there are none that count: altered views do not, nor those of a label that its head knew nothing of.
func (r *run) answered(at, fold []int, logits []float64) *crossed {
	k := len(r.folder.Labels)
	inFold, total := make([]map[int]int, k), make([]int, k)
	for e, f := range fold {
		for _, l := range r.labels(at[e]) {
			if f >= 0 {
				if inFold[l] == nil {
					inFold[l] = map[int]int{}
				}
				inFold[l][f]++
				total[l]++
			}
		}
	}
	out := &crossed{ex: head.Examples{Classes: k}}
	for e, f := range fold {
		alone := func(l int) bool { return f < 0 || inFold[l][f] == total[l] }
		if f < 0 || slices.ContainsFunc(r.labels(at[e]), alone) {
			continue
		}
		it := r.items[at[e]]
		out.items = append(out.items, it)
		out.ex.Labels = append(out.ex.Labels, it.Label)
		if r.folder.MultiLabel {
			out.ex.MultiLabel = append(out.ex.MultiLabel, it.Labels)
		}
		out.ex.Weights = append(out.ex.Weights, cmp.Or(it.Weight, 1))
		out.logits = append(out.logits, logits[e*k:(e+1)*k]...)
	}
	if len(out.items) == 0 {
		return nil
	}
	return out
}

// labels are those of picture i.
func (r *run) labels(i int) []int {
	if r.folder.MultiLabel {
		return r.items[i].Labels
	}
	return []int{r.items[i].Label}
}

// measure is what the heads' answers are worth; nil where there are none.
func (c *crossed) measure(like metrics.Predictions) *metrics.Part {
	if c == nil {
		return nil
	}
	like.Items, like.Logits, like.Part = c.items, c.logits, "all"
	m, _ := like.Measure()
	return &m.All
}
