package train

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/train/head"
)

// Features are chosen by what heads that read them say of pictures they were not trained on. A head
// sees nothing of its training pictures but their inner products, so each candidate takes one Gram
// matrix [n,n] of the pictures; the rows of its Cholesky factor are then features of which the same
// heads come, exactly, in n dimensions instead of tens of thousands.
//
// Of the statistics that are many, only the values that matter most are kept: those with the largest
// weights, over all classes, in a ridge regression on the labels (the selection of Evci et al.,
// "Head2Toe: Utilizing Intermediate Representations for Better Transfer Learning", 2022, with a
// ridge in the place of its group lasso). What a fold is measured with is selected without it.

const (
	// mostChosenWith is how many training pictures features are chosen with; it bounds time and memory.
	mostChosenWith = 1500
	// ridge is the weight decay of the regression, in parts of a picture's mean square length.
	ridge = 0.1
)

// FeatureChoice is one candidate, and what it was worth on the folds that were held out in turn.
type FeatureChoice struct {
	Features string  `json:"features"`            // in the words of Config.Features
	Values   int     `json:"values"`              // of these that are kept, the most relevant
	LogLoss  float64 `json:"validation_log_loss"` // with the temperature that a model would have
	Accuracy float64 `json:"validation_accuracy"` // 0 of several labels a picture

	losses []float64 // of each picture
	logits []float64 // [n,K], of each by the head that did not have its fold
}

// candidates lists what is tried, and which parts of its values are kept, the smallest first.
var candidates = []struct {
	features string
	kept     []float64
}{
	{FeaturesLast, []float64{1}},
	{FeaturesAll, []float64{0.25, 1}},
	{"all,mean,quarters,deviation", []float64{0.1, 0.25}},
}

// choice is the choosing of features for a run.
type choice struct {
	r       *run
	ex      head.Examples // without rows
	fold    []int
	width   int               // values of every block
	x       []float32         // [n,width], scaled: see scaleSpan
	spans   []inception.Span  // of every block
	grams   map[int][]float32 // of those that were needed, by their place in spans
	threads int
}

// chooseFeatures returns what does best in cross-validation; nil for the bottleneck.
func (r *run) chooseFeatures(ctx context.Context, training []int) (*inception.Features, error) {
	few := spread(training, func(i int) int { return r.items[i].Label }, len(r.folder.Labels), mostChosenWith)
	c := &choice{r: r, threads: max(r.cfg.Engine.Threads, 1), spans: inception.AllFeatures().Spans(r.weights.Width),
		grams: map[int][]float32{}}
	if r.cfg.Engine.Threads == 0 {
		c.threads = runtime.GOMAXPROCS(0)
	}
	if err := c.load(ctx, few); err != nil {
		return nil, err
	}
	if slices.Max(c.fold) == 0 {
		r.res.Notes = append(r.res.Notes, noteNotChosen)
		return nil, nil
	}
	p := newMeter(PhaseFeatures, len(candidates), r.cfg.Progress, r.res.Seconds)
	for _, of := range candidates {
		got, err := c.try(ctx, of.features, of.kept)
		if err != nil {
			return nil, fmt.Errorf("train: features: %w", err)
		}
		r.tried = append(r.tried, got...)
		p.step(false)
	}
	p.end()
	chosen := best(r.tried)
	f, err := c.selected(chosen)
	if f != nil && f.Columns != nil {
		r.chosenWith = &chosenWith{few, c.fold, chosen.logits}
	}
	return f, err
}

// noteNotChosen says why nothing was chosen.
const noteNotChosen = "there are too few pictures that differ to choose what the head reads: it reads the last block"

// chosenWith is what heads on the chosen features said of the pictures that these were chosen with, each
// trained, and its columns chosen, without the picture's fold.
type chosenWith struct {
	pictures []int // places in run.items
	fold     []int
	logits   []float64 // [n,K]
}

// load reads the pictures, scales what every block says of them, and deals them to folds.
func (c *choice) load(ctx context.Context, pictures []int) error {
	c.ex = c.r.examplesOf(pictures)
	for _, i := range pictures {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("train: features: stopped: %w", context.Cause(ctx))
		}
		row, err := c.r.deep.get(c.r.sums[i])
		if err != nil {
			return err
		}
		c.width = len(row)
		c.x = append(slices.Grow(c.x, len(pictures)*len(row)-len(c.x)), row...)
	}
	par.Do(c.threads, len(c.spans), func(s int) { scaleSpan(c.x, c.width, c.spans[s].From, c.spans[s].To) })
	var err error
	if c.fold, err = c.r.deal(c.r.items, pictures, min(cmp.Or(c.r.cfg.Folds, DefaultFolds), len(pictures))); err != nil {
		return fmt.Errorf("train: features: %w", err)
	}
	return nil
}

// of returns the spans of a candidate, by their places, and the number of its values.
func (c *choice) of(features string) (f *inception.Features, spans []int, values int, err error) {
	if features == FeaturesLast {
		features = inception.FeatureBlocks()[len(inception.FeatureBlocks())-1]
	}
	if f, _, err = parseFeatures(features); err != nil {
		return nil, nil, 0, err
	}
	for i, s := range c.spans {
		if slices.Contains(f.Blocks, s.Block) && slices.Contains(f.Statistics, s.Statistic) {
			spans, values = append(spans, i), values+s.To-s.From
		}
	}
	return f, spans, values, nil
}

