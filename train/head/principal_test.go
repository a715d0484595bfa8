package head

import (
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"gonum.org/v1/gonum/floats"

	"github.com/c236555e/rehead/train/internal/traintest"
)

// planted are examples of many labels that vary most along a few features.
func planted(variance map[int]float64) Examples {
	const n, f, k = 5000, 300, 16
	rng := rand.New(rand.NewPCG(3, 3))
	ex := Examples{Classes: k}
	for i := range n {
		row := make([]float32, f)
		for j := range row {
			row[j] = float32(0.3 * rng.NormFloat64())
		}
		for _, j := range slices.Sorted(maps.Keys(variance)) {
			row[j] = float32(math.Sqrt(variance[j]) * rng.NormFloat64())
		}
		ex.Rows, ex.Labels = append(ex.Rows, row), append(ex.Labels, i%k)
	}
	return ex
}

// TestPrincipal: the directions are orthonormal, and those in which examples vary most are among them,
// with their variance.
func TestPrincipal(t *testing.T) {
	variance := map[int]float64{7: 25, 130: 9, 299: 4}
	s, err := newSolver(t.Context(), planted(variance), Config{Options: Options{Scaling: ScaleNone}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.obj.principal()
	if err != nil || p == nil {
		t.Fatal(p, err)
	}
	f := s.obj.f
	for i := range principalMost {
		for j := range i + 1 {
			want := 0.0
			if i == j {
				want = 1
			}
			if got := floats.Dot(p.directions[i*f:][:f], p.directions[j*f:][:f]); !(math.Abs(got-want) <= 1e-9) {
				t.Fatalf("directions %d and %d have the product %g, want %g", i, j, got, want)
			}
		}
	}
	for j, v := range variance {
		within, told := 0.0, 0.0
		for i := range principalMost {
			share := p.directions[i*f+j] * p.directions[i*f+j]
			within, told = within+share, told+share*p.variance[i]
		}
		if !(within > 0.99) || !traintest.Near(told, v, 0, 0.1) {
			t.Errorf("feature %d is %.3f within the directions, with a variance of %.3g, want all and %g", j, within, told, v)
		}
	}
	few := planted(variance)
	few.Classes = principalLabels - 1
	for i := range few.Labels {
		few.Labels[i] %= few.Classes
	}
	if s, err = newSolver(t.Context(), few, Config{}); err != nil {
		t.Fatal(err)
	}
	if p, err := s.obj.principal(); err != nil || p != nil || p.metric(s.obj) != nil {
		t.Errorf("of few labels: got %v, %v", p, err)
	}
}

// TestMetric: where curvatures are as the metric has them, one step tells them, whatever the step.
func TestMetric(t *testing.T) {
	s, err := newSolver(t.Context(), planted(map[int]float64{3: 25, 4: 16, 200: 9}), Config{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.obj.principal()
	if err != nil {
		t.Fatal(err)
	}
	m, f, k := p.metric(s.obj), s.obj.f, s.obj.k
	curve := func(w []float64) []float64 {
		out := make([]float64, len(w))
		floats.AddScaled(out, 0.02, w)
		for l := range k {
			for j, v := range p.variance {
				d := p.directions[j*f:][:f]
				floats.AddScaled(out[l*f:][:f], (0.3*v-0.02)*floats.Dot(w[l*f:][:f], d), d)
			}
		}
		return out
	}
	single := func(w []float64) []float32 {
		out := make([]float32, len(w))
		for i, v := range w {
			out[i] = float32(v)
		}
		return out
	}
	step, other := normal(5, k*f), normal(6, k*f)
	got := curve(other)
	if err := m.apply(got, single(step), single(curve(step)), 2); err != nil {
		t.Fatal(err)
	}
	for i, want := range other {
		if !traintest.Near(got[i], want, 1e-4, 1e-4) {
			t.Fatalf("weight %d: got %g, want %g", i, got[i], want)
		}
	}
}

// TestManyLabels: threads change no bit of a head that directions were found for, and it has converged.
func TestManyLabels(t *testing.T) {
	ex := clouds(61, 700, 260, principalLabels)
	want := mustFit(t, ex, Config{Threads: 1})
	if !want.Converged || !(want.Gap <= DefaultTolerance*want.Loss) {
		t.Errorf("converged %t, gap %g of %g", want.Converged, want.Gap, want.Loss)
	}
	got := mustFit(t, ex, Config{Threads: 3})
	if !reflect.DeepEqual(got.Head, want.Head) || got.Loss != want.Loss {
		t.Error("3 threads: another head than with 1")
	}
	closer := mustFit(t, ex, Config{Options: Options{Tolerance: 1e-10}})
	if !(want.Loss-closer.Loss <= want.Gap*1.0001) || !(closer.Loss <= want.Loss) {
		t.Errorf("the loss is %g above the least, told: at most %g", want.Loss-closer.Loss, want.Gap)
	}
}
