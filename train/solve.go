package train

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
)

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
		r.res.Notes = append(r.res.Notes,
			fmt.Sprintf("the head's solver stopped after %d iterations with a gradient of %.2g, want %.2g or less; "+
				"its accuracy may suffer",
				fit.Iterations, fit.Gradient, r.solved.Tolerance))
	}
	if k := r.res.keeper; k != nil && k.err != nil {
		r.res.Notes = append(r.res.Notes,
			fmt.Sprintf("no checkpoint could be written, so that this run could not have gone on after a stop: %v", k.err))
	}
	logits, err := headLogits(ctx, r.res.Fit.Head, valid.Rows, r.cfg.Threads)
	if err != nil {
		return err
	}
	r.temp = temperatureOf(logits, valid)
	if r.folder.MultiLabel {
		r.thresholds = fitThresholds(logits, valid, r.temp)
	}
	return nil
}

// searchAndFit chooses L2 and scaling, where there are folds to search with, and solves for the
// head.
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

// folds deals the training pictures for a search, nil when none is wanted: by label, groups and
// equal pictures together, each picture's views with it (-1-fold). at is the place in r.items of
// every example.
func (r *run) folds(at []int) ([]int, error) {
	if r.cfg.L2 >= 0 {
		return nil, nil
	}
	deal, err := r.good().FoldsTogether(cmp.Or(r.cfg.Folds, DefaultFolds), r.cfg.Split.Salt,
		dataset.Same{Sums: r.res.evidence.sums, Near: r.near()})
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
	for _, group := range nearGroups(r.folder.Items, r.res.Checkup.Same().Near) {
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
	}{c.Solver, c.Descent, c.L2, c.Scaling, c.Tolerance, c.Smoothing, c.MaxIterations, c.ClassWeights, c.Balanced, c.Seed,
		c.Start, fold}
	parts := []*Examples{&s.ex}
	if c.Validation != nil {
		parts = append(parts, c.Validation)
	}
	return newKeeper(c.Checkpoints, settings, parts...)
}
