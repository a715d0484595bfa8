package head

import (
	"math"

	"gonum.org/v1/gonum/optimize"
)

// noise is how far two values of the objective may differ, relatively, where logits are computed in
// float32.
const noise = 1e-7

// wolfe is the line search of Moré and Thuente with the approximate Wolfe conditions of Hager and
// Zhang ("A new conjugate gradient method with guaranteed descent and an efficient line search",
// 2005, section 4): near the solution, where values differ by less than their rounding error,
// slopes alone decide. Without it L-BFGS stops at a gradient of about the square root of that
// error.
type wolfe struct {
	optimize.MoreThuente
	f, g, step float64 // value and slope at step 0, and the step that is being tried
	noise      float64 // how far two values may differ because of how they are computed
}

func newWolfe(noise float64) *wolfe {
	return &wolfe{MoreThuente: optimize.MoreThuente{DecreaseFactor: 1e-4, CurvatureFactor: 0.9}, noise: noise}
}

// Init is part of optimize.Linesearcher.
func (w *wolfe) Init(f, g, step float64) optimize.Operation {
	w.f, w.g, w.step = f, g, step
	return w.MoreThuente.Init(f, g, step)
}

// Iterate is part of optimize.Linesearcher.
func (w *wolfe) Iterate(f, g float64) (optimize.Operation, float64, error) {
	if math.Abs(f-w.f) <= w.noise && w.CurvatureFactor*w.g <= g && g <= (2*w.DecreaseFactor-1)*w.g {
		return optimize.MajorIteration, w.step, nil
	}
	op, step, err := w.MoreThuente.Iterate(f, g)
	w.step = step
	return op, step, err
}
