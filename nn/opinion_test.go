package nn

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// These tests ask Gorgonia's own operators for a second opinion where they are
// known to be right: Conv2d and MaxPool2D with the same padding on both sides
// of an axis, BatchNorm in evaluation, Concat, Rectify.

// opinion compares ours with Gorgonia's result for the same leaves.
func opinion(t *testing.T, x []float32, g *Graph, ours, theirs *Node) {
	t.Helper()
	m, err := NewMachine(ours)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Run(map[string][]float32{"x": x})
	if err != nil {
		t.Fatal(err)
	}
	leaf := g.ByName("x")[0]
	if err := gorgonia.Let(leaf, tensor.New(tensor.WithShape(leaf.Shape()...),
		tensor.WithBacking(slices.Clone(x)))); err != nil {
		t.Fatal(err)
	}
	var value gorgonia.Value
	gorgonia.Read(theirs, &value)
	vm := gorgonia.NewTapeMachine(g, gorgonia.EvalMode())
	defer func() {
		if err := vm.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	want := value.Data().([]float32)
	if !slices.Equal(ours.Shape(), theirs.Shape()) || len(got[0]) != len(want) {
		t.Fatalf("shape: got %v, want %v", ours.Shape(), theirs.Shape())
	}
	for i, w := range want {
		// Both are float32; theirs sums in float32.
		if !(math.Abs(float64(got[0][i]-w)) <= 1e-5*(1+math.Abs(float64(w)))) {
			t.Fatalf("value %d: got %v, Gorgonia has %v", i, got[0][i], w)
		}
	}
}

func normal(seed uint64, n int) []float32 {
	rng := rand.New(rand.NewPCG(seed, 3))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func TestSecondOpinionConv(t *testing.T) {
	for i, c := range []struct {
		x, w   []int
		stride [2]int
		pad    [2]int // rows, columns
	}{
		{[]int{2, 3, 11, 8}, []int{5, 3, 3, 2}, [2]int{1, 1}, [2]int{0, 0}},
		{[]int{1, 4, 9, 13}, []int{6, 4, 3, 5}, [2]int{2, 3}, [2]int{1, 2}},
		{[]int{1, 2, 7, 12}, []int{3, 2, 1, 7}, [2]int{1, 1}, [2]int{0, 3}},
	} {
		g := NewGraph()
		x := input(t, g, "x", c.x...)
		w := param(t, g, "w", normal(uint64(i), tensor.Shape(c.w).TotalSize()), c.w...)
		ours := apply(t, &Conv2D{Stride: c.stride, Padding: Padding{c.pad[0], c.pad[0], c.pad[1], c.pad[1]}}, x, w)
		theirs, err := gorgonia.Conv2d(x, w, c.w[2:], c.pad[:], c.stride[:], []int{1, 1})
		if err != nil {
			t.Fatal(err)
		}
		opinion(t, normal(9, tensor.Shape(c.x).TotalSize()), g, ours, theirs)
	}
}

func TestSecondOpinionMaxPool(t *testing.T) {
	g := NewGraph()
	x := input(t, g, "x", 2, 3, 11, 8)
	ours := apply(t, &MaxPool{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Padding: Padding{1, 1, 1, 1}}, x)
	theirs, err := gorgonia.MaxPool2D(x, tensor.Shape{3, 3}, []int{1, 1}, []int{2, 2})
	if err != nil {
		t.Fatal(err)
	}
	opinion(t, normal(1, 2*3*11*8), g, ours, theirs)
}

func TestSecondOpinionConcatReLU(t *testing.T) {
	g := NewGraph()
	x := input(t, g, "x", 2, 3, 5, 4)
	p := param(t, g, "p", normal(2, 2*6*5*4), 2, 6, 5, 4)
	ours := apply(t, &ReLU{}, apply(t, &Concat{}, x, p))
	theirs, err := gorgonia.Concat(1, x, p)
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err = gorgonia.Rectify(theirs); err != nil {
		t.Fatal(err)
	}
	opinion(t, normal(3, 2*3*5*4), g, ours, theirs)
}

func TestSecondOpinionBatchNorm(t *testing.T) {
	g := NewGraph()
	x := input(t, g, "x", 2, 3, 5, 4)
	gamma, beta := normal(4, 3), normal(5, 3)
	mean, variance := []float32{0.5, -1, 2}, []float32{0.25, 1, 3}
	spread := func(v []float32) []float32 { // Gorgonia wants them in the input's shape
		y := make([]float32, 2*3*5*4)
		for i := range y {
			y[i] = v[i/20%3]
		}
		return y
	}
	const eps = 1e-3
	theirs, _, _, op, err := gorgonia.BatchNorm(x, param(t, g, "wide", spread(gamma), 2, 3, 5, 4),
		param(t, g, "shift", spread(beta), 2, 3, 5, 4), 0.9, eps)
	if err != nil {
		t.Fatal(err)
	}
	vector := func(v []float32) tensor.Tensor {
		return tensor.New(tensor.WithShape(3), tensor.WithBacking(slices.Clone(v)))
	}
	if err := op.SetStats(vector(mean), vector(variance)); err != nil {
		t.Fatal(err)
	}
	ours := apply(t, &BatchNorm{Eps: eps}, x, param(t, g, "gamma", gamma, 3), param(t, g, "beta", beta, 3),
		param(t, g, "mean", mean, 3), param(t, g, "variance", variance, 3))
	opinion(t, normal(6, 2*3*5*4), g, ours, theirs)
}
