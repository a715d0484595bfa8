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
// converge, whose heads are not told by their settings. cfg is the fit's.
func (r *run) crossValidate(ctx context.Context, cfg head.Config) (*crossed, error) {
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
	inFold, total := make([][folds]int, ex.Classes), make([]int, ex.Classes)
	for e, f := range fold {
		for _, l := range r.labels(at[e]) {
			if f >= 0 {
				inFold[l][f]++
				total[l]++
			}
		}
	}
	out := &crossed{ex: head.Examples{Classes: ex.Classes}}
	for e, f := range fold {
		alone := func(l int) bool { return f < 0 || inFold[l][f] == total[l] }
		if f < 0 || slices.ContainsFunc(r.labels(at[e]), alone) { // its head knew nothing of that label
			continue
		}
		it := r.items[at[e]]
		out.items = append(out.items, it)
		out.ex.Labels = append(out.ex.Labels, it.Label)
		if ex.MultiLabel != nil {
			out.ex.MultiLabel = append(out.ex.MultiLabel, it.Labels)
		}
		out.ex.Weights = append(out.ex.Weights, cmp.Or(it.Weight, 1))
		out.logits = append(out.logits, logits[e*ex.Classes:(e+1)*ex.Classes]...)
	}
	if len(out.items) == 0 {
		return nil, nil
	}
	return out, nil
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
