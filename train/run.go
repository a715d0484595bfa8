package train

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
)

// Result is what a training run made.
type Result struct {
	Model    *inception.Model  // ready to Save
	Metrics  Metrics           // as in Model.Metrics
	Fit      *Fit              // the head's solution
	Problems []dataset.Problem // every file that was left out, and why: the folder's own and those that did not decode
	Notes    []string          // what is unusual about the data, one sentence each
	Pictures []Picture         // every picture that was used, with its prediction, in the folder's order
	Embedded int               // pictures that went through the trunk in this run
	Cached   int               // pictures whose bottleneck was there already
	Seconds  map[Phase]float64 // wall time of each phase
	Checkup  *dataset.Checkup  // what the pictures looked like before they were used

	evidence evidence // what Report shows besides
	keeper   *keeper
}

// Finish takes away the checkpoint of a run whose model is saved; a run that ends before goes on from it.
func (r *Result) Finish() error { return r.keeper.remove() }

// Settings is the JSON of Model.Training.
type Settings struct {
	Solver        Solver           `json:"solver"`
	Descent       *Descent         `json:"descent,omitempty"` // of every solver but lbfgs
	Scaling       Scaling          `json:"scaling"`
	L2            float64          `json:"l2"`
	Search        []Choice         `json:"l2_search,omitempty"` // what was tried, when L2 was searched for
	Folds         int              `json:"folds,omitempty"`     // of that search
	Smoothing     float64          `json:"label_smoothing,omitempty"`
	ClassWeights  *ClassWeights    `json:"class_weights,omitempty"`
	Weighted      bool             `json:"weighted,omitempty"` // pictures had weights of their own
	Views         int              `json:"views,omitempty"`    // of each training picture
	Augment       *dataset.Augment `json:"augment,omitempty"`
	WarmStart     string           `json:"warm_start,omitempty"` // SHA-256 of the head that the solver began at
	Tolerance     float64          `json:"tolerance"`
	MaxIterations int              `json:"max_iterations"`
	Iterations    int              `json:"iterations"` // steps, of every solver but lbfgs
	Evaluations   int              `json:"evaluations"`
	BestEpoch     int              `json:"best_epoch,omitempty"`
	Loss          float64          `json:"loss"`
	Gradient      float64          `json:"gradient"`
	Converged     bool             `json:"converged"`
}

// Run trains a classifier on folder with the trunk w. The folder is split here (its items' Split fields are set), and
// pictures with the same bytes never come to lie in different parts.
//
// When ctx ends, Run returns soon with an error that wraps ctx.Err(); bottlenecks embedded so far stay in the cache, the
// solver's state where Config.Checkpoints says, and the same call made again goes on from there to the same model. Call
// Result.Finish once the model is saved.
func Run(ctx context.Context, folder *dataset.Folder, w *inception.Weights, cfg Config) (*Result, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if folder == nil || w == nil {
		return nil, errors.New("train: run: got no folder or no weights, want both")
	}
	if folder.Several {
		return nil, errors.New("train: run: the pictures have several labels, and a run measures one label a picture: fit such a head with FitHead")
	}
	if err := checkLabels(folder); err != nil {
		return nil, err
	}
	cfg.Split = resolved(cfg.Split)
	r := &run{cfg: cfg, folder: folder, weights: w, res: &Result{Seconds: map[Phase]float64{}}}
	if err := r.embed(ctx); err != nil {
		return nil, err
	}
	if err := r.solve(ctx); err != nil {
		return nil, err
	}
	if err := r.finish(ctx); err != nil {
		return nil, err
	}
	return r.res, nil
}

// resolved is c with its defaults written out, so that a model says how it was split whatever later defaults are.
func resolved(c dataset.SplitConfig) dataset.SplitConfig {
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

	items      []dataset.Item // that have a bottleneck
	rows       [][]float32    // theirs
	views      [][][]float32  // those of their views; nil where there are none
	duplicates int
	tried      []Choice
	foldCount  int
	solved     FitConfig // what the head was solved for with
	temp       float64
	thresholds []float64 // see inception.Model
}

