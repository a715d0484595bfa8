package train

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"math"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/train/head"
)

// What Config.Features says beside a list of blocks and statistics.
const (
	FeaturesLast = "last" // the last block's mean, the bottleneck
	FeaturesAll  = "all"  // the mean of every block
	FeaturesAuto = "auto" // what does best in cross-validation
)

// mostForAuto is how many pictures a folder may have for FeaturesAuto to be the default: their features
// take up to 1.1 GB of memory then, and as much of the cache.
const mostForAuto = 10_000

// FeaturesFor returns what c.Features means for a folder of so many pictures. "" is FeaturesAuto, but
// FeaturesLast for more than 10,000 pictures, for solvers other than head.LBFGS, which are asked for to
// do as others do, and for a warm start from a head that reads that.
func (c Config) FeaturesFor(pictures int) string {
	switch {
	case c.Features != "":
		return c.Features
	case pictures > mostForAuto, c.Solver != "" && c.Solver != head.LBFGS, c.WarmStart != nil && c.WarmStart.Reads == nil:
		return FeaturesLast
	}
	return FeaturesAuto
}

// parseFeatures says what a head is to read: nil of the bottleneck, and all there is where it is to
// be chosen. "" is what FeaturesFor says before.
func parseFeatures(text string) (f *inception.Features, auto bool, err error) {
	switch text {
	case "", FeaturesLast:
		return nil, false, nil
	case FeaturesAuto:
		return inception.AllFeatures(), true, nil
	}
	if f, err = inception.ParseFeatures(text); err != nil {
		return nil, false, fmt.Errorf("train: config: Features: got %q, want %s, %s, %s or a list: %w", text, FeaturesLast,
			FeaturesAll, FeaturesAuto, err)
	}
	return f, false, nil
}

// ParseFeatures reads what Config.Features may be, but for FeaturesAuto, which takes labelled pictures:
// nil for FeaturesLast, and for "".
func ParseFeatures(text string) (*inception.Features, error) {
	f, auto, err := parseFeatures(text)
	if auto {
		return nil, fmt.Errorf("train: features: got %s, which training chooses: want %s, %s or a list", text, FeaturesLast,
			FeaturesAll)
	}
	return f, err
}

// readFeatures puts what the head is to read in the place of the bottlenecks.
func (r *run) readFeatures(ctx context.Context) error {
	f, auto, err := parseFeatures(r.cfg.Features)
	if err != nil || f == nil {
		return err
	}
	if m := r.cfg.WarmStart; m != nil && m.Reads != nil {
		like := *m.Reads
		like.Scales, like.Columns = nil, nil
		if auto || like.Equal(f) { // the same values in the same scale, so that the head fits them
			f, auto = m.Reads, false
		}
	}
	var training []int // pictures, without their views
	for i, it := range r.items {
		if it.Split == dataset.Train {
			training = append(training, i)
		}
	}
	if auto {
		if f, err = r.chooseFeatures(ctx, training); err != nil || f == nil {
			return err
		}
	}
	if f.Scales == nil {
		if f, err = r.scaled(ctx, f, training); err != nil {
			return err
		}
	}
	r.reads = f
	if f.Columns != nil {
		r.bottlenecks = r.rows
	}
	keys := append([][sha256.Size]byte(nil), r.sums...)
	for i := range r.views {
		for k := range r.views[i] {
			keys = append(keys, r.cfg.Augment.CacheSum(r.view(i, k)))
		}
	}
	rows, err := r.deep.read(ctx, f, keys, r.cfg.Engine.Threads)
	if err != nil {
		return err
	}
	r.rows, rows = rows[:len(r.items):len(r.items)], rows[len(r.items):]
	for i := range r.views {
		n := len(r.views[i])
		r.views[i], rows = rows[:n:n], rows[n:]
	}
	return nil
}

// scaled returns f with a scale for each statistic of each block, so that none rules by its size:
// divided by the mean of its values' standard deviations over the training pictures, so that head's
// half scaling gives all of them the same variance on average. Where nothing varies the scale is 0.
func (r *run) scaled(ctx context.Context, f *inception.Features, training []int) (*inception.Features, error) {
	whole := *f
	whole.Columns = nil
	spread, err := r.deviations(ctx, &whole, training)
	if err != nil {
		return nil, err
	}
	out := *f
	for _, s := range whole.Spans(r.weights.Width) {
		sum := 0.0
		for _, d := range spread[s.From:s.To] {
			sum += d
		}
		scale := float32(0)
		if sum > 0 {
			scale = float32(float64(s.To-s.From) / sum)
		}
		if math.IsInf(float64(scale), 0) {
			scale = 0
		}
		out.Scales = append(out.Scales, scale)
	}
	return &out, nil
}

// deviations returns the standard deviation of each value that f reads over some pictures.
func (r *run) deviations(ctx context.Context, f *inception.Features, pictures []int) ([]float64, error) {
	at, _, err := f.Places(r.weights.Width)
	if err != nil {
		return nil, err
	}
	n := float64(len(pictures))
	first, sum, square := make([]float64, len(at)), make([]float64, len(at)), make([]float64, len(at))
	for k, i := range pictures {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("train: features: stopped: %w", context.Cause(ctx))
		}
		all, err := r.deep.get(r.sums[i])
		if err != nil {
			return nil, err
		}
		for j, p := range at {
			v := float64(all[p])
			if k == 0 {
				first[j] = v
			}
			v -= first[j]
			sum[j] += v
			square[j] += v * v
		}
	}
	for j := range sum {
		sum[j] = math.Sqrt(max(square[j]/n-sum[j]/n*sum[j]/n, 0))
	}
	return sum, nil
}

// examplesOf is some pictures as examples, without their rows.
func (r *run) examplesOf(pictures []int) head.Examples {
	ex := head.Examples{Classes: len(r.folder.Labels)}
	for _, i := range pictures {
		it := r.items[i]
		ex.Labels = append(ex.Labels, it.Label)
		if r.folder.MultiLabel {
			ex.MultiLabel = append(ex.MultiLabel, it.Labels)
		}
		ex.Weights = append(ex.Weights, cmp.Or(it.Weight, 1))
	}
	return ex
}
