package nn_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/internal/nntest"
	"github.com/c236555e/rehead/nn/internal/ref"
)

// headCase is a softmax head with examples of unequal weight, one of them 0,
// and targets that are smoothed, so that they differ from one-hot.
type headCase struct {
	n, f, k             int
	x, targets, weights []float32
	w, b                []float32
}

func newHeadCase(seed uint64, n, f, k int) headCase {
	rng := rand.New(rand.NewPCG(seed, 5))
	normal := func(n int, spread float64) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.NormFloat64() * spread)
		}
		return v
	}
	c := headCase{n, f, k, normal(n*f, 1), make([]float32, n*k), make([]float32, n), normal(k*f, 0.3), normal(k, 0.5)}
	for i := range n {
		for j := range k {
			c.targets[i*k+j] = 0.1 / float32(k)
		}
		c.targets[i*k+rng.IntN(k)] += 0.9
		c.weights[i] = 0.5 + rng.Float32()
	}
	c.weights[n/2] = 0
	return c
}

func long(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// loss is the head's loss in float64, by the reference.
func (c headCase) loss(w, b []float64) float64 {
	logits := make([]float64, c.n*c.k)
	ref.Dense(logits, long(c.x), c.n, ref.Layer[float64]{W: w, B: b, F: c.f})
	return ref.CrossEntropy(logits, long(c.targets), long(c.weights), c.k)
}

// slope is the central difference of f at x[i], restoring x.
func slope(f func() float64, x []float64, i int) float64 {
	const h = 1e-5
	at := x[i]
	x[i] = at + h
	up := f()
	x[i] = at - h
	down := f()
	x[i] = at
	return (up - down) / (2 * h)
}

func TestHeadGraph(t *testing.T) {
	for i, s := range [][3]int{{1, 1, 1}, {5, 7, 3}, {8, 3, 11}, {67, 35, 6}} {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			c := newHeadCase(uint64(i), s[0], s[1], s[2])
			h, err := nn.NewHeadGraph(c.n, c.f, c.k)
			if err != nil {
				t.Fatal(err)
			}
			gradW, gradB := make([]float32, len(c.w)), make([]float32, len(c.b))
			w, b := long(c.w), long(c.b)
			wantW, wantB := make([]float64, len(w)), make([]float64, len(b))
			f := func() float64 { return c.loss(w, b) }
			for i := range w {
				wantW[i] = slope(f, w, i)
			}
			for i := range b {
				wantB[i] = slope(f, b, i)
			}
			for range 3 { // the graph is reused; gradients are overwritten, not added up
				loss, err := h.LossGrad(c.x, c.targets, c.weights, c.w, c.b, gradW, gradB)
				if err != nil {
					t.Fatal(err)
				}
				if want := f(); !(math.Abs(loss-want) <= 1e-5*math.Abs(want)) {
					t.Errorf("loss: got %v, want %v", loss, want)
				}
				// Central differences keep about 1e-9, float32 sums 1e-6.
				nntest.Near(t, "gradient by w", gradW, wantW, nntest.Tolerance{Rel: 1e-5})
				nntest.Near(t, "gradient by b", gradB, wantB, nntest.Tolerance{Rel: 1e-5})
			}
		})
	}
}

// TestBinaryHeadGraph holds the graph of sigmoids to central differences.
func TestBinaryHeadGraph(t *testing.T) {
	for i, s := range [][3]int{{1, 1, 1}, {5, 7, 3}, {67, 35, 6}} {
		c := newHeadCase(uint64(70+i), s[0], s[1], s[2])
		weights := make([]float32, c.n*c.k)
		for i := range weights {
			weights[i] = 0.5 + float32(i%3)
		}
		h, err := nn.NewBinaryHeadGraph(c.n, c.f, c.k)
		if err != nil {
			t.Fatal(err)
		}
		gradW, gradB := make([]float32, len(c.w)), make([]float32, len(c.b))
		w, b := long(c.w), long(c.b)
		f := func() float64 {
			logits := make([]float64, c.n*c.k)
			ref.Dense(logits, long(c.x), c.n, ref.Layer[float64]{W: w, B: b, F: c.f})
			return ref.BinaryCrossEntropy(logits, long(c.targets), long(weights))
		}
		wantW, wantB := make([]float64, len(w)), make([]float64, len(b))
		for i := range w {
			wantW[i] = slope(f, w, i)
		}
		for i := range b {
			wantB[i] = slope(f, b, i)
		}
		loss, err := h.LossGrad(c.x, c.targets, weights, c.w, c.b, gradW, gradB)
		if err != nil {
			t.Fatal(err)
		}
		if want := f(); !(math.Abs(loss-want) <= 1e-5*math.Abs(want)) {
			t.Errorf("%v: loss: got %v, want %v", s, loss, want)
		}
		nntest.Near(t, "gradient by w", gradW, wantW, nntest.Tolerance{Rel: 1e-5})
		nntest.Near(t, "gradient by b", gradB, wantB, nntest.Tolerance{Rel: 1e-5})
		if _, err := h.LossGrad(c.x, c.targets, c.weights, c.w, c.b, gradW, gradB); err == nil && c.k > 1 {
			t.Errorf("%v: weights of rows instead of places: no error", s)
		}
	}
}

