package train

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/metrics"
	"github.com/c236555e/rehead/train/report"
)

// Result is what a training run made.
type Result struct {
	Model    *inception.Model  // ready to Save
	Metrics  metrics.Metrics   // as in Model.Metrics
	Fit      *head.Solution    // the head's solution
	Problems []source.Problem  // every file that was left out, and why: the folder's own and those that did not decode
	Notes    []string          // what is unusual about the data, one sentence each
	Pictures []metrics.Picture // every picture that was used, with its prediction, in the folder's order
	Embedded int               // pictures that went through the trunk in this run
	Cached   int               // pictures whose bottleneck was there already
	Seconds  map[Phase]float64 // wall time of each phase
	Checkup  *doctor.Checkup   // what the pictures looked like before they were used

	others []*head.Solution // fits of a search that were not the best
	report report.Input     // what Report shows, but for Learning
	trunk  *embedder        // has the trunk that the report answers with

	trained    int                                           // examples that the head was trained on, views among them
	solveAgain func(context.Context) (*head.Solution, error) // from nothing; nil where Fit has Snapshots
}

// Finish takes away the checkpoint of a run whose model is saved; a run that ends before goes on
// from it. It lets go of the compiled trunk, which Report compiles again where it is made later.
func (r *Result) Finish() error {
	if r == nil || r.Fit == nil {
		return errors.New("train: finish: got a result without its fit, want one that Run returned")
	}
	r.report.Trunk = nil
	err := errors.Join(r.Fit.Finish(), r.trunk.close())
	for _, f := range r.others {
		err = errors.Join(err, f.Finish())
	}
	return err
}

// Run trains a classifier on folder with the trunk w. The folder is split here (its items' Split
// fields are set), and pictures with the same bytes never come to lie in different parts. Where the
// folder has several labels a picture, the head is one of sigmoids with a threshold for each label,
// fitted on the validation part; labels are not judged then.
//
// When ctx ends, Run returns soon with an error that wraps ctx.Err(); bottlenecks embedded so far
// stay in the cache, the solver's state where Config.Checkpoints says, and the same call made again
// goes on from there to the same model. Call Result.Finish once the model is saved.
func Run(ctx context.Context, folder *dataset.Folder, w *inception.Weights, cfg Config) (*Result, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if folder == nil || w == nil {
		return nil, errors.New("train: run: got no folder or no weights, want both")
	}
	if err := cfg.Probe(); err != nil {
		return nil, err
	}
	if folder.MultiLabel && cfg.Solver == head.Retrain {
		return nil, head.ErrRetrainMultiLabel
	}
	folder, err := folder.Corrected(cfg.Corrections)
	if err != nil {
		return nil, err
	}
	if err := checkLabels(folder); err != nil {
		return nil, err
	}
	cfg.Split, cfg.Features = resolved(folder.Wanted(cfg.Split)), cfg.FeaturesFor(len(folder.Items))
	r := &run{cfg: cfg, folder: folder, weights: w, res: &Result{Seconds: map[Phase]float64{}}}
	if f, _, err := parseFeatures(cfg.Features); err != nil {
		return nil, err
	} else if f != nil {
		r.deep = &deep{}
	}
	r.trunk = newEmbedder(r.cfg.EmbedConfig, r.weights, len(r.folder.Items), r.res.Seconds)
	if err := r.steps(ctx); err != nil {
		return nil, errors.Join(err, r.trunk.close())
	}
	r.res.trunk = r.trunk
	runtime.AddCleanup(r.res, func(e *embedder) { _ = e.close() }, r.trunk)
	return r.res, nil
}

func (r *run) steps(ctx context.Context) error {
	if err := errors.Join(r.embed(ctx), r.deep.close()); err != nil {
		return err
	}
	if err := r.solve(ctx); err != nil {
		return err
	}
	return r.finish(ctx)
}

// resolved is c with its defaults written out, so that a model says how it was split when defaults
// have changed.
func resolved(c dataset.SplitConfig) dataset.SplitConfig {
	c.Rule = cmp.Or(c.Rule, dataset.SplitRule)
	for _, f := range []*float64{&c.Validation, &c.Test} {
		switch {
		case *f == 0:
			*f = 0.1
		case *f < 0:
			*f = -1
		}
	}
	return c
}

