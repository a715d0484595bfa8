package matrix

import (
	"cmp"
	"context"
	"fmt"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/metrics"
)

// DefaultFolds is what a Config.Folds of 0 means.
const DefaultFolds = 5

// Config sets a fit; the zero value is a good one.
type Config struct {
	// how the head is solved for; with a negative L2 it is searched for by cross-validation on the
	// training part
	head.Options
	Split    dataset.SplitConfig // of Data without Parts; the zero value holds out 10 % + 10 %
	Folds    int                 // of cross-validation; 0 means DefaultFolds
	Balanced bool                // labels count the same altogether, however many rows they have
	Threads  int                 // 0 means GOMAXPROCS; changes no bit of the result
	Progress func(head.Event)    // optional; called from one goroutine at a time
}

// Validate names the first field that is wrong.
func (c Config) Validate() error {
	if c.Folds < 0 || c.Folds == 1 || c.Folds > 1000 {
		return fmt.Errorf("matrix: config: Folds: got %d, want 0 (for %d) or 2 to 1000", c.Folds, DefaultFolds)
	}
	if err := c.Split.Validate(); err != nil {
		return err
	}
	if c.Threads < 0 || c.Threads > 4096 {
		return fmt.Errorf("matrix: config: Threads: got %d, want 0 (all processors) to 4096", c.Threads)
	}
	return c.Options.Validate()
}

// Result is what Fit found.
type Result struct {
	Classifier *Classifier
	Metrics    metrics.Metrics // "images" are rows
	Fit        *head.Solution
	Parts      []dataset.Split // [n], the part of each row
}

// Fit trains a classifier on the training part of the data and measures it. The temperature, and the
// thresholds of several labels, are fitted on the validation part, or without one on the training rows,
// each answered by a head that was trained without its fold. When ctx ends, Fit returns soon with an
// error that wraps its cause.
func Fit(ctx context.Context, data Data, cfg Config) (*Result, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := data.check(); err != nil {
		return nil, err
	}
	f, err := data.folder(data.labels())
	if err != nil {
		return nil, err
	}
	if f.MultiLabel && cfg.Solver == head.Retrain {
		return nil, head.ErrRetrainMultiLabel
	}
	if data.Parts == nil {
		if err := f.Split(cfg.Split); err != nil {
			return nil, err
		}
	}
	training, at := data.examples(f, dataset.Train)
	held, _ := data.examples(f, dataset.Validation)
	hc := head.Config{Options: cfg.Options, Balanced: cfg.Balanced, Threads: cfg.Threads, Progress: cfg.Progress}
	if len(held.Rows) > 0 {
		hc.Validation = &held
	}
	var folds []int
	if cfg.L2 < 0 || len(held.Rows) == 0 {
		if folds, err = deal(f, at, cmp.Or(cfg.Folds, DefaultFolds), cfg.Split.Salt); err != nil {
			return nil, err
		}
	}
	hc.Folds = folds
	fit, err := head.Fit(ctx, training, hc)
	if err != nil {
		return nil, err
	}
	c := &Classifier{model: inception.Model{Labels: f.Labels, Head: fit.Head}}
	if err := c.calibrate(ctx, training, held, fit, hc); err != nil {
		return nil, err
	}
	out := &Result{Classifier: c, Fit: fit, Parts: make([]dataset.Split, len(f.Items))}
	for i, it := range f.Items {
		out.Parts[i] = it.Split
	}
	out.Metrics, err = c.measure(ctx, data, f, false)
	return out, err
}

// deal deals the training rows, those of the given places, to at most k folds that all have some.
func deal(f *dataset.Folder, at []int, k int, salt string) ([]int, error) {
	all, err := f.Folds(k, salt)
	if err != nil {
		return nil, err
	}
	place, out := map[int]int{}, make([]int, len(at))
	for j, i := range at {
		p, ok := place[all[i]]
		if !ok {
			p = len(place)
			place[all[i]] = p
		}
		out[j] = p
	}
	return out, nil
}

// calibrate fits temperature and thresholds on held-out rows.
func (c *Classifier) calibrate(ctx context.Context, training, held head.Examples, fit *head.Solution,
	cfg head.Config) error {
	var logits []float64
	var err error
	if len(held.Rows) > 0 {
		logits, err = head.Logits(ctx, fit.Head, held.Rows, cfg.Threads)
	} else if fit.Solver == head.LBFGS { // heads of other solvers are not told by their settings
		cfg.Options = fit.Options
		held = training
		logits, err = head.CrossValidate(ctx, training, cfg)
	}
	if err != nil {
		return err
	}
	c.model.Temperature = head.FitTemperature(logits, held)
	if held.MultiLabel != nil {
		c.model.Thresholds = head.FitThresholds(logits, held, c.model.Temperature)
	}
	return nil
}
