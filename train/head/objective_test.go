package head

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/c236555e/rehead/train/internal/traintest"
)

// asked is an objective with all that examples may have: weights of their own and of their classes,
// smoothed targets, one or several labels a row, several chunks.
func asked(t *testing.T, several bool, threads int) *objective {
	t.Helper()
	ex := clouds(63, chunkRows+200, 6, 4)
	if several {
		ex = multiLabelClouds(64, chunkRows+200)
		ex.MultiLabel[5] = []int{}
	}
	rng := rand.New(rand.NewPCG(1, 9))
	for range ex.Rows {
		ex.Weights = append(ex.Weights, 0.5+rng.Float64())
	}
	targets, err := newTargets(ex, Config{ClassWeights: []float64{1, 2, 0.5, 3}, Balanced: true,
		Options: Options{Smoothing: 0.1}})
	if err != nil {
		t.Fatal(err)
	}
	o, err := newObjective(context.Background(), targets, newScale(ex.Rows, 0.5, threads), threads, false)
	if err != nil {
		t.Fatal(err)
	}
	o.l2 = 0.03
	return o
}

// TestObjectiveGradient holds gradients to central differences of the loss in float64, with the best
// bias for each W and with a bias that stays, those by float32 products to those in float64, and both
// to the Gorgonia graph's.
func TestObjectiveGradient(t *testing.T) {
	for _, several := range []bool{false, true} {
		o := asked(t, several, 2)
		theta := normal(5, o.dim())
		differences(t, o.exactAt, theta)
		differences(t, o.exactValue, theta)
		grad, single, other := make([]float64, o.dim()), make([]float64, o.dim()), make([]float64, o.dim())
		loss, err := o.exactValue(theta, grad)
		if err != nil {
			t.Fatal(err)
		}
		l32, err := o.value(theta, single)
		if err != nil {
			t.Fatal(err)
		}
		fromGraph := graphGradient(t, o, theta, other)
		if !traintest.Near(l32, loss, 0, 1e-6) || !traintest.Near(fromGraph, loss, 0, 1e-6) {
			t.Errorf("several labels %t: loss %.9g, by float32 %.9g, by the graph %.9g", several, loss, l32, fromGraph)
		}
		for i, g := range grad {
			if !traintest.Near(single[i], g, 1e-6, 1e-5) || !traintest.Near(other[i], g, 1e-6, 1e-5) {
				t.Errorf("several labels %t, component %d: got %.9g, by float32 %.9g, by the graph %.9g", several, i, g, single[i],
					other[i])
			}
		}
	}
}

// differences holds a gradient to central differences.
func differences(t *testing.T, value func(theta, grad []float64) (float64, error), at []float64) {
	t.Helper()
	theta, grad, other := slices.Clone(at), make([]float64, len(at)), make([]float64, len(at))
	if _, err := value(theta, grad); err != nil {
		t.Fatal(err)
	}
	for i, keep := range theta {
		const h = 1e-5
		up, down := slices.Clone(theta), slices.Clone(theta)
		up[i], down[i] = keep+h, keep-h
		above, _ := value(up, other)
		below, _ := value(down, other)
		if d := (above - below) / (2 * h); !traintest.Near(grad[i], d, 1e-9, 1e-7) {
			t.Errorf("component %d: got %.12g, central difference %.12g", i, grad[i], d)
		}
	}
}

// graphGradient is the objective by nn's graph.
func graphGradient(t *testing.T, o *objective, theta, grad []float64) float64 {
	t.Helper()
	g, err := headGraph(o.ex, o.n)
	if err != nil {
		t.Fatal(err)
	}
	w := o.k * o.f
	x, values := make([]float32, o.n*o.f), o.targets.blank(o.n)
	weights, t32, g32 := make([]float32, o.n*o.targets.width()), make([]float32, len(theta)), make([]float32, len(theta))
	for i := range o.n {
		if err := o.rows.Get(x[i*o.f:][:o.f], i); err != nil {
			t.Fatal(err)
		}
		o.targets.put(i, i, values, weights)
	}
	for i, v := range theta {
		t32[i] = float32(v)
	}
	loss, err := g.LossGrad(x, values, weights, t32[:w], t32[w:], g32[:w], g32[w:])
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range g32 {
		grad[i] = float64(v)
	}
	return o.regularise(loss, theta, grad)
}