// TestHeadGraphLargeLogits checks what Gorgonia's own softmax gets wrong: rows
// of very different size, and logits beyond what exp can take.
func TestHeadGraphLargeLogits(t *testing.T) {
	h, err := nn.NewHeadGraph(3, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	gradW, gradB := make([]float32, 2), make([]float32, 2)
	loss, err := h.LossGrad([]float32{1000, -1000, 0}, []float32{1, 0, 1, 0, 0, 1}, []float32{1, 1, 1}, []float32{1, -1},
		[]float32{0, 0}, gradW, gradB)
	if err != nil {
		t.Fatal(err)
	}
	// Rows: logits 1000,-1000 with the right label: 0. -1000,1000, wrong: 2000. 0,0: log 2.
	if want := 2000 + math.Ln2; !(math.Abs(loss-want) <= 1e-9*want) {
		t.Errorf("loss: got %v, want %v", loss, want)
	}
	nntest.Near(t, "gradient by w", gradW, []float64{1000, -1000}, nntest.Float32)
	nntest.Near(t, "gradient by b", gradB, []float64{-0.5, 0.5}, nntest.Float32)
}

func TestHeadGraphFillsUp(t *testing.T) {
	c := newHeadCase(3, 9, 5, 4)
	run := func(c headCase) (float64, []float32) {
		h, err := nn.NewHeadGraph(c.n, c.f, c.k)
		if err != nil {
			t.Fatal(err)
		}
		grad := make([]float32, c.k*c.f+c.k)
		loss, err := h.LossGrad(c.x, c.targets, c.weights, c.w, c.b, grad[:c.k*c.f], grad[c.k*c.f:])
		if err != nil {
			t.Fatal(err)
		}
		return loss, grad
	}
	loss, grad := run(c)
	more := c
	more.n += 4
	more.x = append(append([]float32(nil), c.x...), make([]float32, 4*c.f)...)
	more.targets = append(append([]float32(nil), c.targets...), make([]float32, 4*c.k)...)
	more.weights = append(append([]float32(nil), c.weights...), 0, 0, 0, 0)
	loss2, grad2 := run(more)
	if loss != loss2 {
		t.Errorf("loss with examples of weight 0: got %v, want %v", loss2, loss)
	}
	nntest.Near(t, "gradient with examples of weight 0", grad2, long(grad), nntest.Float32)
}

func TestHeadGraphErrors(t *testing.T) {
	for _, s := range [][3]int{{0, 2, 3}, {2, 0, 3}, {2, 3, 0}, {-1, 2, 3}, {math.MaxInt, math.MaxInt, 2}} {
		if _, err := nn.NewHeadGraph(s[0], s[1], s[2]); err == nil {
			t.Errorf("NewHeadGraph%v: no error", s)
		}
	}
	c := newHeadCase(1, 4, 3, 2)
	h, err := nn.NewHeadGraph(c.n, c.f, c.k)
	if err != nil {
		t.Fatal(err)
	}
	gradW, gradB := make([]float32, len(c.w)), make([]float32, len(c.b))
	args := [][]float32{c.x, c.targets, c.weights, c.w, c.b, gradW, gradB}
	for i := range args {
		bad := append([][]float32(nil), args...)
		bad[i] = bad[i][1:]
		if _, err := h.LossGrad(bad[0], bad[1], bad[2], bad[3], bad[4], bad[5], bad[6]); err == nil {
			t.Errorf("argument %d too short: no error", i)
		}
	}
	if _, err := h.LossGrad(c.x, c.targets, c.weights, c.w, c.b, gradW, gradB); err != nil {
		t.Errorf("after errors: %v", err)
	}
}

func TestHeadGraphConcurrent(t *testing.T) {
	c := newHeadCase(2, 17, 6, 5)
	shared, err := nn.NewHeadGraph(c.n, c.f, c.k)
	if err != nil {
		t.Fatal(err)
	}
	want := c.loss(long(c.w), long(c.b))
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			h := shared
			if i%2 == 1 { // and graphs of their own beside it
				var err error
				if h, err = nn.NewHeadGraph(c.n, c.f, c.k); err != nil {
					t.Error(err)
					return
				}
			}
			gradW, gradB := make([]float32, len(c.w)), make([]float32, len(c.b))
			for range 5 {
				loss, err := h.LossGrad(c.x, c.targets, c.weights, c.w, c.b, gradW, gradB)
				if err != nil {
					t.Error(err)
				} else if !(math.Abs(loss-want) <= 1e-5*want) {
					t.Errorf("loss: got %v, want %v", loss, want)
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkHeadGraph is one pass of loss and gradient over 1,024 examples of
// 2,048 features and 257 classes: a thirtieth of Caltech-256.
func BenchmarkHeadGraph(b *testing.B) {
	c := newHeadCase(1, 1024, 2048, 257)
	h, err := nn.NewHeadGraph(c.n, c.f, c.k)
	if err != nil {
		b.Fatal(err)
	}
	gradW, gradB := make([]float32, len(c.w)), make([]float32, len(c.b))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.LossGrad(c.x, c.targets, c.weights, c.w, c.b, gradW, gradB); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(c.n)*float64(b.N)/b.Elapsed().Seconds(), "examples/s")
}
