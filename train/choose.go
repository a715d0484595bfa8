package train

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/nn/linalg"
	"github.com/c236555e/rehead/train/head"
)

// Features are chosen by what heads that read them say of pictures they were not trained on. A head
// sees nothing of its training pictures but their inner products, so each candidate takes one Gram
// matrix [n,n] of the pictures, the sum of those of its parts; the rows of its Cholesky factor are
// then features of which the same heads come, exactly, in n dimensions instead of tens of thousands.

// mostChosenWith is how many training pictures features are chosen with; it bounds time and memory.
const mostChosenWith = 1500

// FeatureChoice is one candidate, and what it was worth on the folds that were held out in turn.
type FeatureChoice struct {
	Features string  `json:"features"` // in the words of Config.Features
	Values   int     `json:"values"`
	LogLoss  float64 `json:"validation_log_loss"`
	Accuracy float64 `json:"validation_accuracy"`
}

// candidates lists what is tried, the smallest first.
var candidates = []string{FeaturesLast, FeaturesAll, "all,quarters", "all,quarters,deviation"}

// choice is the choosing of features for a run.
type choice struct {
	r       *run
	ex      head.Examples // without rows
	fold    []int
	rows    [][]float32 // every value, scaled: see scaleAll
	spans   []inception.Span
	threads int
	grams   map[inception.Span][]float64
}

// chooseFeatures returns what does best in cross-validation; nil for the bottleneck.
func (r *run) chooseFeatures(ctx context.Context, training []int) (*inception.Features, error) {
	few := spread(training, func(i int) int { return r.items[i].Label }, len(r.folder.Labels), mostChosenWith)
	c := &choice{r: r, threads: r.cfg.Engine.Threads, spans: inception.AllFeatures().Spans(r.weights.Width),
		grams: map[inception.Span][]float64{}}
	if err := c.load(ctx, few); err != nil {
		return nil, err
	}
	p := newMeter(PhaseFeatures, len(candidates), r.cfg.Progress, r.res.Seconds)
	best, least := "", math.Inf(1)
	for _, name := range candidates {
		got, err := c.try(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("train: features: %w", err)
		}
		r.tried = append(r.tried, got)
		if got.LogLoss < least {
			best, least = name, got.LogLoss
		}
		p.step(false)
	}
	p.end()
	f, _, err := parseFeatures(best)
	return f, err
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
		c.rows = append(c.rows, row)
	}
	par.Do(c.threads, len(c.spans), func(s int) { scaleSpan(c.rows, c.spans[s].From, c.spans[s].To) })
	var err error
	if c.fold, err = c.r.deal(c.r.items, pictures, cmp.Or(c.r.cfg.Folds, DefaultFolds)); err != nil {
		return fmt.Errorf("train: features: %w", err)
	}
	return nil
}

// scaleSpan centres the values from lo to hi-1 of all rows, divides each by the root of its standard
// deviation, as head.ScaleHalf does, and all by what makes their mean variance 1.
func scaleSpan(rows [][]float32, lo, hi int) {
	n := float64(len(rows))
	mean, deviation := make([]float64, hi-lo), make([]float64, hi-lo)
	for _, row := range rows {
		for j, v := range row[lo:hi] {
			mean[j] += float64(v) / n
		}
	}
	for _, row := range rows {
		for j, v := range row[lo:hi] {
			d := float64(v) - mean[j]
			deviation[j] += d * d / n
		}
	}
	total := 0.0
	for j, v := range deviation {
		deviation[j] = math.Sqrt(v)
		total += deviation[j]
	}
	for _, row := range rows {
		for j, v := range row[lo:hi] {
			row[lo+j] = 0
			if d := deviation[j]; d > constantFeature*math.Abs(mean[j]) {
				row[lo+j] = float32((float64(v) - mean[j]) / math.Sqrt(d*total/float64(hi-lo)))
			}
		}
	}
}

