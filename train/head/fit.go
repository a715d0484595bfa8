package head

import (
	"context"
	"errors"
	"fmt"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/wrongfield"
	"github.com/c236555e/rehead/nn"
)

// Solution is a head that was solved for.
type Solution struct {
	// what it was solved for with: defaults written out, L2 and Scaling as chosen, no Checkpoints
	Options
	Head        inception.Head // takes plain bottlenecks: the scaling is folded in
	Loss        float64        // mean cross entropy + L2 term at the solution
	Gap         float64        // Loss is proven to be at most this much above the least; 0 where there is no L2
	Gradient    float64        // its gradient's largest component
	Iterations  int            // of lbfgs; steps of the others
	Evaluations int            // of loss and gradient, of all examples or of a batch
	// Gap <= Tolerance * Loss; false when MaxIterations or the limits of float64 came first, and for
	// most heads of other solvers
	Converged bool
	Losses    []Loss     // on the way: after each iteration of lbfgs, each epoch of the others
	Snapshots []Snapshot // of Config.Snapshots

	// Of sgd, momentum and adam, where there is a validation part:
	BestEpoch      int     // the epoch that the head is of, from 1; 0 where there is no validation part
	ValidationLoss float64 // mean cross entropy on the validation part after that epoch

	// Where L2 was searched for:
	Tried []Choice // what was tried
	Folds int      // of the cross-validation

	Device    string // what evaluated the head: "cpu", or such as "cuda:0"
	DeviceErr error  // why Config.Device did not, though it would have paid

	CheckpointErr error // why the last checkpoint could not be written; a fit goes on without

	theta       []float64 // W [K,F], b [K] on scaled bottlenecks
	checkpoints *checkpointer
}

// Loss is the loss that a solver had come to.
type Loss struct {
	Iteration int
	Loss      float64
}

// Snapshot is a head on the way of lbfgs, which takes plain bottlenecks, and its loss.
type Snapshot struct {
	Loss
	Head inception.Head
}

// Finish removes the checkpoint of a fit whose head is in use; until then the same fit made again
// goes on from there.
func (s *Solution) Finish() error {
	if s == nil {
		return errors.New("train: finish: got no solution")
	}
	if err := s.checkpoints.remove(); err != nil {
		return err
	}
	s.checkpoints = nil
	return nil
}

// Fit solves for the head that minimises the regularised mean cross entropy of ex: see the package
// comment. Where cfg.L2 is negative, it searches for L2 and scaling first. Memory: a scaled copy of
// the rows, in bfloat16 where that is used, about 35 vectors of K*F float64, and for each thread two
// gradients and the logits of some thousand examples.
//
// When ctx ends, Fit returns soon with an error that wraps its cause. With cfg.Checkpoints the same
// call made again goes on from there to the same solution; call Solution.Finish in the end.
func Fit(ctx context.Context, ex Examples, cfg Config) (*Solution, error) {
	s, err := newSolver(ctx, ex, cfg)
	if err != nil {
		return nil, err
	}
	k, err := s.checkpointer()
	if err != nil {
		return nil, err
	}
	from := k.load()
	var h *search
	if s.cfg.L2 < 0 {
		s.cfg.Snapshots = false
		if h, err = newSearch(s, s.cfg.Folds, cfg.Scaling.candidates()); err != nil {
			return nil, err
		}
		if s, err = h.choose(k); err != nil {
			return nil, err
		}
	}
	out, err := s.solve(k, from)
	if err != nil {
		return nil, err
	}
	if h != nil {
		out.Tried, out.Folds = h.tried, h.folds
	}
	out.checkpoints = k
	if k != nil {
		out.CheckpointErr = k.err
	}
	return out, nil
}

// solver fits heads to one set of examples.
type solver struct {
	ctx   context.Context
	ex    Examples
	cfg   Config
	obj   *objective
	scale scale
	space *space // of obj, once it was made

	principal *principal // the same

	deviceErr error // why obj is not on the device, where it would gain
}

// ErrRetrainMultiLabel says that solver retrain was asked for several labels an example.
var ErrRetrainMultiLabel = errors.New("train: fit: solver retrain knows one label a picture only, " +
	"as retrain.py does: choose another for several labels")

// newSolver checks what it is given.
func newSolver(ctx context.Context, ex Examples, cfg Config) (*solver, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := ex.trainable(); err != nil {
		return nil, err
	}
	if err := cfg.belongs(ex); err != nil {
		return nil, err
	}
	if cfg.Start != nil && (cfg.Start.Classes != ex.Classes || cfg.Start.Features != ex.Features()) {
		return nil, fmt.Errorf("train: fit: the head to start from has %d classes and %d features, want %d and %d",
			cfg.Start.Classes, cfg.Start.Features, ex.Classes, ex.Features())
	}
	if !(cfg.DeviceProducts >= 0) {
		return nil, fmt.Errorf("train: fit: DeviceProducts: got %g, want 0 (2^33) or more", cfg.DeviceProducts)
	}
	if cfg.DeviceAlways && cfg.Solver != "" && cfg.Solver != LBFGS {
		return nil, fmt.Errorf("train: fit: device %q: it is of solver %s only, got %s", cfg.Device, LBFGS, cfg.Solver)
	}
	if cfg.Solver == Retrain && ex.MultiLabel != nil {
		return nil, ErrRetrainMultiLabel
	}
	return newFoldSolver(ctx, ex, cfg.resolved(ex.Classes))
}

