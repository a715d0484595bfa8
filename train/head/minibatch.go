package head

import (
	"math"

	"github.com/c236555e/rehead/internal/wrongfield"
)

// Schedule says how the learning rate falls.
type Schedule string

// The schedules.
const (
	Constant Schedule = "constant" // not at all
	Step     Schedule = "step"     // by MiniBatch.DropFactor every MiniBatch.DropEvery epochs
	Cosine   Schedule = "cosine"   // along half a cosine to 0 at the last epoch
)

// MiniBatch sets the solvers that take small steps, a batch of examples at a time: sgd, momentum
// and adam. After each epoch the loss on the validation part is measured; the head is that of the
// best epoch, or of the last where there is none.
//
// Retrain is retrain.py's recipe: Steps steps of plain gradient descent on bottlenecks as they are,
// batches of Batch pictures drawn with replacement (a label, then one of its pictures), from
// weights of a truncated normal distribution of deviation 0.001, without L2 and without looking at
// the validation part.
type MiniBatch struct {
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

// resolved is b with defaults written out.
func (b MiniBatch) resolved(s Solver) MiniBatch {
	def := func(v *int, to int) {
		if *v == 0 {
			*v = to
		}
	}
	if b.Rate == 0 {
		b.Rate = map[Solver]float64{SGD: 0.01, Momentum: 0.002, Adam: 0.001, Retrain: 0.01}[s]
	}
	if b.Schedule == "" {
		b.Schedule = Constant
	}
	if b.DropFactor == 0 {
		b.DropFactor = 0.1
	}
	if b.Momentum == 0 {
		b.Momentum = 0.9
	}
	def(&b.Batch, 100)
	def(&b.Epochs, 50)
	def(&b.Steps, 4000)
	def(&b.Patience, 5)
	def(&b.DropEvery, max(1, b.Epochs/3))
	return b
}

// Validate names the first field that is wrong.
func (b MiniBatch) Validate() error {
	switch b.Schedule {
	case "", Constant, Step, Cosine:
	default:
		return wrongfield.Errorf("train: config", "Schedule",
			"got %q, want %s (default), %s or %s", b.Schedule, Constant, Step, Cosine)
	}
	switch {
	case !(b.Rate >= 0) || math.IsInf(b.Rate, 0):
		return wrongfield.Errorf("train: config", "Rate", "got %g, want a finite number, 0 (default) or more", b.Rate)
	case b.DropEvery < 0 || b.Batch < 0 || b.Epochs < 0 || b.Steps < 0:
		return wrongfield.Errorf("train: config", "DropEvery, Batch, Epochs and Steps", "got %d, %d, %d and %d, "+
			"want 0 (default) or more", b.DropEvery, b.Batch, b.Epochs, b.Steps)
	case !(0 <= b.DropFactor && b.DropFactor <= 1):
		return wrongfield.Errorf("train: config", "DropFactor",
			"got %g, want above 0 and at most 1, or 0 (default)", b.DropFactor)
	case !(0 <= b.Momentum && b.Momentum < 1):
		return wrongfield.Errorf("train: config", "Momentum", "got %g, want below 1, or 0 (default)", b.Momentum)
	case !(0 <= b.Dropout && b.Dropout <= 0.95):
		return wrongfield.Errorf("train: config", "Dropout", "got %g, want 0 to 0.95", b.Dropout)
	}
	return nil
}
