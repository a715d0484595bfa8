package kernels

import (
	"fmt"
	"math"
	"testing"

	"github.com/c236555e/rehead/internal/safetensors"
)

// headShape is examples to try: rows, features, classes, and rows of a chunk.
type headShape struct{ n, f, k, rows int }

// headShapes end within a tile, a slice of rows and a chunk in every direction; some chunks are
// shorter than a slice.
var headShapes = []headShape{
	{1, 8, 2, 16},      // less than everything
	{37, 24, 5, 16},    // the last chunk is shorter than a slice
	{75, 72, 33, 30},   // a tile of features and a bit, more classes than a warp
	{20, 136, 65, 64},  // both tiles of features, a tile of classes and a bit, one chunk
	{50, 80, 130, 24},  // the large tile of classes
	{129, 16, 64, 128}, // classes fill the tile: the loss has lanes of its own
}

// example is what a headShape is tried with.
type example struct {
	headShape
	*gpu
	ld                   int // of logits and what comes of them
	x, u, bias           []float32
	label                []int32
	weight               []float32
	atX, atU, atBias     uint64
	atLabel, atWeight, d uint64
	on, off              float32
}

func (g *gpu) example(s headShape) *example {
	e := &example{headShape: s, gpu: g, ld: (s.k + Lanes) / Lanes * Lanes, on: 1}
	if s.n%2 == 1 {
		e.on, e.off = 0.9+0.1/float32(s.k), 0.1/float32(s.k) // smoothed
	}
	e.atX, e.x = g.numbers(s.n*s.f, 1)
	e.atU, e.u = g.numbers(s.n*e.ld, 4)
	e.u[0], e.u[(s.n-1)*e.ld] = 90, -90 // nearly certain, and hopeless
	e.write(e.atU, safetensors.PutFloat32(nil, e.u))
	e.atBias, e.bias = g.numbers(s.k, 1)
	e.bias[s.k-1] = -1e4 // a class that nobody has
	e.write(e.atBias, safetensors.PutFloat32(nil, e.bias))
	_, e.weight = g.numbers(s.n, 1)
	for i := range s.n {
		e.weight[i] = 0.5 + e.weight[i]*e.weight[i]
		e.label = append(e.label, int32(g.rng.IntN(s.k)))
	}
	e.label[0] = 0
	e.atLabel, e.atWeight = g.indices(e.label...), g.floats(e.weight)
	e.d = g.alloc(4 * s.n * e.ld)
	return e
}

// residual is what the kernel has to make of the logits, in float64: [n,ld].
func (e *example) residual(curvature bool) []float64 {
	all := make([]float64, e.n*e.ld)
	for i := range e.n {
		p, d, top, sum := make([]float64, e.k), all[i*e.ld:][:e.ld], math.Inf(-1), 0.0
		for j := range p {
			p[j] = float64(e.u[i*e.ld+j]) + float64(e.bias[j])
			top = max(top, p[j])
		}
		for _, v := range p {
			sum += math.Exp(v - top)
		}
		w, loss, rest := float64(e.weight[i]), 0.0, 0.0
		for j, v := range p {
			probability, target := math.Exp(v-top)/sum, float64(e.off)
			if j == int(e.label[i]) {
				target = float64(e.on)
			}
			loss -= w * target * (v - top - math.Log(sum))
			if d[j] = w * (probability - target); curvature {
				d[j] = math.Sqrt(w) * probability
			}
			if j != int(e.label[i]) {
				rest += d[j]
			}
		}
		if !curvature {
			d[e.label[i]], d[e.k] = -rest, loss
		}
	}
	return all
}

// tries runs the kernels of solving for a head on one shape and says what is wrong with what they give.
func (e *example) tries(tiles []Tile) error {
	const tolerance = 2e-6
	r := Residual{U: e.atU, Bias: e.atBias, Label: e.atLabel, Weight: e.atWeight, D: e.d, N: int32(e.n), K: int32(e.k),
		LD: int32(e.ld), On: e.on, Off: e.off, Curvature: 1}
	for _, curvature := range []bool{true, false} {
		if !curvature {
			r.Curvature = 0
		}
		if err := e.try(r.Launch()); err != nil {
			return err
		}
		if err := difference(e.download(e.d, e.n*e.ld), e.residual(curvature), tolerance); err != nil {
			return fmt.Errorf("residuals, curvature %t: %w", curvature, err)
		}
	}
	d := e.download(e.d, e.n*e.ld)
	// Columns and gradient are of what was found above, of which float64 sums are exact enough.
	chunks := (e.n + e.rows - 1) / e.rows
	sums, grads := make([]float64, chunks*e.ld), make([]float64, chunks*e.k*e.f)
	for i := range e.n {
		c := i / e.rows
		for j, v := range d[i*e.ld:][:e.ld] {
			sums[c*e.ld+j] += float64(v)
			for l, x := range e.x[i*e.f:][:e.f] {
				if j < e.k {
					grads[(c*e.k+j)*e.f+l] += float64(v) * float64(x)
				}
			}
		}
	}
	if err := e.triesColumns(chunks, sums); err != nil {
		return fmt.Errorf("columns: %w", err)
	}
	for _, t := range tiles {
		if err := e.triesGradient(t, chunks, grads); err != nil {
			return fmt.Errorf("%s: %w", t.Kernel, err)
		}
	}
	return nil
}

