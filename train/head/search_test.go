package head

import (
	"math"
	"slices"
	"testing"
)

// TestGridWidens follows a search over losses that are given: it looks at the grid from its strong
// end to where two in a row are worse, and goes on beyond either end as long as that gains anything.
func TestGridWidens(t *testing.T) {
	for i, want := range map[int]float64{-6: 30000, -1: 100, 0: 30, 1: 10, 3: 1, 4: 0.3, 6: 0.03, 7: 0.01, 16: 3e-7} {
		if got := gridAt(i); got != want {
			t.Errorf("place %d of the grid: got %v, want %v", i, got, want)
		}
	}
	d := DefaultL2(3)
	for name, c := range map[string]struct {
		loss func(multiple float64) float64
		want []float64
	}{
		"in the middle": {func(m float64) float64 { return 1 + math.Abs(math.Log(m/1)) }, []float64{30, 10, 3, 1, 0.3, 0.1}},
		"weak": {func(m float64) float64 { return 1 + math.Abs(math.Log(m/0.003)) },
			[]float64{30, 10, 3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001}},
		"at the grid's end": {func(m float64) float64 { return 1 + math.Abs(math.Log(m/0.03)) },
			[]float64{30, 10, 3, 1, 0.3, 0.1, 0.03, 0.01}},
		"strong":            {func(m float64) float64 { return 1 + math.Abs(math.Log(m/300)) }, []float64{30, 10, 3, 100, 300, 1000}},
		"without an end":    {func(m float64) float64 { return math.Log(m + 1e-20) }, nil},
		"stronger and more": {func(m float64) float64 { return 1 / m }, []float64{30, 10, 3, 100, 300, 1000, 3000, 10000, 30000}},
		"all the same":      {func(float64) float64 { return 1 }, []float64{30, 10, 3, 1, 0.3, 0.1, 0.03, 100}},
	} {
		h := &search{solver: &solver{ex: Examples{Classes: 3}}, folds: 1, scalings: []Scaling{ScaleHalf, ScaleCommon}}
		var got [2][]float64
		for h.at < 2 {
			m := gridAt(h.l2)
			got[h.at] = append(got[h.at], m)
			h.tried = append(h.tried, Choice{Scaling: h.scalings[h.at], L2: m * d, ValidationLogLoss: c.loss(m)})
			h.advance()
			if len(h.tried) > 60 {
				t.Fatalf("%s: it never ends: %v", name, got)
			}
		}
		if !slices.Equal(got[0], got[1]) {
			t.Errorf("%s: the second scaling is searched otherwise: %v", name, got)
		}
		last := got[0][len(got[0])-1]
		if c.want == nil && (last*d < gridLeast || last*d > 10*gridLeast) || c.want != nil && !slices.Equal(got[0], c.want) {
			t.Errorf("%s: tried %v, want %v", name, got[0], c.want)
		}
	}
}