// run is a training run on its way.
type run struct {
	cfg     Config
	folder  *dataset.Folder
	weights *inception.Weights
	res     *Result
	trunk   *embedder // compiles the trunk once for all of the run

	items []dataset.Item // that have a bottleneck
	rows  [][]float32    // theirs
	sums  [][sha256.Size]byte
	views [][][]float32 // those of their views; nil where there are none
	deep  *deep         // what every block says of them; nil where the head reads bottlenecks
	reads *inception.Features
	tried []FeatureChoice // for it, where it was chosen
	// [n], where labels had a say in which values the head reads, which makes cross-validation of rows
	// see more than it should
	bottlenecks [][]float32
	chosenWith  *chosenWith // what there is in its place
	duplicates  int
	start       *inception.Head // of a warm start
	given       []int           // see givenToTrain
	crossed     *crossed        // nil where there was no cross-validation
	temp        float64
	logits      []float64 // [n,K]
	thresholds  []float64 // see inception.Model
	distance    *inception.Distance
}

// embed splits the folder, checks the plan and gets every bottleneck.
func (r *run) embed(ctx context.Context) error {
	e := r.trunk
	e.classes, e.deep = len(r.folder.Labels), r.deep
	out, bad, checkup, err := e.precheck(ctx, r.folder)
	if err != nil {
		return err
	}
	r.res.Checkup = checkup
	if err := r.divide(out.sums); err != nil {
		return err
	}
	if r.cfg.Checked != nil {
		r.cfg.Checked(checkup)
	}
	if err := r.calibrate(ctx, e, out, bad); err != nil {
		return err
	}
	if err := e.run(ctx, r.folder.Items, out, bad); err != nil {
		return err
	}
	// Now that there are bottlenecks: they find copies that the pixels do not.
	if err := checkup.RefineNear(ctx, out.rows, doctor.RefineConfig{Workers: r.cfg.Engine.Threads}); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	if err := r.divide(out.sums); err != nil {
		return err
	}
	r.items, r.rows = out.dropBad(r.folder.Items)
	r.sums = out.goodSums()
	r.duplicates = out.duplicates()
	r.res.Problems = append(append([]source.Problem(nil), r.folder.Problems...), out.problems...)
	r.res.Embedded, r.res.Cached = out.done, out.cached
	if r.cfg.Views > 0 {
		if err := r.embedViews(ctx, e); err != nil {
			return err
		}
	}
	if len(out.problems) > 0 {
		if _, err := checkSplit(r.good(), r.cfg.Split, r.given); err != nil {
			return fmt.Errorf("%w (after %d unreadable pictures were set aside)", err, len(out.problems))
		}
	}
	return r.readFeatures(ctx)
}

// divide splits the folder by what is known of it, and notes what will be less than one may expect.
func (r *run) divide(sums [][sha256.Size]byte) error {
	if r.given == nil {
		r.given = givenToTrain(r.folder)
	}
	crowded, err := divide(r.folder, &r.cfg.Split, r.res.Checkup, sums)
	if err != nil {
		return err
	}
	told := r.res.Notes
	if r.res.Notes, err = checkSplit(r.folder, r.cfg.Split, r.given); err != nil {
		return err
	}
	if crowded {
		r.res.Notes = append(r.res.Notes, noteCrowded)
	}
	for i, n := range r.res.Notes {
		if r.cfg.Progress != nil && !slices.Contains(told, n) {
			r.cfg.Progress(Event{Event: head.Event{Phase: PhaseCheck, Done: i + 1, Total: len(r.res.Notes)}, Note: n})
		}
	}
	return nil
}

// good is the folder of the pictures that have a bottleneck.
func (r *run) good() *dataset.Folder {
	return &dataset.Folder{Root: r.folder.Root, Labels: r.folder.Labels, Items: r.items, MultiLabel: r.folder.MultiLabel}
}

