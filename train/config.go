package train

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// What the zero value of a setting means.
const (
	DefaultTolerance     = 1e-4
	DefaultMaxIterations = 1000
)

// DefaultL2 returns what an L2 of 0 means: 0.3 / classes. The best L2 falls with the number of
// classes as the data's own curvature does. Measured in five folds with ScaleHalf: 5 classes of
// flowers, best at 0.06 (2,936 pictures) and 0.1 (560); 70 classes of small pictures, best at 0.004
// (1,400).
func DefaultL2(classes int) float64 { return 0.3 / float64(max(classes, 1)) }

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
	// ScaleAuto is whichever of these three does best in cross-validation: see Config.Scaling.
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

// ClassWeights says how much the pictures of each label count. The zero value is all the same.
type ClassWeights struct {
	// labels count the same altogether, however many pictures they have
	Balanced bool               `json:"balanced,omitempty"`
	Of       map[string]float64 `json:"of,omitempty"` // factors by label, above 0; labels that are not named have 1
}

// factors returns the factors in the order of labels.
func (c ClassWeights) factors(labels []string) ([]float64, error) {
	if c.Of == nil {
		return nil, nil
	}
	out := make([]float64, len(labels))
	known := make(map[string]bool, len(labels))
	for i, l := range labels {
		out[i], known[l] = 1, true
		if w, ok := c.Of[l]; ok {
			out[i] = w
		}
	}
	for _, l := range slices.Sorted(maps.Keys(c.Of)) {
		if !known[l] {
			return nil, fmt.Errorf("train: config: ClassWeights: there is no label %q, want labels out of %s", l, quoted(labels))
		}
	}
	return out, nil
}

// Config sets a training run; the zero value is a good one.
type Config struct {
	Split dataset.SplitConfig // which part of the pictures is held out; the zero value holds out 10 % + 10 %
	Seed  uint64              // kept in the model; draws whatever is drawn
	// folder of bottleneck caches, made if need be; "": bottlenecks are kept in memory only
	CacheDir string
	Solver   Solver  // how the head is solved for; "" means LBFGS
	Descent  Descent // learning rate and the rest of the other solvers
	// weight of |W|^2/2; 0 means DefaultL2; negative: the best of a grid, by cross-validation on
	// the training part
	L2    float64
	Folds int // of that cross-validation; 0 means 5
	// "" means ScaleHalf; ScaleAuto: searched for together with L2, which must then be negative
	Scaling       Scaling
	Tolerance     float64 // largest component of the gradient at the solution; 0 means DefaultTolerance
	MaxIterations int     // of solver LBFGS; 0 means DefaultMaxIterations
	Smoothing     float64 // label smoothing, 0 (none) to 0.5: see FitConfig
	// how much each label's pictures count, beside the weights that pictures have in a manifest
	ClassWeights ClassWeights
	Augment      picture.Augment // how views of the training pictures are altered; with Views only
	// altered views of each training picture to train on beside it, cached as it is; 0 means none
	Views int
	// optional: the solver begins at this model's head; labels may be added, dropped and moved
	WarmStart   *inception.Model
	Checkpoints Checkpoints // of the solver's state, so that a run which was stopped goes on
	// most unreadable pictures before the run is given up; 0 means a tenth of all (at least 10),
	// negative means none
	MaxBad   int
	Batch    int // pictures in one forward pass; 0 means inception's default
	Decoders int // goroutines that decode and resize; 0 means GOMAXPROCS
	// share of known pictures, 0..0.5, that the model may take for unknown, of the validation part;
	// 0: it never says so
	Unknown float64
	// most training pictures whose thumbnails the model keeps for explanations, 0 (none) to
	// inception.MaxNeighbours
	Neighbours int
	Threads    int    // for the trunk and the solver; 0 means GOMAXPROCS
	Device     string // nn.Config.Device
	Kernel     string // nn.Config.Kernel
	// of the trunk; "" means that of the weights; Int8 with weights of float32 calibrates on
	// training pictures
	Precision   nn.Precision
	Limits      picture.Limits // of one picture
	ToolVersion string         // kept in the model
	Progress    func(Event)    // called now and then, from one goroutine at a time; must return quickly
}