// embed splits the folder, checks the plan and gets every bottleneck.
func (r *run) embed(ctx context.Context) error {
	e := r.cfg.embedder(r.weights, len(r.folder.Items), r.res.Seconds)
	e.classes = len(r.folder.Labels)
	out, bad, checkup, err := e.look(ctx, r.folder)
	if err != nil {
		return err
	}
	r.res.Checkup = checkup
	crowded, err := divide(r.folder, &r.cfg.Split, checkup, out.sums)
	if err != nil {
		return err
	}
	if r.res.Notes, err = checkSplit(r.folder.Labels, r.folder.Items, r.cfg.Split); err != nil {
		return err
	}
	if crowded {
		r.res.Notes = append(r.res.Notes, noteCrowded)
	}
	for i, n := range r.res.Notes {
		if r.cfg.Progress != nil {
			r.cfg.Progress(Event{Phase: PhaseCheck, Done: i + 1, Total: len(r.res.Notes), Note: n})
		}
	}
	if err := e.run(ctx, r.folder.Items, out, bad); err != nil {
		return err
	}
	r.items, r.rows = out.dropBad(r.folder.Items)
	r.res.evidence.root, r.res.evidence.sums = r.folder.Root, out.goodSums()
	r.duplicates = out.duplicates()
	r.res.Problems = append(append([]dataset.Problem(nil), r.folder.Problems...), out.problems...)
	r.res.Embedded, r.res.Cached = out.done, out.cached
	if r.cfg.Views > 0 {
		if err := r.embedViews(ctx, e); err != nil {
			return err
		}
	}
	if len(out.problems) > 0 {
		if _, err := checkSplit(r.folder.Labels, r.items, r.cfg.Split); err != nil {
			return fmt.Errorf("%w (after %d unreadable pictures were set aside)", err, len(out.problems))
		}
	}
	return nil
}

// part returns the examples of one part, and the place in r.items of each. Views of training pictures come after them
// all; a picture and its views count together as much as it alone would.
func (r *run) part(s dataset.Split) (Examples, []int) {
	ex := Examples{Classes: len(r.folder.Labels)}
	var at []int
	weighted := false
	add := func(i int, row []float32, share float64) {
		it := r.items[i]
		ex.Rows, ex.Labels, at = append(ex.Rows, row), append(ex.Labels, it.Label), append(at, i)
		if r.folder.Several {
			ex.Sets = append(ex.Sets, it.Labels)
		}
		w := it.Weight
		if w == 0 {
			w = 1
		}
		weighted = weighted || w != 1
		ex.Weights = append(ex.Weights, w*share)
	}
	share := 1.0
	if s == dataset.Train && r.views != nil {
		share = 1 / float64(1+r.cfg.Views)
	}
	for i, it := range r.items {
		if it.Split == s {
			add(i, r.rows[i], share)
		}
	}
	if share < 1 {
		for i := range r.items {
			for _, row := range r.views[i] {
				add(i, row, share)
			}
		}
	}
	if !weighted {
		ex.Weights = nil
	}
	return ex, at
}

// solve fits the head and its temperature.
func (r *run) solve(ctx context.Context) error {
	valid, _ := r.part(dataset.Validation)
	train, at := r.part(dataset.Train)
	cfg := r.cfg.fit()
	if cfg.Scaling == ScaleAuto {
		cfg.Scaling = ""
	}
	var err error
	if cfg.ClassWeights, err = r.cfg.ClassWeights.factors(r.folder.Labels); err != nil {
		return err
	}
	if r.cfg.WarmStart != nil {
		if cfg.Start, err = r.warm(); err != nil {
			return err
		}
	}
	cfg.Validation = &valid
	cfg.Progress = r.res.evidence.watch(cfg.Progress)
	s, err := newSolver(ctx, train, cfg, newHeadGraph)
	if err != nil {
		return err
	}
	fold, err := r.folds(at)
	if err != nil {
		return err
	}
	if r.res.keeper, err = s.keeper(fold); err != nil {
		return err
	}
	if err := r.searchAndFit(s, fold); err != nil {
		return err
	}
	r.cfg.Threads = r.solved.Threads
	if fit := r.res.Fit; fit.Solver == LBFGS && !fit.Converged {
		r.res.Notes = append(r.res.Notes, fmt.Sprintf("the head's solver stopped after %d iterations with a gradient of %.2g, want %.2g or less; its accuracy may suffer",
			fit.Iterations, fit.Gradient, r.solved.Tolerance))
	}
	if k := r.res.keeper; k != nil && k.err != nil {
		r.res.Notes = append(r.res.Notes, fmt.Sprintf("no checkpoint could be written, so that this run could not have gone on after a stop: %v", k.err))
	}
	logits, err := headLogits(ctx, r.res.Fit.Head, valid.Rows, r.cfg.Threads)
	if err != nil {
		return err
	}
	r.temp = temperatureOf(logits, valid)
	if r.folder.Several {
		r.thresholds = fitThresholds(logits, valid, r.temp)
	}
	return nil
}

