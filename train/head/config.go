package head

import (
	"errors"
	"math"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/wrongfield"
)

// What the zero value of a setting means.
const (
	DefaultTolerance     = 1e-6
	DefaultMaxIterations = 1000
)

// DefaultL2 returns what an L2 of 0 means: 0.3 / classes. The best L2 falls with the number of
// classes as the data's own curvature does. Measured in five folds with ScaleHalf: 5 classes of
// flowers, best at 0.06 (2,936 pictures) and 0.1 (560); 70 classes of small pictures, best at 0.004
// (1,400).
func DefaultL2(classes int) float64 { return 0.3 / float64(max(classes, 1)) }

// Solver says how a head is solved for.
type Solver string

// The solvers.
const (
	LBFGS    Solver = "lbfgs"    // to convergence, by L-BFGS: the default, and the best of them
	SGD      Solver = "sgd"      // stochastic gradient descent
	Momentum Solver = "momentum" // the same with momentum
	Adam     Solver = "adam"     // Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015
	Retrain  Solver = "retrain"  // what TensorFlow's retrain.py does: see MiniBatch
)

// Scaling says how bottlenecks are scaled, after their mean was taken off, before L2 is applied to
// what multiplies them. In each case the scaled features have variance 1 on average, so that an L2
// means the same for any trunk.
type Scaling string

// The scalings.
const (
	// ScaleHalf divides each feature by the square root of its standard deviation: half-way between
	// the other two, each of which is a little better on some data and worse on other.
	ScaleHalf Scaling = "half"
	// ScaleStandard divides each feature by its standard deviation.
	ScaleStandard Scaling = "standard"
	// ScaleCommon divides all features by the same number.
	ScaleCommon Scaling = "common"
	// ScaleAuto is whichever of these three does best in cross-validation, together with L2.
	ScaleAuto Scaling = "auto"
	// ScaleNone takes bottlenecks as they are, as retrain.py does.
	ScaleNone Scaling = "none"
)

// power is what the standard deviation is raised to, before it divides.
func (s Scaling) power() (p float64, ok bool) {
	switch s {
	case "", ScaleHalf:
		return 0.5, true
	case ScaleStandard:
		return 1, true
	case ScaleCommon, ScaleNone:
		return 0, true
	}
	return 0, false
}

// candidates lists the scalings that a search tries.
func (s Scaling) candidates() []Scaling {
	switch s {
	case ScaleAuto:
		return []Scaling{ScaleHalf, ScaleStandard, ScaleCommon}
	case "":
		return []Scaling{ScaleHalf}
	}
	return []Scaling{s}
}

// Options are what a person chooses of a solver; the zero value is a good choice. All but
// Checkpoints are part of the result, and of a model's settings under the names of their tags.
type Options struct {
	Solver    Solver    `json:"solver"`           // "" means LBFGS
	MiniBatch MiniBatch `json:"descent,omitzero"` // of every solver but LBFGS
	// weight of |W|^2/2 on scaled bottlenecks; 0 means DefaultL2, and none for Retrain, which has
	// none; negative: the best of a grid, by cross-validation over Config.Folds
	L2 float64 `json:"l2"`
	// "" means ScaleHalf, and ScaleNone for Retrain, which has no other; ScaleAuto: searched for
	// together with L2, which must then be negative
	Scaling Scaling `json:"scaling"`
	// LBFGS stops when its loss is proven to be at most this share of it above the least that there
	// is; 0 means DefaultTolerance
	Tolerance     float64 `json:"tolerance"`
	MaxIterations int     `json:"max_iterations"` // of LBFGS; 0 means DefaultMaxIterations
	// label smoothing: the share of each target that is spread over all answers; 0 to 0.5
	Smoothing float64 `json:"label_smoothing,omitempty"`
	Seed      uint64  `json:"seed,omitempty"` // of batches, dropout and first weights
	// of the solver's state, so that a fit that was stopped goes on
	Checkpoints Checkpoints `json:"-"`
}

// Config sets a fit: the options, and what belongs to the examples.
type Config struct {
	Options
	// [n], the fold of each example, 0 and up, -1-fold for an altered view of an example, which is
	// trained on with it but never measured on; of use only where L2 is negative
	Folds []int
	// [K], how much the examples of each class count beside their own weights, above 0; nil: all
	// the same
	ClassWeights []float64
	// classes count the same altogether (with several labels an example: having a label and not
	// having it do)
	Balanced bool
	// optional: where the solver begins, a head of the same classes and features; nil means at zero,
	// of LBFGS with the biases of how frequent labels are
	Start *inception.Head
	// optional: its loss and accuracy are part of the progress; the solvers of MiniBatch stop by it
	Validation *Examples
	Threads    int // 0 means GOMAXPROCS; changes no bit of the result
	// optional: a device of package nn, such as "cuda:0", that evaluates heads of one label an example for
	// LBFGS where DeviceProducts says that it pays; "" and "cpu": the processor. Its float32 sums have
	// another order; what is proven of the head is computed in float64 by the processor either way
	Device string
	// examples x features x classes from which on Device is taken to gain; 0 means 2^33
	DeviceProducts float64
	// Device is used whatever there is to gain, and an error where it cannot be
	DeviceAlways bool
	Progress     func(Event) // optional; called from one goroutine at a time
	// heads of LBFGS after 1, 2, 4 and so on iterations and the last one become Solution.Snapshots; not of a
	// fit that searches for L2 or that goes on from a checkpoint
	Snapshots bool

	bfloat16 int // above 0: examples are laid out in bfloat16; below: in float32; 0: as it pays
}

