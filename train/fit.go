package train

import (
	"context"
	"errors"
	"fmt"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// Fit is a solved head.
type Fit struct {
	Head        inception.Head // takes plain bottlenecks: the standardisation is folded in
	Solver      Solver
	L2          float64
	Loss        float64 // mean cross entropy + L2 term at the solution
	Gradient    float64 // its gradient's largest component
	Iterations  int     // of lbfgs; steps of the others
	Evaluations int     // of loss and gradient, of all examples or of a batch
	// Gradient <= Tolerance; false when MaxIterations or the limits of float32 came first, and for
	// most heads of other solvers
	Converged bool

	// Of sgd, momentum and adam, where there is a validation part:
	BestEpoch      int     // the epoch that the head is of, from 1; 0 where there is no validation part
	ValidationLoss float64 // mean cross entropy on the validation part after that epoch

	theta []float64 // W [K,F], b [K] on scaled bottlenecks
}

// FitHead solves for the head that minimises the regularised mean cross entropy of ex: see the
// package comment. Memory: a scaled copy of the rows, about 35 vectors of K*F float64, and for each
// thread two gradients and the logits of some thousand examples.
func FitHead(ctx context.Context, ex Examples, cfg FitConfig) (*Fit, error) {
	s, err := newSolver(ctx, ex, cfg, newHeadGraph)
	if err != nil {
		return nil, err
	}
	k, err := s.keeper(nil)
	if err != nil {
		return nil, err
	}
	fit, err := s.solve(k, k.load())
	if err != nil {
		return nil, err
	}
	return fit, k.remove()
}

// solver fits heads to one set of examples.
type solver struct {
	ctx   context.Context
	ex    Examples
	cfg   FitConfig
	obj   *objective
	scale scale
}

func newSolver(ctx context.Context, ex Examples, cfg FitConfig,
	graph func(n, f, k int) (lossGrad, error)) (*solver, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := ex.trainable(); err != nil {
		return nil, err
	}
	if cfg.Start != nil && (cfg.Start.Classes != ex.Classes || cfg.Start.Features != ex.Features()) {
		return nil, fmt.Errorf("train: fit: the head to start from has %d classes and %d features, want %d and %d",
			cfg.Start.Classes, cfg.Start.Features, ex.Classes, ex.Features())
	}
	if cfg.Solver == Retrain && ex.Sets != nil {
		return nil, errSeveralRetrain
	}
	return newFoldSolver(ctx, ex, cfg.resolved(ex.Classes), graph)
}

var errSeveralRetrain = errors.New("train: fit: solver retrain knows one label a picture only, as retrain.py does: " +
	"choose another for several labels")

// newFoldSolver is newSolver without its checks: of a fold of examples, a class may have none.
func newFoldSolver(ctx context.Context, ex Examples, cfg FitConfig,
	graph func(n, f, k int) (lossGrad, error)) (*solver, error) {
	power, _ := cfg.Scaling.power()
	sc := plainScale(ex.Features())
	if cfg.Scaling != ScaleNone {
		sc = newScale(ex.Rows, power, cfg.Threads)
	}
	g, err := newGoal(ex, goalConfig{smoothing: cfg.Smoothing, weights: cfg.ClassWeights, balanced: cfg.Balanced})
	if err != nil {
		return nil, err
	}
	obj, err := newObjective(ctx, g, sc, cfg.Threads, graph)
	if err != nil {
		return nil, err
	}
	return &solver{ctx: ctx, ex: ex, cfg: cfg, obj: obj, scale: sc}, nil
}

// graphOf makes the Gorgonia graph for chunks of examples: of sigmoids where a row may have several
// labels.
func graphOf(ex Examples, graph func(n, f, k int) (lossGrad, error)) func(n, f, k int) (lossGrad, error) {
	if ex.Sets == nil {
		return graph
	}
	return func(n, f, k int) (lossGrad, error) { return nn.NewBinaryHeadGraph(n, f, k) }
}

// solve runs the configured solver, from a saved state or from the start.
func (s *solver) solve(k *keeper, from *state) (*Fit, error) {
	if s.cfg.Solver == LBFGS {
		return s.descend(s.cfg.L2, nil, k, from)
	}
	return s.small(k, from)
}

// fit minimises by L-BFGS from start, or from the configured head, or from zero.
func (s *solver) fit(l2 float64, start []float64) (*Fit, error) {
	return s.descend(l2, start, nil, nil)
}

// start returns where a solver begins.
func (s *solver) start() []float64 {
	if s.cfg.Start == nil {
		return make([]float64, s.obj.dim())
	}
	return s.scale.unfold(*s.cfg.Start)
}

// descend is fit that puts its state away and takes it up again.
func (s *solver) descend(l2 float64, start []float64, k *keeper, from *state) (*Fit, error) {
	s.obj.l2 = l2
	rec := s.recorder(l2, 0)
	m, err := s.minimiser(start, rec, from)
	if err != nil {
		return nil, s.why(err)
	}
	stuck := false
	for !stuck && m.slope() > s.cfg.Tolerance && m.iterations < s.cfg.MaxIterations {
		switch err := m.step(); {
		case errors.Is(err, errNoWay):
			stuck = true
		case err != nil:
			k.save(rec.with(m.state()))
			return nil, s.stopped(err, k)
		default:
			err := rec.note(m.x, m.iterations, m.loss)
			if err == nil {
				err = rec.report(m.x, m.iterations, m.loss, m.slope(), false)
			}
			if err != nil || k.due() {
				k.save(rec.with(m.state()))
			}
			if err != nil {
				return nil, s.stopped(err, k)
			}
		}
	}
	f := &Fit{
		Solver: LBFGS, L2: l2, theta: m.x, Loss: m.loss, Gradient: m.slope(), Iterations: m.iterations,
		Evaluations: m.evaluations,
		Converged:   m.slope() <= s.cfg.Tolerance, Head: s.head(m.x),
	}
	if err := rec.report(f.theta, f.Iterations, f.Loss, f.Gradient, true); err != nil {
		k.save(rec.with(m.state()))
		return nil, s.stopped(err, k)
	}
	return f, nil
}

// minimiser begins, or goes on from a state.
func (s *solver) minimiser(start []float64, rec *recorder, from *state) (*lbfgs, error) {
	if from != nil {
		if rest, ok := rec.resume(*from); ok {
			if m, err := resumeLBFGS(s.obj.value, s.obj.dim(), rest); err == nil {
				return m, nil
			}
		}
		rec.trace = nil
	}
	if start == nil {
		start = s.start()
	}
	return newLBFGS(s.obj.value, start)
}

// head is what theta means for plain bottlenecks.
func (s *solver) head(theta []float64) inception.Head {
	h := s.scale.fold(theta, s.ex.Classes)
	if s.ex.Sets != nil {
		h.Activation = inception.Sigmoid
	}
	return h
}

// why turns an error of the objective into what the caller hears.
func (s *solver) why(err error) error {
	if s.ctx.Err() != nil {
		return fmt.Errorf("train: fit: stopped before the head was solved: %w", context.Cause(s.ctx))
	}
	return err
}

// stopped is why, and says what became of the solver's state.
func (s *solver) stopped(err error, k *keeper) error {
	err = s.why(err)
	switch {
	case k == nil || s.ctx.Err() == nil:
		return err
	case k.err != nil:
		return fmt.Errorf("%w; the solver's state could not be kept: %w", err, k.err)
	}
	return fmt.Errorf("%w; the same run made again goes on from %s", err, k.path)
}
