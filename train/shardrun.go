package train

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/shards"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/plural"
	"github.com/c236555e/rehead/internal/wrongfield"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/metrics"
)

// ShardConfig sets a run on shards; the zero value is a good one.
type ShardConfig struct {
	// of the solver lbfgs; L2 below 0 is chosen by the validation part's loss, a fit for each that is tried;
	// Tolerance 0 means head.DefaultStreamTolerance
	head.Options
	// of the digests of the pictures' bytes (dataset.SumRule), but for rows whose part the shards give
	Split        dataset.SplitConfig
	ClassWeights ClassWeights
	Memory       int64        // bytes that the run may hold beside the trunk; 0 means head.DefaultMemory
	Passes       int          // most passes over the shards of a fit; 0 means head.DefaultPasses
	Unknown      float64      // as Config.Unknown, without labels left out to try it
	Precision    nn.Precision // of the trunk; "" means that of the weights; BFloat16 wants them of float32
	Engine       nn.Config
	Date         string // of the run, kept in the model; "" for none
	ToolVersion  string
	Name         string // of the model, for people; "" for none
	Progress     func(Event)
}

// Validate names the first field that is wrong.
func (c ShardConfig) Validate() error {
	if err := c.Split.Validate(); err != nil {
		return err
	}
	if c.Split.Legacy || c.Split.Stratified {
		return errors.New("train: config: Split: rows of shards are dealt by the digests of their pictures, want neither " +
			"Legacy nor Stratified")
	}
	if c.Precision == nn.Int8 {
		return errors.New("train: config: Precision: int8 is calibrated on pictures, of which shards have none: " +
			"want float32 or bfloat16")
	}
	if err := c.Engine.Validate(); err != nil {
		return err
	}
	if !(c.Unknown >= 0 && c.Unknown <= 0.5) {
		return wrongfield.Errorf("train: config", "Unknown", "got %g, want 0 (off) to 0.5", c.Unknown)
	}
	of := c.Options
	if of.L2 < 0 {
		if of.L2 = 0; of.Scaling == head.ScaleAuto {
			return wrongfield.Errorf("train: config", "Scaling", "got %s, want one of them: of rows that are streamed L2 alone "+
				"is searched for", of.Scaling)
		}
		if v := resolved(c.Split).Validation; v < 0 {
			return wrongfield.Errorf("train: config", "L2", "is to be searched for (auto), and there is no validation part to "+
				"choose it by: want a number, or such a part")
		}
	}
	return head.StreamConfig{Options: of, Classes: 2, Memory: c.Memory, Passes: c.Passes,
		Threads: c.Engine.Threads}.Validate()
}

// Of a run on shards.
const (
	shardsHeld       = 100_000 // most rows of either held-out part that calibrate and measure one by one
	duplicatesListed = 3
)

// RunShards trains a classifier on the rows of shards, which are of the trunk w: it streams them in a few
// passes and holds a part of them (see head.FitStream). Rows are dealt to parts by the digest of their
// picture's bytes, so that pictures with the same bytes never come to lie in different parts; those
// without a label are left out. Temperature, thresholds and all measures but the parts' accuracy are
// those of at most 100,000 rows of a part. The model has what a model of Run has, but no thumbnails.
//
// When ctx ends, or the process dies, the same call made again goes on from Checkpoints to the same
// model. Call Result.Finish once it is saved.
func RunShards(ctx context.Context, set *shards.Set, w *inception.Weights, cfg ShardConfig) (*Result, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if set == nil || w == nil {
		return nil, errors.New("train: shards: got no set of shards or no weights, want both")
	}
	if cfg.Precision == nn.BFloat16 && w.Precision() == nn.Float32 {
		var err error
		if w, err = w.Narrowed(); err != nil {
			return nil, err
		}
	}
	r := &shardRun{cfg: cfg, set: set, weights: w, res: &Result{Seconds: map[Phase]float64{}}}
	if err := r.match(); err != nil {
		return nil, err
	}
	if len(set.Labels) < 2 {
		return nil, fmt.Errorf("train: shards: %w: got the labels %q", dataset.ErrFewLabels, set.Labels)
	}
	if err := r.run(ctx); err != nil {
		return nil, err
	}
	return r.res, nil
}

// shardRun is a run on its way.
type shardRun struct {
	cfg     ShardConfig
	set     *shards.Set
	weights *inception.Weights
	reads   *inception.Features
	res     *Result
	fit     *head.StreamSolution
}

// match holds the shards' trunk against the weights.
func (r *shardRun) match() error {
	k := r.set.Key
	if k.Reads != shards.Last {
		r.reads = &inception.Features{}
		if err := json.Unmarshal([]byte(k.Reads), r.reads); err != nil {
			return fmt.Errorf("train: shards: what they read of the trunk cannot be understood: %w", err)
		}
	}
	want, err := ShardKey(r.weights, r.reads, nn.Config{})
	if err != nil {
		return err
	}
	want.Arithmetic = k.Arithmetic
	if err := want.Check("the set", k); err != nil {
		return fmt.Errorf("%w; the weights given here are those of %s", err, r.weights.Source)
	}
	return nil
}

