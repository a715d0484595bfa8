package train

import (
	"context"
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
}

// Settings is the JSON of Model.Training.
type Settings struct {
	Solver        string   `json:"solver"` // "lbfgs"
	Scaling       Scaling  `json:"scaling"`
	L2            float64  `json:"l2"`
	Search        []Choice `json:"l2_search,omitempty"` // what was tried, when L2 was searched for
	Tolerance     float64  `json:"tolerance"`
	MaxIterations int      `json:"max_iterations"`
	Iterations    int      `json:"iterations"`
	Evaluations   int      `json:"evaluations"`
	Loss          float64  `json:"loss"`
	Gradient      float64  `json:"gradient"`
	Converged     bool     `json:"converged"`
}

// Run trains a classifier on folder with the trunk w. The folder is split here (its items' Split fields are set), and
// pictures with the same bytes never come to lie in different parts.
//
// When ctx ends, Run returns soon with an error that wraps ctx.Err(); bottlenecks embedded so far stay in the cache, and
// the same call made again goes on from there.
func Run(ctx context.Context, folder *dataset.Folder, w *inception.Weights, cfg Config) (*Result, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if folder == nil || w == nil {
		return nil, errors.New("train: run: got no folder or no weights, want both")
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
	duplicates int
	tried      []Choice
	temp       float64
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
	if len(out.problems) > 0 {
		if _, err := checkSplit(r.folder.Labels, r.items, r.cfg.Split); err != nil {
			return fmt.Errorf("%w (after %d unreadable pictures were set aside)", err, len(out.problems))
		}
	}
	return nil
}

// part returns the examples of one part.
func (r *run) part(s dataset.Split) Examples {
	ex := Examples{Classes: len(r.folder.Labels)}
	for i, it := range r.items {
		if it.Split == s {
			ex.Rows, ex.Labels = append(ex.Rows, r.rows[i]), append(ex.Labels, it.Label)
		}
	}
	return ex
}

// solve fits the head and its temperature.
func (r *run) solve(ctx context.Context) error {
	began := time.Now()
	valid := r.part(dataset.Validation)
	cfg := r.cfg.fit()
	cfg.Validation = &valid
	cfg.Progress = r.res.evidence.watch(cfg.Progress)
	s, err := newSolver(ctx, r.part(dataset.Train), cfg, newHeadGraph)
	if err != nil {
		return err
	}
	r.cfg.Scaling, r.cfg.Tolerance, r.cfg.MaxIterations, r.cfg.Threads = s.cfg.Scaling, s.cfg.Tolerance, s.cfg.MaxIterations, s.cfg.Threads
	phase := PhaseFit
	if r.cfg.L2 < 0 {
		phase = PhaseSearch
		r.res.Fit, r.tried, err = s.search(valid)
	} else {
		r.res.Fit, err = s.fit(s.cfg.L2, nil)
	}
	if err != nil {
		return err
	}
	if !r.res.Fit.Converged {
		r.res.Notes = append(r.res.Notes, fmt.Sprintf("the head's solver stopped after %d iterations with a gradient of %.2g, want %.2g or less; its accuracy may suffer",
			r.res.Fit.Iterations, r.res.Fit.Gradient, r.cfg.Tolerance))
	}
	logits, err := headLogits(ctx, r.res.Fit.Head, valid.Rows, r.cfg.Threads)
	if err != nil {
		return err
	}
	r.temp = fitTemperature(logits, valid.Labels, valid.Classes)
	r.res.Seconds[phase] = time.Since(began).Seconds()
	return nil
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
	p.end()
	fit := r.res.Fit
	settings := Settings{
		Solver: "lbfgs", Scaling: r.cfg.Scaling, L2: fit.L2, Search: r.tried, Tolerance: r.cfg.Tolerance, MaxIterations: r.cfg.MaxIterations,
		Iterations: fit.Iterations, Evaluations: fit.Evaluations, Loss: fit.Loss, Gradient: fit.Gradient, Converged: fit.Converged,
	}
	training, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("train: settings: %w", err)
	}
	metrics, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("train: metrics: %w", err)
	}
	r.res.Metrics, r.res.Pictures = m, pictures
	e := &r.res.evidence
	e.items, e.rows, e.logits, e.settings, e.threads, e.limits = r.items, r.rows, d.logits, settings, r.cfg.Threads, r.cfg.Limits
	r.res.Model = &inception.Model{
		Labels: append([]string(nil), r.folder.Labels...), Head: fit.Head, Temperature: r.temp,
		Recipe: r.weights.Recipe, Flavor: r.weights.Flavor, Width: r.weights.Width, TrunkDigest: r.weights.Digest, Trunk: r.weights,
		Seed: r.cfg.Seed, Split: r.cfg.Split, Training: training, Metrics: metrics, ToolVersion: r.cfg.ToolVersion,
	}
	r.res.Model.Neighbours, err = r.neighbours(ctx)
	return err
}