// resolved is c with its defaults written out.
func (c Config) resolved(classes int) Config {
	if c.Solver == "" {
		c.Solver = LBFGS
	}
	if c.Solver == Retrain {
		c.Scaling, c.Smoothing, c.L2 = ScaleNone, 0, 0
	} else if c.L2 == 0 {
		c.L2 = DefaultL2(classes)
	}
	if c.Scaling == "" {
		c.Scaling = ScaleHalf
	}
	if c.Tolerance == 0 {
		c.Tolerance = DefaultTolerance
	}
	if c.MaxIterations == 0 {
		c.MaxIterations = DefaultMaxIterations
	}
	c.MiniBatch = c.MiniBatch.resolved(c.Solver)
	c.Threads = threadCount(c.Threads)
	return c
}

// Validate names the first field that is wrong.
func (o Options) Validate() error {
	_, known := o.Scaling.power()
	switch {
	case o.Scaling == ScaleAuto && o.L2 >= 0:
		return wrongfield.Errorf("train: config", "Scaling",
			"got %s with L2 %g, want a negative L2: they are searched for together",
			o.Scaling, o.L2)
	case !known && o.Scaling != ScaleAuto:
		return wrongfield.Errorf("train: config", "Scaling", "got %q, want %s (default), %s, %s or %s", o.Scaling, ScaleHalf,
			ScaleStandard, ScaleCommon, ScaleNone)
	case math.IsNaN(o.L2) || math.IsInf(o.L2, 0):
		return wrongfield.Errorf("train: config", "L2", "got %g, want a finite number", o.L2)
	case o.L2 < 0 && o.Solver == Retrain:
		return errors.New("train: config: L2: solver retrain has none to search for")
	case !(o.Tolerance >= 0) || math.IsInf(o.Tolerance, 0):
		return wrongfield.Errorf("train: config", "Tolerance",
			"got %g, want a finite number, 0 (default) or more", o.Tolerance)
	case o.MaxIterations < 0:
		return wrongfield.Errorf("train: config", "MaxIterations", "got %d, want 0 (default) or more", o.MaxIterations)
	case !(0 <= o.Smoothing && o.Smoothing <= 0.5):
		return wrongfield.Errorf("train: config", "Smoothing", "got %g, want 0 to 0.5", o.Smoothing)
	}
	if err := o.MiniBatch.Validate(); err != nil {
		return err
	}
	return o.fits()
}

// fits refuses options that the solver has no use for: nothing that was asked for is passed over in
// silence.
func (o Options) fits() error {
	none := MiniBatch{}
	switch o.Solver {
	case "", LBFGS:
		if o.MiniBatch != none {
			return errors.New("train: config: MiniBatch: learning rate, schedule, batches, epochs, patience and dropout " +
				"are of sgd, momentum and adam: solver lbfgs has none, choose another")
		}
	case SGD, Momentum, Adam:
		if o.MiniBatch.Steps != 0 {
			return wrongfield.Errorf("train: config", "Steps", "got %d, want 0: steps are of solver retrain, %s counts epochs",
				o.MiniBatch.Steps, o.Solver)
		}
	case Retrain:
		m := o.MiniBatch
		m.Rate, m.Steps, m.Batch = 0, 0, 0
		if m != none || o.L2 != 0 || o.Smoothing != 0 || o.Scaling != "" && o.Scaling != ScaleNone {
			return errors.New("train: config: solver retrain has a learning rate, steps and a batch size only: choose sgd " +
				"for L2, scaling, label smoothing, dropout, schedules and early stopping")
		}
	default:
		return wrongfield.Errorf("train: config", "Solver",
			"got %q, want %s (default), %s, %s, %s or %s", o.Solver, LBFGS, SGD,
			Momentum, Adam, Retrain)
	}
	return nil
}

// Validate names the first field that is wrong.
func (c Config) Validate() error {
	if c.L2 < 0 && c.Folds == nil {
		return wrongfield.Errorf("train: config", "L2",
			"got %g, want 0 (default) or more, or Folds to search for it with", c.L2)
	}
	if c.Threads < 0 || c.Threads > 4096 {
		return wrongfield.Errorf("train: config", "Threads", "got %d, want 0 (all) to 4096", c.Threads)
	}
	for l, w := range c.ClassWeights {
		if !(w > 0) || math.IsInf(w, 0) {
			return wrongfield.Errorf("train: config", "ClassWeights", "class %d: got %g, want a finite number above 0", l, w)
		}
	}
	return c.Options.Validate()
}