func (r *shardRun) run(ctx context.Context) error {
	split := resolved(r.cfg.Split)
	split.Rule = dataset.SumRule
	src, err := newShardSource(ctx, r.set, split)
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	memory := cmp.Or(r.cfg.Memory, head.DefaultMemory)
	if err := r.duplicates(ctx, memory/4); err != nil {
		return err
	}
	sc := head.StreamConfig{Options: r.cfg.Options, Classes: len(r.set.Labels), Names: r.set.Labels,
		MultiLabel: r.set.MultiLabel, Balanced: r.cfg.ClassWeights.Balanced, Memory: memory, Passes: r.cfg.Passes,
		Threads: r.cfg.Engine.Threads,
		Held:    int(min(shardsHeld, memory/16/int64(4*len(r.set.Labels)+64))), Progress: r.watch}
	if sc.ClassWeights, err = r.cfg.ClassWeights.factors(r.set.Labels); err != nil {
		return err
	}
	if err := r.solve(ctx, src, sc); err != nil {
		return err
	}
	r.res.Fit = &r.fit.Solution
	if f := r.fit; !f.Converged {
		r.res.Notes = append(r.res.Notes, fmt.Sprintf("the head's solver stopped after %d passes with a loss that may be "+
			"%.2g of %.4g above the least, want %.2g of it or less: more memory or a larger L2 needs fewer passes",
			f.Passes, f.Gap, f.Loss, f.Tolerance))
	}
	if r.fit.CheckpointErr != nil {
		r.res.Notes = append(r.res.Notes, fmt.Sprintf("no checkpoint could be written, so that this run could not have gone "+
			"on after a stop: %v", pathless(r.fit.CheckpointErr)))
	}
	return r.model(ctx, src, split, memory)
}

func (r *shardRun) watch(e head.Event) {
	if r.cfg.Progress != nil {
		r.cfg.Progress(Event{Event: e})
	}
}

// duplicates notes rows whose pictures have the same bytes.
func (r *shardRun) duplicates(ctx context.Context, memory int64) error {
	list, extra, err := r.set.Duplicates(ctx, memory, duplicatesListed)
	if err != nil || extra == 0 {
		return err
	}
	r.res.Metrics.Duplicates = extra
	var words []string
	for _, same := range list {
		paths, err := r.set.Paths(ctx, same[:2])
		if err != nil {
			return err
		}
		words = append(words, strings.Join(paths, " and "))
	}
	r.res.Notes = append(r.res.Notes, fmt.Sprintf("%s the bytes of another's, such as %s: they count each time",
		plural.Count(extra, "row's picture has", "rows' pictures have"), strings.Join(words, "; ")))
	return nil
}

// model measures the head and puts the model together.
func (r *shardRun) model(ctx context.Context, src *shardSource, split dataset.SplitConfig, memory int64) error {
	items, err := r.items(ctx, src)
	if err != nil {
		return err
	}
	logits := make([]float64, len(r.fit.HeldLogits))
	for i, z := range r.fit.HeldLogits {
		logits[i] = float64(z)
	}
	temp, thresholds := r.calibrate(items, logits)
	said := metrics.Predictions{Items: items, Logits: logits, Labels: r.set.Labels, Temperature: temp,
		MultiLabel: r.set.MultiLabel, Thresholds: thresholds}
	m, pictures := said.Measure()
	m.Duplicates = r.res.Metrics.Duplicates
	r.whole(&m, len(items))
	line, distance, err := r.unknown(ctx, src, &m, memory)
	if err != nil {
		return err
	}
	measured, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("train: metrics: %w", err)
	}
	training, err := json.Marshal(r.settings(memory))
	if err != nil {
		return fmt.Errorf("train: settings: %w", err)
	}
	digests, err := r.remember(ctx, src)
	if err != nil {
		return err
	}
	w := r.weights
	r.res.Metrics, r.res.Pictures = m, pictures
	r.res.Model = &inception.Model{
		Labels: append([]string(nil), r.set.Labels...), Head: r.fit.Head, Reads: r.reads, Temperature: temp,
		Thresholds: thresholds, Unknown: line, Distance: distance, Recipe: w.Recipe, Flavor: w.Flavor, Width: w.Width,
		TrunkDigest: w.Digest, BFloat16: w.BFloat16, Ranges: w.Ranges, Trunk: w, Seed: r.cfg.Seed,
		Split: inception.Split(split), Training: training, Metrics: measured,
		ToolVersion: r.cfg.ToolVersion, Pictures: digests, Name: r.cfg.Name,
	}
	return inception.RecordSelfTest(ctx, r.res.Model, r.cfg.Engine)
}