// Validate names the first field that is wrong.
func (c Config) Validate() error {
	if err := c.Split.Validate(); err != nil {
		return err
	}
	if c.Batch < 0 || c.Decoders < 0 {
		return fmt.Errorf("train: config: Batch and Decoders: got %d and %d, want 0 (default) or more", c.Batch, c.Decoders)
	}
	if c.Neighbours < 0 || c.Neighbours > inception.MaxNeighbours {
		return fmt.Errorf("train: config: Neighbours: got %d, want 0 (none) to %d", c.Neighbours, inception.MaxNeighbours)
	}
	if !(c.Unknown >= 0 && c.Unknown <= 0.5) {
		return fmt.Errorf("train: config: Unknown: got %g, want 0 (off) to 0.5", c.Unknown)
	}
	if c.Views < 0 || c.Views > maxViews {
		return fmt.Errorf("train: config: Views: got %d, want 0 (none) to %d", c.Views, maxViews)
	}
	if c.Views == 0 && c.Augment != (picture.Augment{}) || c.Views > 0 && c.Augment == (picture.Augment{}) {
		return fmt.Errorf("train: config: Views: got %d and alterations %+v, want both or none", c.Views, c.Augment)
	}
	if _, err := nn.ParsePrecision(string(c.Precision)); err != nil {
		return fmt.Errorf("train: config: Precision: %w", err)
	}
	if c.Folds < 0 || c.Folds == 1 {
		return fmt.Errorf("train: config: Folds: got %d, want 0 (default) or at least 2", c.Folds)
	}
	if err := c.Augment.Validate(); err != nil {
		return err
	}
	fit := c.fit()
	if c.Scaling == ScaleAuto {
		if c.L2 >= 0 {
			return fmt.Errorf("train: config: Scaling: got %s with L2 %g, want a negative L2: they are searched for together",
				c.Scaling, c.L2)
		}
		fit.Scaling = ""
	}
	if c.L2 < 0 && c.Solver == Retrain {
		return errors.New("train: config: L2: solver retrain has none to search for")
	}
	return fit.Validate()
}

// maxViews bounds how much a run may grow by views.
const maxViews = 1000

// maxBad returns how many of n pictures may be bad.
func (c Config) maxBad(n int) int { return maxBad(c.MaxBad, n) }

func maxBad(limit, n int) int {
	switch {
	case limit < 0:
		return 0
	case limit == 0:
		return max(10, n/10)
	}
	return limit
}

func (c Config) nn() nn.Config {
	return nn.Config{Threads: c.Threads, Device: c.Device, Kernel: c.Kernel}
}

func (c Config) fit() FitConfig {
	return FitConfig{
		Solver: c.Solver, Descent: c.Descent, L2: max(c.L2, 0), Scaling: c.Scaling, Tolerance: c.Tolerance,
		MaxIterations: c.MaxIterations,
		Smoothing:     c.Smoothing, Balanced: c.ClassWeights.Balanced, Seed: c.Seed,
		Threads: c.Threads, Progress: c.Progress, Checkpoints: c.Checkpoints,
	}
}

// FitConfig sets the solver of a head; the zero value is a good one.
type FitConfig struct {
	Solver  Solver  // "" means LBFGS
	Descent Descent // of every solver but LBFGS
	// weight of |W|^2/2 on scaled bottlenecks; 0 means DefaultL2, and none for Retrain, which has
	// none
	L2            float64
	Scaling       Scaling // "" means ScaleHalf, and ScaleNone for Retrain, which has no other
	Tolerance     float64 // LBFGS stops when no component of the gradient is larger; 0 means DefaultTolerance
	MaxIterations int     // of LBFGS; 0 means DefaultMaxIterations
	Smoothing     float64 // label smoothing: the share of each target that is spread over all answers; 0 to 0.5
	// [K], how much the examples of each class count beside their own weights, above 0; nil: all
	// the same
	ClassWeights []float64
	// classes count the same altogether (with several labels a row: having a label and not having
	// it do)
	Balanced bool
	Seed     uint64 // of batches, dropout and first weights
	// optional: where the solver begins, a head of the same classes and features; nil means at zero
	Start   *inception.Head
	Threads int // 0 means GOMAXPROCS; changes no bit of the result
	// optional: its loss and accuracy are part of the progress; the solvers of Descent stop by it
	Validation  *Examples
	Progress    func(Event) // optional
	Checkpoints Checkpoints // of the solver's state
}

// resolved is c with its defaults written out.
func (c FitConfig) resolved(classes int) FitConfig {
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
	c.Descent = c.Descent.resolved(c.Solver)
	c.Threads = threadCount(c.Threads)
	return c
}

