package train

import (
	"fmt"
	"math"
)

// Solver says how a head is solved for.
type Solver string

// The solvers.
const (
	LBFGS    Solver = "lbfgs"    // to convergence, by L-BFGS: the default, and the best of them
	SGD      Solver = "sgd"      // stochastic gradient descent
	Momentum Solver = "momentum" // the same with momentum
	Adam     Solver = "adam"     // Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015
	Retrain  Solver = "retrain"  // what TensorFlow's retrain.py does: see Descent
)

// Schedule says how the learning rate falls.
type Schedule string

// The schedules.
const (
	Constant Schedule = "constant" // not at all
	Step     Schedule = "step"     // by Descent.DropFactor every Descent.DropEvery epochs
	Cosine   Schedule = "cosine"   // along half a cosine to 0 at the last epoch
)

// Descent sets the solvers that go small steps, a batch of examples at a time: sgd, momentum and
// adam. After each epoch the loss on the validation part is measured; the head is that of the best
// epoch, or of the last where there is none.
//
// Retrain is retrain.py's recipe: Steps steps of plain gradient descent on bottlenecks as they are,
// batches of Batch pictures drawn with replacement (a label, then one of its pictures), from
// weights of a truncated normal distribution of deviation 0.001, without L2 and without looking at
// the validation part.
type Descent struct {
	Rate       float64  // learning rate; 0 means 0.01 (retrain, sgd), 0.002 (momentum), 0.001 (adam)
	Schedule   Schedule // "" means Constant
	DropEvery  int      // Step: epochs between two drops; 0 means a third of Epochs
	DropFactor float64  // Step: what the rate is multiplied by, above 0 and at most 1; 0 means 0.1
	Momentum   float64  // Momentum: 0 means 0.9, below 1
	Batch      int      // examples a step; 0 means 100
	Epochs     int      // most passes over the examples; 0 means 50. Not for retrain
	Steps      int      // retrain: steps; 0 means 4000
	Patience   int      // epochs without a better validation loss before it stops; 0 means 5, negative means never
	Dropout    float64  // share of the features that each step leaves out, 0..0.95; not for retrain
}

// resolved is d with defaults written out.
func (d Descent) resolved(s Solver) Descent {
	def := func(v *int, to int) {
		if *v == 0 {
			*v = to
		}
	}
	if d.Rate == 0 {
		d.Rate = map[Solver]float64{SGD: 0.01, Momentum: 0.002, Adam: 0.001, Retrain: 0.01}[s]
	}
	if d.Schedule == "" {
		d.Schedule = Constant
	}
	if d.DropFactor == 0 {
		d.DropFactor = 0.1
	}
	if d.Momentum == 0 {
		d.Momentum = 0.9
	}
	def(&d.Batch, 100)
	def(&d.Epochs, 50)
	def(&d.Steps, 4000)
	def(&d.Patience, 5)
	def(&d.DropEvery, max(1, d.Epochs/3))
	return d
}

// Validate names the first field that is wrong.
func (d Descent) Validate() error {
	switch d.Schedule {
	case "", Constant, Step, Cosine:
	default:
		return fmt.Errorf("train: config: Schedule: got %q, want %s (default), %s or %s", d.Schedule, Constant, Step, Cosine)
	}
	switch {
	case !(d.Rate >= 0) || math.IsInf(d.Rate, 0):
		return fmt.Errorf("train: config: Rate: got %g, want a finite number, 0 (default) or more", d.Rate)
	case d.DropEvery < 0 || d.Batch < 0 || d.Epochs < 0 || d.Steps < 0:
		return fmt.Errorf("train: config: DropEvery, Batch, Epochs and Steps: got %d, %d, %d and %d, "+
			"want 0 (default) or more", d.DropEvery, d.Batch, d.Epochs, d.Steps)
	case !(0 <= d.DropFactor && d.DropFactor <= 1):
		return fmt.Errorf("train: config: DropFactor: got %g, want above 0 and at most 1, or 0 (default)", d.DropFactor)
	case !(0 <= d.Momentum && d.Momentum < 1):
		return fmt.Errorf("train: config: Momentum: got %g, want below 1, or 0 (default)", d.Momentum)
	case !(0 <= d.Dropout && d.Dropout <= 0.95):
		return fmt.Errorf("train: config: Dropout: got %g, want 0 to 0.95", d.Dropout)
	}
	return nil
}