// searchAndFit chooses L2 and scaling, where there are folds to search with, and solves for the head.
func (r *run) searchAndFit(s *solver, fold []int) error {
	began, k := time.Now(), r.res.keeper
	from := k.load()
	if fold != nil {
		h, err := newSearch(s, fold, scalings(r.cfg.Scaling))
		if err != nil {
			return err
		}
		best, err := h.run(k)
		if err != nil {
			return err
		}
		r.tried, r.foldCount = h.tried, h.folds
		cfg := s.cfg
		if cfg.L2 = best.L2; best.Scaling != cfg.Scaling {
			cfg.Scaling = best.Scaling
			if s, err = newFoldSolver(s.ctx, s.ex, cfg, newHeadGraph); err != nil {
				return err
			}
		}
		s.cfg = cfg
		r.res.Seconds[PhaseSearch] = time.Since(began).Seconds()
	}
	began = time.Now()
	var err error
	r.res.Fit, err = s.solve(k, from)
	r.res.Seconds[PhaseFit] = time.Since(began).Seconds()
	r.solved = s.cfg
	return err
}

// scalings lists what is to be tried.
func scalings(s Scaling) []Scaling {
	switch s {
	case ScaleAuto:
		return []Scaling{ScaleHalf, ScaleStandard, ScaleCommon}
	case "":
		return []Scaling{ScaleHalf}
	}
	return []Scaling{s}
}

// folds deals the training pictures for a search, nil when none is wanted: by label, groups and equal pictures together,
// each picture's views with it (-1-fold). at is the place in r.items of every example.
func (r *run) folds(at []int) ([]int, error) {
	if r.cfg.L2 >= 0 {
		return nil, nil
	}
	f := dataset.Folder{Root: r.folder.Root, Labels: r.folder.Labels, Items: r.items}
	deal, err := f.FoldsTogether(cmp.Or(r.cfg.Folds, DefaultFolds), r.cfg.Split.Salt, dataset.Same{Sums: r.res.evidence.sums, Near: r.near()})
	if err != nil {
		return nil, fmt.Errorf("train: search: %w", err)
	}
	used := map[int]int{} // folds that have no picture are passed over
	out := make([]int, len(at))
	seen := make(map[int]bool, len(at))
	for j, i := range at {
		place, ok := used[deal[i]]
		if !ok {
			place = len(used)
			used[deal[i]] = place
		}
		if out[j] = place; seen[i] {
			out[j] = -1 - place
		}
		seen[i] = true
	}
	return out, nil
}

// near is nearGroups of the pictures that have a bottleneck, by their place in r.items.
func (r *run) near() [][]int {
	place := make(map[string]int, len(r.items))
	for i, it := range r.items {
		place[it.Path] = i
	}
	var out [][]int
	for _, group := range nearGroups(r.folder.Items, r.res.Checkup) {
		var here []int
		for _, i := range group {
			if at, ok := place[r.folder.Items[i].Path]; ok {
				here = append(here, at)
			}
		}
		if len(here) > 1 {
			out = append(out, here)
		}
	}
	return out
}

// keeper is the keeper of the solver's run; fold is what a search deals with.
func (s *solver) keeper(fold []int) (*keeper, error) {
	c := s.cfg
	settings := struct {
		Solver               Solver
		Descent              Descent
		L2                   float64
		Scaling              Scaling
		Tolerance, Smoothing float64
		MaxIterations        int
		ClassWeights         []float64
		Balanced             bool
		Seed                 uint64
		Start                *inception.Head
		Fold                 []int
	}{c.Solver, c.Descent, c.L2, c.Scaling, c.Tolerance, c.Smoothing, c.MaxIterations, c.ClassWeights, c.Balanced, c.Seed, c.Start, fold}
	parts := []*Examples{&s.ex}
	if c.Validation != nil {
		parts = append(parts, c.Validation)
	}
	return newKeeper(c.Checkpoints, settings, parts...)
}