// items are the held rows as pictures, with their labels.
func (r *shardRun) items(ctx context.Context, src *shardSource) ([]dataset.Item, error) {
	rows := r.fit.HeldRows
	paths, err := r.set.Paths(ctx, rows)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	items := make([]dataset.Item, len(rows))
	for i, p := range paths {
		items[i] = dataset.Item{Path: p, Rel: p, Split: dataset.Split(r.fit.HeldParts[i])}
	}
	at := 0
	err = r.set.Each(ctx, shards.Stream{IndexOnly: true}, func(b *shards.Block) error {
		defer b.Release()
		if at == len(rows) || rows[at] >= b.First+b.Len() {
			return nil
		}
		h := src.batch(b)
		for ; at < len(rows) && rows[at] < b.First+b.Len(); at++ {
			set := labelsOf(h, rows[at]-b.First)
			if len(set) > 0 {
				items[at].Label = set[0]
			}
			if h.MultiLabel != nil {
				items[at].Labels = append([]int{}, set...)
			}
		}
		return nil
	})
	return items, err
}

// calibrate fits temperature and thresholds on the held rows of the validation part.
func (r *shardRun) calibrate(items []dataset.Item, logits []float64) (temp float64, thresholds []float64) {
	k := len(r.set.Labels)
	ex := head.Examples{Classes: k}
	var of []float64
	for i, it := range items {
		if it.Split != dataset.Validation {
			continue
		}
		ex.Labels = append(ex.Labels, it.Label)
		if r.set.MultiLabel {
			ex.MultiLabel = append(ex.MultiLabel, it.Labels)
		}
		of = append(of, logits[i*k:(i+1)*k]...)
	}
	temp = head.FitTemperature(of, ex)
	if r.set.MultiLabel {
		thresholds = head.FitThresholds(of, ex, temp)
	}
	return temp, thresholds
}

// whole puts the accuracy of whole parts in the place of that of their held rows, where these are fewer:
// a temperature changes no answer. Thresholds do.
func (r *shardRun) whole(m *metrics.Metrics, held int) {
	v, t := r.fit.Validation, r.fit.Test
	m.Images = r.fit.Rows + v.Rows + t.Rows
	if held == v.Rows+t.Rows {
		return
	}
	r.res.Notes = append(r.res.Notes, fmt.Sprintf("%d of the %d held-out rows calibrate and measure one by one", held,
		v.Rows+t.Rows))
	if r.set.MultiLabel {
		return
	}
	for _, p := range []struct {
		part *metrics.Part
		of   head.Measured
	}{{&m.Validation, v}, {&m.Test, t}} {
		if p.of.Rows > 0 {
			p.part.Images, p.part.Correct = p.of.Rows, p.of.Right
			p.part.Accuracy = float64(p.of.Right) / float64(p.of.Rows)
			p.part.Interval = metrics.Wilson(p.of.Right, p.of.Rows)
		}
	}
}

// Streamed says how a head was solved for that was trained on shards.
type Streamed struct {
	Rows     int   `json:"rows"`     // of the training part
	Resident int   `json:"resident"` // of them, held in memory
	Passes   int   `json:"passes"`   // over all features
	Memory   int64 `json:"memory"`   // bytes that were allowed
}

func (r *shardRun) settings(memory int64) Settings {
	fit := r.fit
	s := Settings{Date: r.cfg.Date, Options: fit.Options, Search: fit.Tried, Iterations: fit.Iterations,
		Evaluations: fit.Evaluations, Loss: fit.Loss, Gap: fit.Gap, Gradient: fit.Gradient, Converged: fit.Converged,
		Streamed: &Streamed{fit.Rows, fit.Resident, fit.Passes, memory}}
	s.Seed, s.MiniBatch = 0, head.MiniBatch{}
	if r.cfg.ClassWeights.Balanced || r.cfg.ClassWeights.Of != nil {
		s.ClassWeights = &r.cfg.ClassWeights
	}
	return s
}

// remember lists the run's pictures for the model, as run.remember does.
func (r *shardRun) remember(ctx context.Context, src *shardSource) (*inception.PictureDigests, error) {
	d := &inception.PictureDigests{Images: r.fit.Rows + r.fit.Validation.Rows + r.fit.Test.Rows}
	if !d.Complete() {
		return d, nil
	}
	rest := &run{}
	err := r.set.Each(ctx, shards.Stream{IndexOnly: true}, func(b *shards.Block) error {
		defer b.Release()
		for i, p := range src.batch(b).Parts {
			if p != head.PartNone {
				rest.items = append(rest.items, dataset.Item{Split: dataset.Split(p)})
				rest.sums = append(rest.sums, b.Sum(i))
			}
		}
		return nil
	})
	return rest.remember(), err
}