func (e *example) triesColumns(chunks int, want []float64) error {
	y := e.alloc(4 * chunks * 2 * e.ld)
	c := Columns{D: e.d, Y: y, N: int32(e.n), LD: int32(e.ld), Rows: int32(e.rows)}
	if err := e.try(c.Launch()); err != nil {
		return err
	}
	all := e.download(y, chunks*2*e.ld)
	for i, w := range want {
		at := i/e.ld*2*e.ld + i%e.ld
		if got := float64(all[at]) + float64(all[at+e.ld]); !(math.Abs(got-w) <= 1e-11*max(1, math.Abs(w))) {
			return fmt.Errorf("sum %d: got %v, want %v", i, got, w)
		}
	}
	return nil
}

// triesGradient makes the chunks' gradients in two groups, and folds them.
func (e *example) triesGradient(t Tile, chunks int, want []float64) error {
	one := e.k * e.f
	acc := e.alloc(4 * 2 * one)
	for first := 0; first < chunks; {
		some := min((chunks+1)/2, chunks-first)
		y := e.alloc(4 * some * one)
		g := Gradient{D: e.d, X: e.atX, Y: y, N: int32(e.n), K: int32(e.k), LDD: int32(e.ld), LDX: int32(e.f),
			Rows: int32(e.rows), First: int32(first)}
		if err := e.try(g.Launch(t, some)); err != nil {
			return err
		}
		if err := difference(e.download(y, some*one), want[first*one:][:some*one], 2e-6); err != nil {
			return err
		}
		f := Fold{X: y, Y: acc, N: int32(one), Chunks: int32(some)}
		if first == 0 {
			f.First = 1
		}
		if err := e.try(f.Launch()); err != nil {
			return err
		}
		first += some
	}
	total := make([]float64, one)
	for i, v := range want {
		total[i%one] += v
	}
	sum := e.download(acc, 2*one)
	for i := range one {
		if got := float64(sum[i]) + float64(sum[one+i]); !(math.Abs(got-total[i]) <= 1e-5*max(1, math.Abs(total[i]))) {
			return fmt.Errorf("the sum %d over all chunks: got %v, want %v", i, got, total[i])
		}
	}
	return nil
}

// TestHead holds what solving for a head takes to float64.
func TestHead(t *testing.T) {
	g := newGPU(t, Precisions()[0])
	for _, s := range headShapes {
		if err := g.example(s).tries(GradientTiles()); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// TestGradientSums holds the tiles to the same bits, whatever the chunks beside one.
func TestGradientSums(t *testing.T) {
	g := newGPU(t, Precisions()[0])
	e := g.example(headShape{45, 72, 66, 30})
	if err := g.try(Residual{U: e.atU, Bias: e.atBias, Label: e.atLabel, Weight: e.atWeight, D: e.d, N: 45, K: 66,
		LD: int32(e.ld), On: 1}.Launch()); err != nil {
		t.Fatal(err)
	}
	var first []byte
	for _, tile := range GradientTiles() {
		one := 4 * e.k * e.f
		y := g.alloc(2 * one)
		c := Gradient{D: e.d, X: e.atX, Y: y, N: 45, K: 66, LDD: int32(e.ld), LDX: 72, Rows: 30}
		g.run(c.Launch(tile, 2))
		both := append([]byte(nil), g.read(y, 2*one)...)
		c.First, c.Y = 1, g.alloc(one)
		g.run(c.Launch(tile, 1))
		if string(g.read(c.Y, one)) != string(both[one:]) {
			t.Errorf("%s: a chunk alone has other bits", tile.Kernel)
		}
		if first == nil {
			first = both
		}
		if string(both) != string(first) {
			t.Errorf("%s: got other bits than of the first tile", tile.Kernel)
		}
	}
}

// TestLogarithm holds a row's loss to float64 from nearly certain rows to hopeless ones.
func TestLogarithm(t *testing.T) {
	g := newGPU(t, Precisions()[0])
	const n, ld = 200, 8
	u, label := make([]float32, n*ld), make([]int32, n)
	for i := range n {
		u[i*ld] = float32(i-n/2) * 0.45
	}
	y := g.alloc(4 * n * ld)
	weight := make([]float32, n)
	for i := range weight {
		weight[i] = 1
	}
	g.run(Residual{U: g.floats(u), Bias: g.floats(make([]float32, 2)), Label: g.indices(label...), Weight: g.floats(weight),
		D: y, N: n, K: 2, LD: ld, On: 1}.Launch())
	got := g.download(y, n*ld)
	for i := range n {
		z := float64(u[i*ld])
		loss := math.Log1p(math.Exp(-math.Abs(z))) + max(0, -z)
		p := 1 / (1 + math.Exp(z)) // of the other class
		for at, want := range map[int]float64{2: loss, 1: p, 0: -p} {
			if v := float64(got[i*ld+at]); !(math.Abs(v-want) <= 4e-7*math.Abs(want)+1e-37) {
				t.Errorf("logit %v, column %d: got %v, want %v", z, at, v, want)
			}
		}
	}
}
