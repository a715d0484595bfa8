package numeric

import (
	"math"
	"testing"
)

func near(got, want, tol float64) bool { return math.Abs(got-want) <= tol }

func TestSoftmaxAndCrossEntropy(t *testing.T) {
	p := make([]float64, 3)
	Softmax(p, []float64{0, math.Ln2, math.Log(5)}, 1)
	for i, want := range []float64{0.125, 0.25, 0.625} {
		if !near(p[i], want, 1e-15) {
			t.Errorf("class %d: got %g, want %g", i, p[i], want)
		}
	}
	Softmax(p, []float64{1000, 1000 + 2*math.Ln2, -1e6}, 2)
	for i, want := range []float64{1. / 3, 2. / 3, 0} {
		if !near(p[i], want, 1e-12) {
			t.Errorf("class %d: got %g, want %g", i, p[i], want)
		}
	}
	if got := CrossEntropy([]float64{1000, 1000 + 2*math.Ln2, -1e6}, 0, 2); !near(got, math.Log(3), 1e-12) {
		t.Errorf("cross entropy: got %g, want ln 3", got)
	}
	if got := CrossEntropy([]float64{1000, 0}, 1, 1); got != 1000 { // where the probability itself is 0
		t.Errorf("cross entropy: got %g, want 1000", got)
	}
}
