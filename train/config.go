package train

import (
	"fmt"
	"math"
	"time"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// What the zero value of a setting means.
const (
	DefaultTolerance     = 1e-4
	DefaultMaxIterations = 1000
)

// DefaultL2 returns what an L2 of 0 means: 0.3 / classes. The best L2 falls with the number of classes as the data's own
// curvature does. Measured in five folds with ScaleHalf: 5 classes of flowers, best at 0.06 (2,936 pictures) and 0.1
// (560); 70 classes of small pictures, best at 0.004 (1,400).
func DefaultL2(classes int) float64 { return 0.3 / float64(max(classes, 1)) }

// Scaling says how bottlenecks are scaled, after their mean was taken off, before L2 is applied to what multiplies them.
// In each case the scaled features have variance 1 on average, so that an L2 means the same for any trunk.
type Scaling string

// The scalings.
const (
	// ScaleHalf divides each feature by the square root of its standard deviation: half-way between the other two, each of
	// which is a little better on some data and worse on other.
	ScaleHalf Scaling = "half"
	// ScaleStandard divides each feature by its standard deviation.
	ScaleStandard Scaling = "standard"
	// ScaleCommon divides all features by the same number.
	ScaleCommon Scaling = "common"
)

// power is what the standard deviation is raised to, before it divides.
func (s Scaling) power() (p float64, ok bool) {
	switch s {
	case "", ScaleHalf:
		return 0.5, true
	case ScaleStandard:
		return 1, true
	case ScaleCommon:
		return 0, true
	}
	return 0, false
}

// Config sets a training run; the zero value is a good one.
type Config struct {
	Split         dataset.SplitConfig // which part of the pictures is held out; the zero value holds out 10 % + 10 %
	Seed          uint64              // kept in the model; draws whatever is drawn
	CacheDir      string              // folder of bottleneck caches, made if need be; "": bottlenecks are kept in memory only
	L2            float64             // weight of |W|^2/2; 0 means DefaultL2; negative: the best of a grid on the validation part
	Scaling       Scaling             // "" means ScaleHalf
	Tolerance     float64             // largest component of the gradient at the solution; 0 means DefaultTolerance
	MaxIterations int                 // of the solver; 0 means DefaultMaxIterations
	MaxBad        int                 // most unreadable pictures before the run is given up; 0 means a tenth of all (at least 10), negative means none
	Batch         int                 // pictures in one forward pass; 0 means inception's default
	Decoders      int                 // goroutines that decode and resize; 0 means GOMAXPROCS
	Neighbours    int                 // most training pictures whose thumbnails the model keeps for explanations, 0 (none) to inception.MaxNeighbours
	Threads       int                 // for the trunk and the solver; 0 means GOMAXPROCS
	Device        string              // nn.Config.Device
	Kernel        string              // nn.Config.Kernel
	Limits        dataset.Limits      // of one picture
	ToolVersion   string              // kept in the model
	Progress      func(Event)         // called now and then, from one goroutine at a time; must return quickly
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
	return c.fit().Validate()
}

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
		L2: max(c.L2, 0), Scaling: c.Scaling, Tolerance: c.Tolerance, MaxIterations: c.MaxIterations, Threads: c.Threads, Progress: c.Progress,
	}
}

// FitConfig sets the solver of a head; the zero value is a good one.
type FitConfig struct {
	L2            float64     // weight of |W|^2/2 on scaled bottlenecks; 0 means DefaultL2
	Scaling       Scaling     // "" means ScaleHalf
	Tolerance     float64     // the solver stops when no component of the gradient is larger; 0 means DefaultTolerance
	MaxIterations int         // 0 means DefaultMaxIterations
	Threads       int         // 0 means GOMAXPROCS; changes no bit of the result
	Validation    *Examples   // optional: its accuracy is part of the progress
	Progress      func(Event) // optional
}

// Validate names the first field that is wrong.
func (c FitConfig) Validate() error {
	_, known := c.Scaling.power()
	switch {
	case !known:
		return fmt.Errorf("train: config: Scaling: got %q, want %s (default), %s or %s", c.Scaling, ScaleHalf, ScaleStandard, ScaleCommon)
	case !(c.L2 >= 0) || math.IsInf(c.L2, 0):
		return fmt.Errorf("train: config: L2: got %g, want a finite number, 0 (default) or more", c.L2)
	case !(c.Tolerance >= 0) || math.IsInf(c.Tolerance, 0):
		return fmt.Errorf("train: config: Tolerance: got %g, want a finite number, 0 (default) or more", c.Tolerance)
	case c.MaxIterations < 0:
		return fmt.Errorf("train: config: MaxIterations: got %d, want 0 (default) or more", c.MaxIterations)
	case c.Threads < 0:
		return fmt.Errorf("train: config: Threads: got %d, want 0 (all) or more", c.Threads)
	}
	return nil
}

// Phase says what a run is busy with.
type Phase string

// The phases of a run, in their order.
const (
	PhaseCheck   Phase = "check"   // the plan: one event for each Note
	PhaseHash    Phase = "hash"    // reading and checking pictures; counted in pictures
	PhaseEmbed   Phase = "embed"   // pictures through the trunk; counted in pictures
	PhaseSearch  Phase = "search"  // choosing L2; counted in fits
	PhaseFit     Phase = "fit"     // solving for the head; counted in iterations of the solver
	PhaseMeasure Phase = "measure" // accuracy and the rest; counted in pictures
	PhaseKeep    Phase = "keep"    // making thumbnails, where Config.Neighbours asks for some; counted in pictures
)

// Event is progress. The first event of a phase has Done 0 and the last has Done equal to Total, but for PhaseFit, which
// ends when it converges.
type Event struct {
	Phase   Phase
	Done    int
	Total   int
	Elapsed time.Duration // since the phase began
	Rate    float64       // done a second; 0 when not known yet
	Note    string        // PhaseCheck: something worth knowing before time is spent; PhaseEmbed: what it will take, once measured; a sentence, or ""
	Bad     int           // PhaseHash, PhaseEmbed: pictures that could not be read so far

	// PhaseFit and PhaseSearch:
	L2                 float64
	Loss               float64 // mean cross entropy + L2 term
	Gradient           float64 // largest component
	TrainAccuracy      float64 // 0..1; NaN when not measured at this event
	ValidationAccuracy float64 // 0..1; NaN when not measured at this event
}