// try cross-validates a candidate, with each part of its values kept, the smallest first.
func (c *choice) try(ctx context.Context, features string, kept []float64) ([]FeatureChoice, error) {
	_, spans, values, err := c.of(features)
	if err != nil {
		return nil, err
	}
	n, k := len(c.ex.Labels), c.ex.Classes
	g := make([]float64, n*n)
	for _, s := range spans {
		if err := c.gram(g, s); err != nil {
			return nil, err
		}
	}
	out := make([]FeatureChoice, len(kept))
	logits := make([][]float64, len(kept))
	for i, part := range kept {
		out[i] = FeatureChoice{Features: features, Values: max(1, int(part*float64(values)))}
		logits[i] = make([]float64, n*k)
	}
	var parts []int
	for f := range slices.Max(c.fold) + 1 {
		if slices.Contains(c.fold, f) {
			parts = append(parts, f)
		}
	}
	var orders [][]int
	if out[0].Values < values {
		if orders, err = c.relevance(g, spans, parts...); err != nil {
			return nil, err
		}
	}
	for at, f := range parts {
		sum, from := make([]float64, n*n), 0 // of the columns that are looked at already
		for i := range kept {
			of := slices.Clone(g)
			if out[i].Values < values {
				more, err := c.gramOf(orders[at][from:out[i].Values])
				if err != nil {
					return nil, err
				}
				addWide(sum, more)
				copy(of, sum)
				from = out[i].Values
			}
			if err := c.foldLogits(ctx, of, f, out[i].Values, logits[i]); err != nil {
				return nil, err
			}
		}
	}
	for i := range out {
		c.score(&out[i], logits[i])
	}
	return out, nil
}

// foldLogits writes what a head that was trained without a fold says of it, of which g are the inner
// products of so many values; g is used up.
func (c *choice) foldLogits(ctx context.Context, g []float64, fold, values int, logits []float64) error {
	ex, alone := c.ex, make([]int, len(c.fold))
	const trainedOn = -2 // as a view of a fold that there is none of
	for i, f := range c.fold {
		if alone[i] = trainedOn; f == fold {
			alone[i] = 0
		}
	}
	var err error
	if ex.Rows, err = factorRows(g, len(alone), values, c.threads); err != nil {
		return err
	}
	o := c.r.cfg.Options
	said, err := head.CrossValidate(ctx, ex, head.Config{Folds: alone, Threads: c.threads,
		Balanced: c.r.cfg.ClassWeights.Balanced, Options: head.Options{
			Scaling: head.ScaleNone, L2: max(o.L2, 0), Tolerance: roughTolerance, Smoothing: o.Smoothing}})
	if err != nil {
		return err
	}
	k := c.ex.Classes
	for i, f := range c.fold {
		if f == fold {
			copy(logits[i*k:(i+1)*k], said[i*k:(i+1)*k])
		}
	}
	return nil
}

// selected is what a choice stands for, with the columns that matter most to all of the pictures.
func (c *choice) selected(chosen FeatureChoice) (*inception.Features, error) {
	f, spans, values, err := c.of(chosen.Features)
	if err != nil || chosen.Features == FeaturesLast {
		return nil, err
	}
	if chosen.Values == values {
		return f, nil
	}
	n := len(c.ex.Labels)
	g := make([]float64, n*n)
	place, at := make([]int, c.width), 0 // of each column among those of f
	for _, s := range spans {
		if err := c.gram(g, s); err != nil {
			return nil, err
		}
		for j := c.spans[s].From; j < c.spans[s].To; j++ {
			place[j], at = at, at+1
		}
	}
	orders, err := c.relevance(g, spans, everyFold)
	if err != nil {
		return nil, err
	}
	for _, j := range orders[0][:chosen.Values] {
		f.Columns = append(f.Columns, place[j])
	}
	slices.Sort(f.Columns)
	return f, nil
}

// score measures the logits [n,K] of pictures that were held out, with the temperature that a model
// would have: what many values gain is often too sure of itself before.
func (c *choice) score(got *FeatureChoice, logits []float64) {
	k, right, total := c.ex.Classes, 0.0, 0.0
	got.logits = logits
	t := head.FitTemperature(logits, c.ex)
	got.losses = make([]float64, len(c.ex.Labels))
	for i := range c.ex.Labels {
		w := 1.0
		if c.ex.Weights != nil {
			w = c.ex.Weights[i]
		}
		row := logits[i*k : (i+1)*k]
		if c.ex.MultiLabel != nil {
			got.losses[i] = w * numeric.BinaryCrossEntropy(row, c.ex.MultiLabel[i], t)
		} else {
			got.losses[i] = w * numeric.CrossEntropy(row, c.ex.Labels[i], t)
			if numeric.Argmax(row) == c.ex.Labels[i] {
				right += w
			}
		}
		got.LogLoss += got.losses[i]
		total += w
	}
	got.LogLoss, got.Accuracy = got.LogLoss/total, right/total
}

// best returns the choice of the least log loss, or the first, the bottleneck, unless the other is
// better by more than twice the standard error of the difference over the same pictures: it is the
// best of several.
func best(tried []FeatureChoice) FeatureChoice {
	least, last := tried[0], tried[0]
	for _, c := range tried {
		if c.LogLoss < least.LogLoss {
			least = c
		}
	}
	if d, e := pairedDifference(last.losses, least.losses); d > 2*e {
		return least
	}
	return last
}

// pairedDifference returns the mean of a-b over the same pictures, and its standard error.
func pairedDifference(a, b []float64) (mean, deviation float64) {
	sum, squares, n := 0.0, 0.0, float64(len(a))
	for i := range a {
		d := a[i] - b[i]
		sum, squares = sum+d, squares+d*d
	}
	mean = sum / n
	return mean, math.Sqrt(max(squares/n-mean*mean, 0) / n)
}