// constantFeature is the part of its mean below which a value's deviation is the rounding of float16.
const constantFeature = 1e-4

// gram adds the inner products of the rows in a span to g [n,n], on and below the diagonal.
func (c *choice) gram(g []float64, s inception.Span) error {
	n := len(c.rows)
	part := c.grams[s]
	if part == nil {
		x := make([]float32, 0, n*(s.To-s.From))
		for _, row := range c.rows {
			x = append(x, row[s.From:s.To]...)
		}
		part = make([]float64, n*n)
		m := linalg.New(x, n, s.To-s.From)
		if err := linalg.AddProduct(linalg.New(part, n, n), m, m, linalg.Product{TransposeB: true, Lower: true,
			Threads: c.threads}); err != nil {
			return err
		}
		c.grams[s] = part
	}
	for i, v := range part {
		g[i] += v
	}
	return nil
}

// try cross-validates a candidate.
func (c *choice) try(ctx context.Context, name string) (FeatureChoice, error) {
	got := FeatureChoice{Features: name}
	f, _, err := parseFeatures(name)
	if err != nil {
		return got, err
	}
	if f == nil {
		f, err = inception.ParseFeatures("Mixed_7c")
		if err != nil {
			return got, err
		}
	}
	n := len(c.rows)
	g := make([]float64, n*n)
	for _, s := range c.spans {
		if slices.Contains(f.Blocks, s.Block) && slices.Contains(f.Statistics, s.Statistic) {
			got.Values += s.To - s.From
			if err := c.gram(g, s); err != nil {
				return got, err
			}
		}
	}
	ex := c.ex
	if ex.Rows, err = factorRows(g, n, c.threads); err != nil {
		return got, err
	}
	o := c.r.cfg.Options
	logits, err := head.CrossValidate(ctx, ex, head.Config{Folds: c.fold, Threads: c.threads,
		Balanced: c.r.cfg.ClassWeights.Balanced, Options: head.Options{
			Scaling: head.ScaleNone, L2: featuresL2(max(o.L2, 0), len(c.r.folder.Labels), got.Values, c.r.weights.Features()),
			Tolerance: 1e-3, Smoothing: o.Smoothing}})
	if err != nil {
		return got, err
	}
	c.score(&got, logits)
	return got, nil
}

// factorRows returns rows whose inner products are g [n,n], of which what is on and below the
// diagonal counts: those of its Cholesky factor.
func factorRows(g []float64, n, threads int) ([][]float32, error) {
	trace := 0.0
	for i := range n {
		trace += g[i*n+i]
	}
	for i := range n { // rows of equal pictures, and as many as there are features, are dependent
		g[i*n+i] += 1e-6*trace/float64(n) + math.SmallestNonzeroFloat32
	}
	if _, err := linalg.Factor(linalg.New(g, n, n), threads); err != nil {
		return nil, err
	}
	rows := make([][]float32, n)
	for i := range rows {
		rows[i] = make([]float32, n)
		for j, v := range g[i*n : i*n+i+1] {
			rows[i][j] = float32(v)
		}
	}
	return rows, nil
}

// score measures the logits [n,K] of pictures that were held out.
func (c *choice) score(got *FeatureChoice, logits []float64) {
	k, right, total := c.ex.Classes, 0.0, 0.0
	for i := range c.ex.Labels {
		w := 1.0
		if c.ex.Weights != nil {
			w = c.ex.Weights[i]
		}
		row := logits[i*k : (i+1)*k]
		if c.ex.MultiLabel != nil {
			got.LogLoss += w * numeric.BinaryCrossEntropy(row, c.ex.MultiLabel[i], 1)
		} else {
			got.LogLoss += w * numeric.CrossEntropy(row, c.ex.Labels[i], 1)
			if numeric.Argmax(row) == c.ex.Labels[i] {
				right += w
			}
		}
		total += w
	}
	got.LogLoss, got.Accuracy = got.LogLoss/total, right/total
}