// belongs asks that what the settings say of examples, classes and heads is of ex.
func (c Config) belongs(ex Examples) error {
	if c.Folds != nil && len(c.Folds) != len(ex.Rows) {
		return wrongfield.Errorf("train: config", "Folds",
			"got %d, want one for each of %d examples", len(c.Folds), len(ex.Rows))
	}
	if c.ClassWeights != nil && len(c.ClassWeights) != ex.Classes {
		return wrongfield.Errorf("train: config", "ClassWeights",
			"got %d, want one for each of %d classes", len(c.ClassWeights),
			ex.Classes)
	}
	if c.Start != nil {
		if err := c.Start.Validate(); err != nil {
			return wrongfield.Errorf("train: config", "Start", "%w", err)
		}
	}
	v := c.Validation
	if v == nil {
		return nil
	}
	if v.Classes != ex.Classes || len(v.Rows) > 0 && v.Features() != ex.Features() ||
		(v.MultiLabel == nil) != (ex.MultiLabel == nil) {
		return wrongfield.Errorf("train: config", "Validation",
			"got %d classes, %d features and several labels: %t, want %d, "+
				"%d and %t as in training", v.Classes, v.Features(), v.MultiLabel != nil, ex.Classes, ex.Features(),
			ex.MultiLabel != nil)
	}
	if err := errors.Join(v.Validate(), v.finite()); err != nil {
		return wrongfield.Errorf("train: config", "Validation", "%w", err)
	}
	return nil
}

// newFoldSolver is newSolver without its checks: of a fold of examples, a class may have none.
func newFoldSolver(ctx context.Context, ex Examples, cfg Config) (*solver, error) {
	scaling := cfg.Scaling.candidates()[0]
	sc := plainScale(ex.Features())
	if scaling != ScaleNone {
		power, _ := scaling.power()
		sc = newScale(ex.Rows, power, cfg.Threads)
	}
	t, err := newTargets(ex, cfg)
	if err != nil {
		return nil, err
	}
	obj, err := newObjective(ctx, t, sc, cfg.Threads, cfg.rough(len(ex.Rows), ex.Features(), ex.Classes))
	if err != nil {
		return nil, err
	}
	return &solver{ctx: ctx, ex: ex, cfg: cfg, obj: obj, scale: sc}, nil
}

// checkpointer is that of a fit with these settings and examples; nil where none is asked for.
func (s *solver) checkpointer() (*checkpointer, error) {
	c := s.cfg
	settings := struct {
		Options
		ClassWeights []float64
		Balanced     bool
		Start        *inception.Head
		Folds        []int
	}{c.Options, c.ClassWeights, c.Balanced, c.Start, c.Folds}
	parts := []*Examples{&s.ex}
	if c.Validation != nil {
		parts = append(parts, c.Validation)
	}
	return newCheckpointer(c.Checkpoints, settings, parts...)
}

// headGraph makes the Gorgonia graph for batches of examples: of sigmoids where a row may have several
// labels.
func headGraph(ex Examples, batch int) (*nn.HeadGraph, error) {
	if ex.MultiLabel == nil {
		return nn.NewHeadGraph(batch, ex.Features(), ex.Classes)
	}
	return nn.NewBinaryHeadGraph(batch, ex.Features(), ex.Classes)
}

// solve runs the configured solver, from a saved state or from the start.
func (s *solver) solve(k *checkpointer, from *state) (*Solution, error) {
	if s.cfg.Solver == LBFGS {
		return s.runLBFGS(s.cfg.L2, nil, k, from)
	}
	return s.runSGD(k, from)
}

// start returns where a solver begins.
func (s *solver) start() []float64 {
	if s.cfg.Start == nil {
		return make([]float64, s.obj.dim())
	}
	return s.scale.unfold(*s.cfg.Start)
}

// solution is one with the head theta.
func (s *solver) solution(theta []float64) *Solution {
	out := &Solution{Options: s.cfg.Options, Head: s.head(theta), Device: "cpu", theta: theta}
	out.Checkpoints = Checkpoints{}
	return out
}

// head is what theta means for plain bottlenecks.
func (s *solver) head(theta []float64) inception.Head {
	h := s.scale.fold(theta, s.ex.Classes)
	if s.ex.MultiLabel != nil {
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
func (s *solver) stopped(err error, k *checkpointer) error {
	err = s.why(err)
	switch {
	case k == nil || s.ctx.Err() == nil:
		return err
	case k.err != nil:
		return fmt.Errorf("%w; the solver's state could not be kept: %w", err, k.err)
	}
	return fmt.Errorf("%w; the same run made again goes on from %s", err, k.path)
}