// warm is the older model's head with the rows of this run's labels; labels that it does not know begin at zero.
func (r *run) warm() (*inception.Head, error) {
	m, labels := r.cfg.WarmStart, r.folder.Labels
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("train: warm start: %w", err)
	}
	if m.TrunkDigest != r.weights.Digest {
		return nil, fmt.Errorf("train: warm start: the model's trunk (%s, digest %.12s) is not this run's (%s, digest %.12s): give the weights that it was trained on",
			m.Flavor, m.TrunkDigest, r.weights.Flavor, r.weights.Digest)
	}
	if m.Independent() != r.folder.Several {
		return nil, errors.New("train: warm start: one of the model and the pictures has one label a picture, the other several: start from none")
	}
	known := make(map[string]int, len(m.Labels))
	for i, l := range m.Labels {
		known[l] = i
	}
	f := m.Head.Features
	h := &inception.Head{Classes: len(labels), Features: f, W: make([]float32, len(labels)*f), B: make([]float32, len(labels)), Activation: m.Head.Activation}
	found := 0
	for i, l := range labels {
		if k, ok := known[l]; ok {
			copy(h.W[i*f:(i+1)*f], m.Head.W[k*f:(k+1)*f])
			h.B[i] = m.Head.B[k]
			found++
		}
	}
	if found == 0 {
		return nil, fmt.Errorf("train: warm start: the model knows none of the labels %s, only %s: start from none", quoted(labels), quoted(m.Labels))
	}
	return h, nil
}

// finish measures the head and puts the model together.
func (r *run) finish(ctx context.Context) error {
	p := newMeter(PhaseMeasure, len(r.items), r.cfg.Progress, r.res.Seconds)
	d := measured{items: r.items, labels: r.folder.Labels, temp: r.temp}
	m, pictures, err := headMetrics(ctx, r.res.Fit.Head, r.rows, &d, r.cfg.Threads)
	if err != nil {
		return err
	}
	m.Quarantined, m.Duplicates = len(r.folder.Items)-len(r.items), r.duplicates
	settings := r.settings()
	training, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("train: settings: %w", err)
	}
	e := &r.res.evidence
	e.items, e.rows, e.logits, e.settings, e.threads, e.limits = r.items, r.rows, d.logits, settings, r.cfg.Threads, r.cfg.Limits
	if err := r.audit(ctx, &m); err != nil {
		return err
	}
	line, err := r.unknown(ctx, &m)
	if err != nil {
		return err
	}
	p.end()
	metrics, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("train: metrics: %w", err)
	}
	r.res.Metrics, r.res.Pictures = m, pictures
	r.res.Model = &inception.Model{
		Labels: append([]string(nil), r.folder.Labels...), Head: r.res.Fit.Head, Temperature: r.temp, Thresholds: r.thresholds, Unknown: line,
		Recipe: r.weights.Recipe, Flavor: r.weights.Flavor, Width: r.weights.Width, TrunkDigest: r.weights.Digest, Trunk: r.weights,
		Seed: r.cfg.Seed, Split: r.cfg.Split, Training: training, Metrics: metrics, ToolVersion: r.cfg.ToolVersion,
	}
	r.res.Model.Neighbours, err = r.neighbours(ctx)
	return err
}

// settings says how the head was made.
func (r *run) settings() Settings {
	fit, c := r.res.Fit, r.solved
	s := Settings{
		Solver: fit.Solver, Scaling: c.Scaling, L2: fit.L2, Search: r.tried, Folds: r.foldCount, Smoothing: c.Smoothing, Views: r.cfg.Views,
		Tolerance: c.Tolerance, MaxIterations: c.MaxIterations, Iterations: fit.Iterations, Evaluations: fit.Evaluations, BestEpoch: fit.BestEpoch,
		Loss: fit.Loss, Gradient: fit.Gradient, Converged: fit.Converged,
	}
	if fit.Solver != LBFGS {
		s.Descent = &c.Descent
	}
	if r.cfg.ClassWeights.Balanced || r.cfg.ClassWeights.Of != nil {
		s.ClassWeights = &r.cfg.ClassWeights
	}
	if r.cfg.Views > 0 {
		s.Augment = &r.cfg.Augment
	}
	for _, it := range r.items {
		s.Weighted = s.Weighted || it.Weight != 0 && it.Weight != 1
	}
	if c.Start != nil {
		h := sha256.New()
		_ = binary.Write(h, binary.LittleEndian, c.Start.W) // a hash takes everything
		_ = binary.Write(h, binary.LittleEndian, c.Start.B)
		s.WarmStart = hex.EncodeToString(h.Sum(nil))
	}
	return s
}
