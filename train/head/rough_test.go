package head

import (
	"math"
	"testing"

	"github.com/c236555e/rehead/train/internal/traintest"
)

// TestRoughValue: at the anchor the value is float32's, to the last bits, and away from it the error is a
// share of what changed on the way, however short that is.
func TestRoughValue(t *testing.T) {
	for _, several := range []bool{false, true} {
		plain := asked(t, several, 2)
		o, err := newObjective(t.Context(), plain.targets, plain.scale, 2, true)
		if err != nil {
			t.Fatal(err)
		}
		o.l2 = plain.l2
		theta, at := normal(5, o.dim()), make([]float64, o.dim())
		loss, err := o.value(theta, at)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]float64, o.dim())
		if same, err := plain.value(append([]float64(nil), theta...), want); err != nil || !traintest.Near(same, loss, 0, 1e-6) {
			t.Errorf("several labels %t: by rows made where needed the loss is %.9g, want %.9g (%v)", several, loss, same, err)
		}
		if err := o.anchorAt(theta, o.dataGradient(theta, at), true); err != nil {
			t.Fatal(err)
		}
		way := normal(8, o.dim())
		for _, far := range []float64{0, 1e-4, 1e-2, 1} {
			there := append([]float64(nil), theta...)
			for i, v := range way {
				there[i] += far * v
			}
			got := make([]float64, o.dim())
			rough, err := o.roughValue(append([]float64(nil), there...), got)
			if err != nil {
				t.Fatal(err)
			}
			exact, err := plain.exactValue(there, want)
			if err != nil {
				t.Fatal(err)
			}
			off, moved := 0.0, 0.0
			for i := range got[:o.k*o.f] {
				off += (got[i] - want[i]) * (got[i] - want[i])
				moved += (want[i] - at[i]) * (want[i] - at[i])
			}
			if !(math.Sqrt(off) <= 0.01*math.Sqrt(moved)+1e-5) || !(math.Abs(rough-exact) <= 0.01*math.Abs(exact-loss)+1e-5) {
				t.Errorf("several labels %t, %g away: gradient off by %.3g where it moved by %.3g, loss %.9g, want %.9g", several, far,
					math.Sqrt(off), math.Sqrt(moved), rough, exact)
			}
		}
	}
}

// TestRoughFit: examples in bfloat16 lead to the same head, as near to the optimum as is proven, whatever is
// asked of them.
func TestRoughFit(t *testing.T) {
	for name, ex := range map[string]Examples{
		"labels": clouds(71, 900, 60, 20), "several": multiLabelClouds(72, 700), "chunks": clouds(73, 2*chunkRows+9, 33, 5),
	} {
		cfg := Config{Options: Options{Smoothing: 0.05}, Balanced: name == "chunks"}
		cfg.bfloat16 = -1
		want := mustFit(t, ex, cfg)
		cfg.bfloat16 = 1
		got := mustFit(t, ex, cfg)
		if !got.Converged || !(math.Abs(got.Loss-want.Loss) <= max(got.Gap, want.Gap)) {
			t.Errorf("%s: loss %.9g (gap %.3g, converged %t), want %.9g (gap %.3g)", name, got.Loss, got.Gap, got.Converged,
				want.Loss, want.Gap)
		}
		if got.Evaluations > want.Evaluations+12 {
			t.Errorf("%s: %d evaluations, with float32 %d", name, got.Evaluations, want.Evaluations)
		}
	}
}
