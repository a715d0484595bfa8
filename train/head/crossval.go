package head

import (
	"context"
	"errors"

	"github.com/c236555e/rehead/internal/par"
)

// CrossValidate solves for heads as Fit does with LBFGS, each without one of the folds of
// cfg.Folds, and returns the logits [n,K] of every example by the head that did not have its fold;
// zeros for altered views. cfg.L2 is not searched for.
func CrossValidate(ctx context.Context, ex Examples, cfg Config) ([]float64, error) {
	fold := cfg.Folds
	if cfg.Folds = nil; len(fold) != len(ex.Rows) || cfg.L2 < 0 {
		return nil, errors.New("train: cross-validate: got no fold for each example, or no L2")
	}
	cfg.Solver, cfg.MiniBatch, cfg.Progress, cfg.Validation, cfg.Start = LBFGS, MiniBatch{}, nil, nil, nil
	cfg.Snapshots = false
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := ex.trainable(); err != nil {
		return nil, err
	}
	cfg = cfg.resolved(ex.Classes)
	out, folds := make([]float64, len(ex.Rows)*ex.Classes), 0
	for _, f := range fold {
		folds = max(folds, f+1)
	}
	workers, threads := par.Abreast(folds, len(ex.Rows)*ex.Features(), cfg.Threads)
	if cfg.Device != "" {
		workers, threads = 1, cfg.Threads
	}
	cfg.Threads = threads
	err := par.Each(ctx, workers, folds, func(_, f int) error {
		in, held := ex.without(fold, f)
		if len(in.Rows) == 0 || len(held.Rows) == 0 {
			return nil
		}
		fs, err := newFoldSolver(ctx, in, cfg)
		if err != nil {
			return err
		}
		fit, err := fs.runLBFGS(cfg.L2, nil, nil, nil)
		if err != nil {
			return fs.why(err)
		}
		logits, err := Logits(ctx, fit.Head, held.Rows, cfg.Threads)
		if err != nil {
			return err
		}
		for i := range fold {
			if fold[i] == f {
				copy(out[i*ex.Classes:(i+1)*ex.Classes], logits)
				logits = logits[ex.Classes:]
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// without returns the examples outside a fold and those of it; altered views, -1-fold, are in
// neither where their example is in the fold.
func (e Examples) without(fold []int, f int) (in, held Examples) {
	return e.some(func(i int) bool { return fold[i] != f && fold[i] != -1-f }),
		e.some(func(i int) bool { return fold[i] == f })
}