// Validate names the first field that is wrong.
func (c FitConfig) Validate() error {
	_, known := c.Scaling.power()
	switch {
	case !known:
		return fmt.Errorf("train: config: Scaling: got %q, want %s (default), %s, %s or %s", c.Scaling, ScaleHalf,
			ScaleStandard, ScaleCommon, ScaleNone)
	case !(c.L2 >= 0) || math.IsInf(c.L2, 0):
		return fmt.Errorf("train: config: L2: got %g, want a finite number, 0 (default) or more", c.L2)
	case !(c.Tolerance >= 0) || math.IsInf(c.Tolerance, 0):
		return fmt.Errorf("train: config: Tolerance: got %g, want a finite number, 0 (default) or more", c.Tolerance)
	case c.MaxIterations < 0:
		return fmt.Errorf("train: config: MaxIterations: got %d, want 0 (default) or more", c.MaxIterations)
	case c.Threads < 0:
		return fmt.Errorf("train: config: Threads: got %d, want 0 (all) or more", c.Threads)
	case !(0 <= c.Smoothing && c.Smoothing <= 0.5):
		return fmt.Errorf("train: config: Smoothing: got %g, want 0 to 0.5", c.Smoothing)
	}
	for l, w := range c.ClassWeights {
		if !(w > 0) || math.IsInf(w, 0) {
			return fmt.Errorf("train: config: ClassWeights: class %d: got %g, want a finite number above 0", l, w)
		}
	}
	if err := c.Descent.Validate(); err != nil {
		return err
	}
	return c.fits()
}

// fits refuses settings that the solver has no use for: nothing that was asked for is passed over
// in silence.
func (c FitConfig) fits() error {
	none := Descent{}
	switch c.Solver {
	case "", LBFGS:
		if c.Descent != none {
			return fmt.Errorf("train: config: Descent: learning rate, schedule, batches, epochs, patience and dropout are of " +
				"sgd, momentum and adam: solver lbfgs has none, choose another")
		}
	case SGD, Momentum, Adam:
		if c.Descent.Steps != 0 {
			return fmt.Errorf("train: config: Steps: got %d, want 0: steps are of solver retrain, %s counts epochs",
				c.Descent.Steps, c.Solver)
		}
	case Retrain:
		d := c.Descent
		d.Rate, d.Steps, d.Batch = 0, 0, 0
		if d != none || c.L2 != 0 || c.Smoothing != 0 || c.Scaling != "" && c.Scaling != ScaleNone {
			return fmt.Errorf("train: config: solver retrain has a learning rate, steps and a batch size only: choose sgd for " +
				"L2, scaling, label smoothing, dropout, schedules and early stopping")
		}
	default:
		return fmt.Errorf("train: config: Solver: got %q, want %s (default), %s, %s, %s or %s", c.Solver, LBFGS, SGD,
			Momentum, Adam, Retrain)
	}
	return nil
}

// Phase says what a run is busy with.
type Phase string

// The phases of a run, in their order.
const (
	PhaseCheck Phase = "check" // the plan: one event for each Note
	PhaseHash  Phase = "hash"  // reading and checking pictures; counted in pictures
	// finding the ranges of an int8 trunk, where Config.Precision asks for one; counted in pictures
	PhaseCalibrate Phase = "calibrate"
	PhaseEmbed     Phase = "embed" // pictures through the trunk; counted in pictures
	// altered views of training pictures through the trunk, where Config.Views asks for some;
	// counted in views
	PhaseViews   Phase = "views"
	PhaseSearch  Phase = "search"  // choosing L2; counted in fits
	PhaseFit     Phase = "fit"     // solving for the head; counted in iterations of the solver
	PhaseMeasure Phase = "measure" // accuracy and the rest; counted in pictures
	PhaseKeep    Phase = "keep"    // making thumbnails, where Config.Neighbours asks for some; counted in pictures
)

// Event is progress. The first event of a phase has Done 0 and the last has Done equal to Total,
// but for PhaseFit, which ends when it converges.
type Event struct {
	Phase   Phase
	Done    int
	Total   int
	Elapsed time.Duration // since the phase began
	Rate    float64       // done a second; 0 when not known yet
	// PhaseCheck: something worth knowing before time is spent; PhaseEmbed: what it will take, once
	// measured; a sentence, or ""
	Note string
	Bad  int // PhaseHash, PhaseEmbed: pictures that could not be read so far

	// PhaseFit and PhaseSearch:
	L2            float64
	Loss          float64 // mean cross entropy + L2 term
	Gradient      float64 // largest component
	TrainAccuracy float64 // 0..1; NaN when not measured at this event
	// weighted mean cross entropy of the validation part, without L2 term, class weights and
	// smoothing; NaN when there is none
	ValidationLoss     float64
	ValidationAccuracy float64 // 0..1; NaN when not measured at this event
}
