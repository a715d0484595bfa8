package head

import (
	"context"
	"slices"
	"testing"

	"github.com/c236555e/rehead/train/internal/traintest"
)

// TestOwnSpace holds heads of more features than examples, which are solved for in the examples' own
// space, to those that are not, whatever they begin at, for one label an example and for several.
func TestOwnSpace(t *testing.T) {
	ex := clouds(67, 50, 130, 4)
	for _, row := range ex.Rows {
		row[3] = 1
	}
	ex.Rows[7], ex.Labels[7] = ex.Rows[3], ex.Labels[3] // rows that depend on each other
	start := normal(9, 4*130+4)
	for _, several := range []bool{false, true} {
		for i := range ex.Labels {
			if several {
				ex.MultiLabel = append(ex.MultiLabel, slices.Compact([]int{i % 2, 3 - i%2}))
			}
		}
		for _, l2 := range []float64{1, 1e-3, 1e-6} {
			s, err := newSolver(context.Background(), ex, Config{Options: Options{L2: l2, Tolerance: 1e-9}})
			if err != nil {
				t.Fatal(err)
			}
			s.obj.l2 = l2
			want := s.descentOn(nil)
			if want.lbfgs, err = newLBFGS(s.obj.value, slices.Clone(start), 1); err != nil {
				t.Fatal(err)
			}
			want.shape()
			if err := want.run(s.monitor(l2, 0), nil); err != nil {
				t.Fatal(err)
			}
			if p, err := s.ownSpace(); p == nil || err != nil {
				t.Fatalf("there is no space of the examples' own: %v", err)
			}
			for name, from := range map[string][]float64{"nothing": nil, "somewhere": start, "the best": want.x} {
				got, err := s.runLBFGS(l2, from, nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				if !got.Converged || !traintest.Near(got.Loss, want.found.loss, 0, 2e-9) {
					t.Errorf("several labels %t, L2 %g, from %s: loss %.12g (gap %g), want %.12g", several, l2, name, got.Loss,
						got.Gap, want.found.loss)
				}
				if name == "the best" && got.Iterations > 5 {
					t.Errorf("several labels %t, L2 %g: %d iterations from the best", several, l2, got.Iterations)
				}
			}
		}
	}
}