// TestCertificate: the bound holds wherever the head is, for every kind of example, it is the
// strong convexity's where the bias is at its best, and the number of threads changes no bit.
func TestCertificate(t *testing.T) {
	for _, several := range []bool{false, true} {
		o := asked(t, several, 1)
		best := normal(6, o.dim())
		grad := make([]float64, o.dim())
		d := (&solver{obj: o, cfg: Config{Options: Options{MaxIterations: 500, Tolerance: 1e-13}}}).descentOn(nil)
		d.exact, d.trust = true, 1
		var err error
		if d.lbfgs, err = newLBFGS(o.exactValue, best, 1); err != nil {
			t.Fatal(err)
		}
		d.shape()
		for done := false; !done; {
			if done, err = d.done(); err != nil {
				t.Fatal(err)
			}
			if !done {
				if err := d.next(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !d.good() {
			t.Fatalf("several labels %t: the reference is %g of %g above the least", several, d.found.gap, d.found.loss)
		}
		for _, away := range []float64{1e-6, 1e-3, 0.1, 3} {
			theta := normal(7, o.dim())
			for i, v := range d.x {
				theta[i] = v + away*theta[i]
			}
			same := append([]float64(nil), theta...)
			c, err := o.certify(theta, grad)
			if err != nil {
				t.Fatal(err)
			}
			loss, err := o.exactAt(theta, grad)
			if err != nil {
				t.Fatal(err)
			}
			above := loss - (d.found.loss - d.found.gap)
			if loss != c.loss || !(above <= c.gap+1e-13) || !(c.gap > 0) {
				t.Errorf("several labels %t, %g away: the loss %.15g is %.6g above the least, told: %.15g, at most %.6g above",
					several, away, loss, above, c.loss, c.gap)
			}
			if away > 0.1 { // too far for the search for the best bias
				continue
			}
			if convex := squares(1, grad[:o.k*o.f]) / (2 * o.l2); !traintest.Near(c.gap, convex, 1e-12, 1e-6) {
				t.Errorf("several labels %t, %g away: gap %.9g, by strong convexity %.9g", several, away, c.gap, convex)
			}
			for l, g := range grad[o.k*o.f:] {
				if !(math.Abs(g) < 1e-13) {
					t.Errorf("several labels %t, %g away: the gradient by bias %d is %g", several, away, l, g)
				}
			}
			again := asked(t, several, 3)
			other, err := again.certify(same, grad)
			if err != nil || other != c {
				t.Errorf("several labels %t: three threads say %+v, one %+v (%v)", several, other, c, err)
			}
		}
	}
}

// TestMendedBound: where the bias is not at its best and nothing is done about it, the bound still
// holds, by what is added for it.
func TestMendedBound(t *testing.T) {
	for _, several := range []bool{false, true} {
		o := asked(t, several, 1)
		grad := make([]float64, o.dim())
		theta := normal(8, o.dim())
		if _, err := o.certify(theta, grad); err != nil {
			t.Fatal(err)
		}
		for _, off := range []float64{1e-9, 1e-4, 0.3} {
			moved := append([]float64(nil), theta...)
			for l := range o.k {
				moved[o.k*o.f+l] += off * float64(l%3-1)
			}
			loss, err := o.exactAt(moved, grad)
			if err != nil {
				t.Fatal(err)
			}
			bound := o.bound(moved, grad)
			// what is above the best of these weights is at least above the least
			best, err := o.certify(append([]float64(nil), moved...), grad)
			if err != nil {
				t.Fatal(err)
			}
			if above := loss - best.loss; !(above <= bound.gap) || !(above >= 0) {
				t.Errorf("several labels %t, bias %g off: the loss is %g above that of the best bias, told: at most %g", several,
					off, above, bound.gap)
			}
		}
	}
}

// TestDecidedLabels: a label that no example has takes part in nothing, the bound is that of the
// rest, and the head says it about as seldom as once in one more than there are examples.
func TestDecidedLabels(t *testing.T) {
	ex := clouds(65, 120, 8, 3)
	fit := mustFit(t, ex, Config{Options: Options{L2: 0.01}})
	ex.Classes = 5
	for _, several := range []bool{false, true} {
		if several {
			for i := range ex.Rows {
				ex.MultiLabel = append(ex.MultiLabel, []int{ex.Labels[i], 4}) // nobody has 3, all have 4
			}
		}
		s, err := newFoldSolver(context.Background(), ex, Config{Options: Options{L2: 0.01}}.resolved(5))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.runLBFGS(0.01, nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !got.Converged || !several && !traintest.Near(got.Loss, fit.Loss, 0, 2e-6) {
			t.Errorf("several labels %t: loss %g, gap %g; without the labels %g", several, got.Loss, got.Gap, fit.Loss)
		}
		logits, err := Logits(context.Background(), got.Head, ex.Rows, 1)
		if err != nil {
			t.Fatal(err)
		}
		mean := 0.0
		for i := range ex.Rows {
			row := logits[i*5 : i*5+5]
			if several {
				mean += 1 / (1 + math.Exp(-row[3])) / 120
				if p := 1 / (1 + math.Exp(row[4])); !traintest.Near(p, 1./122, 0, 1e-3) {
					t.Fatalf("that the label of all is missing has probability %g", p)
				}
				continue
			}
			sum := 0.0
			for _, u := range row {
				sum += math.Exp(u - row[3])
			}
			mean += math.Log(sum) / 120
		}
		if !several {
			mean = math.Exp(-mean)
		}
		if !(mean > 1./140 && mean < 1./100) {
			t.Errorf("several labels %t: the label of none has probability %g, want about 1/121", several, mean)
		}
	}
}