// part returns the examples of some parts, and the place in r.items of each. Views of training
// pictures come after them all; a picture and its views count together as much as it alone would.
func (r *run) part(of ...dataset.Split) (head.Examples, []int) {
	ex := head.Examples{Classes: len(r.folder.Labels)}
	var at []int
	add := func(i int, row []float32) {
		it := r.items[i]
		ex.Rows, ex.Labels, at = append(ex.Rows, row), append(ex.Labels, it.Label), append(at, i)
		if r.folder.MultiLabel {
			ex.MultiLabel = append(ex.MultiLabel, it.Labels)
		}
		w := cmp.Or(it.Weight, 1)
		if it.Split == dataset.Train && r.views != nil {
			w /= float64(1 + r.cfg.Views)
		}
		ex.Weights = append(ex.Weights, w)
	}
	for i, it := range r.items {
		if slices.Contains(of, it.Split) {
			add(i, r.rows[i])
		}
	}
	if r.views != nil && slices.Contains(of, dataset.Train) {
		for i := range r.items {
			for _, row := range r.views[i] {
				add(i, row)
			}
		}
	}
	if len(at) == 0 || slices.Min(ex.Weights) == slices.Max(ex.Weights) {
		ex.Weights = nil
	}
	return ex, at
}

// finish measures the head and puts the model together.
func (r *run) finish(ctx context.Context) error {
	p := newMeter(PhaseMeasure, len(r.items), r.cfg.Progress, r.res.Seconds)
	fit, threads := r.res.Fit, r.cfg.Engine.Threads
	var err error
	if r.logits, err = head.Logits(ctx, fit.Head, r.rows, threads); err != nil {
		return fmt.Errorf("train: measure: %w", err)
	}
	said := metrics.Predictions{Items: r.items, Logits: r.logits, Labels: r.folder.Labels, Temperature: r.temp,
		MultiLabel: r.folder.MultiLabel, Thresholds: r.thresholds}
	m, pictures := said.Measure()
	m.Quarantined, m.Duplicates = len(r.folder.Items)-len(r.items), r.duplicates
	m.CrossValidated = r.crossed.measure(said)
	if gap := m.Gap(); gap != "" {
		r.res.Notes = append(r.res.Notes, gap)
	}
	if err := r.audit(ctx, &m); err != nil {
		return err
	}
	line, err := r.unknown(ctx, &m)
	if err != nil {
		return err
	}
	p.end()
	training, err := json.Marshal(r.settings())
	if err != nil {
		return fmt.Errorf("train: settings: %w", err)
	}
	measured, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("train: metrics: %w", err)
	}
	r.res.Metrics, r.res.Pictures = m, pictures
	r.res.Model = &inception.Model{
		Labels: append([]string(nil), r.folder.Labels...), Head: fit.Head, Reads: r.reads, Temperature: r.temp,
		Thresholds: r.thresholds, Unknown: line, Distance: r.distance, Views: r.cfg.AnswerViews,
		Recipe: r.weights.Recipe, Flavor: r.weights.Flavor, Width: r.weights.Width, TrunkDigest: r.weights.Digest,
		BFloat16: r.weights.BFloat16, Ranges: r.weights.Ranges, Trunk: r.weights,
		Seed: r.cfg.Seed, Split: inception.Split(r.cfg.Split), Training: training, Metrics: measured,
		ToolVersion: r.cfg.ToolVersion, Pictures: r.remember(), Name: r.cfg.Name,
	}
	r.res.report = report.Input{Predictions: said, Sums: r.sums, Rows: r.rows, Root: r.folder.Root,
		Run:    report.Run{Name: r.cfg.Name, Data: dataName(r.folder.Root), Date: r.cfg.Date},
		Engine: r.cfg.Engine, Limits: r.cfg.Limits}
	if r.res.Model.Neighbours, err = r.neighbours(ctx); err != nil {
		return err
	}
	return r.selfTest(ctx)
}

// selfTest records the model's, and leaves the trunk to the report.
func (r *run) selfTest(ctx context.Context) error {
	m := r.res.Model
	if r.cfg.Engine.Arithmetic() != "" {
		return inception.RecordSelfTest(ctx, m, r.cfg.Engine) // by the CPU
	}
	trunk, err := r.trunk.compiled()
	if err != nil {
		return err
	}
	c, err := trunk.Classifier(m)
	if err != nil {
		return err
	}
	r.res.report.Trunk = trunk
	m.SelfTest, err = c.Record(ctx)
	return err
}
