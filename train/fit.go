package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/c236555e/rehead/inception"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/optimize"
)

// Fit is a solved head.
type Fit struct {
	Head        inception.Head // takes plain bottlenecks: the standardisation is folded in
	L2          float64
	Loss        float64 // mean cross entropy + L2 term at the solution
	Gradient    float64 // its gradient's largest component
	Iterations  int
	Evaluations int  // of loss and gradient
	Converged   bool // Gradient <= Tolerance; false when MaxIterations or the limits of float32 came first

	theta []float64 // W [K,F], b [K] on scaled bottlenecks
}

// FitHead solves for the head that minimises the regularised mean cross entropy of ex: see the package comment.
// Memory: a scaled copy of the rows, about 35 vectors of K*F float64, and for each thread two gradients and the logits of
// some thousand examples.
func FitHead(ctx context.Context, ex Examples, cfg FitConfig) (*Fit, error) {
	s, err := newSolver(ctx, ex, cfg, newHeadGraph)
	if err != nil {
		return nil, err
	}
	return s.fit(s.cfg.L2, nil)
}

// solver fits heads to one set of examples.
type solver struct {
	ctx   context.Context
	ex    Examples
	cfg   FitConfig
	obj   *objective
	scale scale
}

func newSolver(ctx context.Context, ex Examples, cfg FitConfig, graph func(n, f, k int) (lossGrad, error)) (*solver, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := ex.trainable(); err != nil {
		return nil, err
	}
	if cfg.L2 == 0 {
		cfg.L2 = DefaultL2(ex.Classes)
	}
	if cfg.Scaling == "" {
		cfg.Scaling = ScaleHalf
	}
	if cfg.Tolerance == 0 {
		cfg.Tolerance = DefaultTolerance
	}
	if cfg.MaxIterations == 0 {
		cfg.MaxIterations = DefaultMaxIterations
	}
	cfg.Threads = threadCount(cfg.Threads)
	power, _ := cfg.Scaling.power()
	sc := newScale(ex.Rows, power, cfg.Threads)
	obj, err := newObjective(ctx, ex, sc, cfg.Threads, graph)
	if err != nil {
		return nil, err
	}
	return &solver{ctx: ctx, ex: ex, cfg: cfg, obj: obj, scale: sc}, nil
}

// restarts is how often L-BFGS may begin anew when its line search sees no way on: near the solution float32 sums can
// mislead it, and a fresh start from there usually still gains.
const restarts = 3

// fit minimises from start, or from zero.
func (s *solver) fit(l2 float64, start []float64) (*Fit, error) {
	s.obj.l2 = l2
	s.obj.evals = 0
	if start == nil {
		start = make([]float64, s.obj.dim())
	}
	m := &memo{o: s.obj}
	rec := &recorder{s: s, l2: l2, began: time.Now()}
	f := &Fit{L2: l2, theta: start}
	for range restarts + 1 {
		res, err := s.minimize(m, rec, f.theta, s.cfg.MaxIterations-f.Iterations)
		if err := s.stopped(m); err != nil {
			return nil, err
		}
		if err != nil && res == nil {
			return nil, fmt.Errorf("train: fit: %w", err)
		}
		gain := f.Iterations == 0 || res.F < f.Loss
		f.theta, f.Loss = res.X, res.F
		f.Gradient = floats.Norm(res.Gradient, math.Inf(1))
		f.Iterations += max(0, res.MajorIterations-1)
		if f.Converged = f.Gradient <= s.cfg.Tolerance; f.Converged || !gain || err == nil || f.Iterations >= s.cfg.MaxIterations {
			break
		}
	}
	f.Evaluations = s.obj.evals
	f.Head = s.scale.fold(f.theta, s.ex.Classes)
	return f, rec.report(f.theta, f.Iterations, f.Loss, f.Gradient, true)
}

// stopped returns why the objective could not be computed, if so.
func (s *solver) stopped(m *memo) error {
	if s.ctx.Err() != nil {
		return fmt.Errorf("train: fit: stopped before the head was solved: %w", context.Cause(s.ctx))
	}
	return m.err
}

// errStopped makes gonum's loop end; what the caller hears comes from solver.stopped.
var errStopped = errors.New("stopped")

func (s *solver) minimize(m *memo, rec *recorder, start []float64, iterations int) (*optimize.Result, error) {
	p := optimize.Problem{
		Func: func(x []float64) float64 {
			m.at(x)
			if m.err != nil {
				return math.NaN()
			}
			return m.loss
		},
		Grad: func(grad, x []float64) {
			m.at(x)
			copy(grad, m.grad)
		},
		Status: func() (optimize.Status, error) {
			if m.err != nil || s.ctx.Err() != nil {
				return optimize.Failure, errStopped
			}
			return optimize.NotTerminated, nil
		},
	}
	rec.base = rec.done
	m.at(start)
	if m.err != nil {
		return nil, m.err
	}
	if norm := floats.Norm(m.grad, math.Inf(1)); norm <= s.cfg.Tolerance {
		return &optimize.Result{Location: optimize.Location{X: start, F: m.loss, Gradient: m.grad}}, nil
	}
	return optimize.Minimize(p, start, &optimize.Settings{
		GradientThreshold: s.cfg.Tolerance,
		MajorIterations:   iterations + 1, // the start counts as one
		Converger:         optimize.NeverTerminate{},
		Recorder:          rec,
	}, &optimize.LBFGS{
		Linesearcher:      newWolfe(),
		Store:             15,
		GradStopThreshold: math.NaN(),
	})
}

// recorder turns the optimiser's iterations into progress. What it measures has no influence on the result.
type recorder struct {
	s        *solver
	l2       float64
	began    time.Time
	base     int // iterations of the runs before this one
	done     int
	measured time.Time
	cost     time.Duration
}

// Init is part of optimize.Recorder.
func (r *recorder) Init() error { return nil }

// Record is part of optimize.Recorder.
func (r *recorder) Record(loc *optimize.Location, op optimize.Operation, stats *optimize.Stats) error {
	if op != optimize.MajorIteration || r.s.cfg.Progress == nil {
		return nil
	}
	r.done = r.base + max(0, stats.MajorIterations-1)
	return r.report(loc.X, r.done, loc.F, floats.Norm(loc.Gradient, math.Inf(1)), false)
}

// report sends an event; accuracies are measured at the end, and on the way as often as costs a tenth of the time.
func (r *recorder) report(theta []float64, done int, loss, gradient float64, last bool) error {
	cfg := r.s.cfg
	if cfg.Progress == nil {
		return nil
	}
	e := Event{
		Phase: PhaseFit, Done: done, Total: cfg.MaxIterations, Elapsed: time.Since(r.began), L2: r.l2,
		Loss: loss, Gradient: gradient, TrainAccuracy: math.NaN(), ValidationAccuracy: math.NaN(),
	}
	if s := e.Elapsed.Seconds(); s > 0 {
		e.Rate = float64(done) / s
	}
	if since := time.Since(r.measured); last || since > max(time.Second, 10*r.cost) {
		t := time.Now()
		head := r.s.scale.fold(theta, r.s.ex.Classes)
		var err error
		if e.TrainAccuracy, err = headAccuracy(r.s.ctx, head, r.s.ex, cfg.Threads); err != nil {
			return err
		}
		if cfg.Validation != nil && len(cfg.Validation.Rows) > 0 {
			if e.ValidationAccuracy, err = headAccuracy(r.s.ctx, head, *cfg.Validation, cfg.Threads); err != nil {
				return err
			}
		}
		r.measured, r.cost = time.Now(), time.Since(t)
	}
	cfg.Progress(e)
	return nil
}
