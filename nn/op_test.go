package nn

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func input(t *testing.T, g *Graph, name string, shape ...int) *Node {
	t.Helper()
	n, err := Input(g, name, shape...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func param(t *testing.T, g *Graph, name string, data []float32, shape ...int) *Node {
	t.Helper()
	n, err := Param(g, name, data, shape...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func apply(t *testing.T, op Op, in ...*Node) *Node {
	t.Helper()
	n, err := Apply(op, in...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestShapes lists, for each operator, what it makes of its arguments' shapes:
// a shape, or an error that says what.
func TestShapes(t *testing.T) {
	four := Padding{1, 2, 0, 3}
	for _, c := range []struct {
		name string
		op   Op
		in   [][]int
		want []int
		err  string // part of the message; empty: none
	}{
		{"conv", &Conv2D{}, [][]int{{2, 3, 9, 7}, {5, 3, 4, 2}}, []int{2, 5, 6, 6}, ""},
		{"conv, padded, with bias", &Conv2D{Stride: [2]int{2, 3}, Padding: four}, [][]int{{2, 3, 9, 7}, {5, 3, 4, 2}, {5}},
			[]int{2, 5, 5, 3}, ""},
		{"conv, just fits", &Conv2D{Padding: four}, [][]int{{1, 3, 1, 4}, {5, 3, 4, 7}}, []int{1, 5, 1, 1}, ""},
		{"conv, image too small", &Conv2D{Padding: four}, [][]int{{1, 3, 1, 4}, {5, 3, 5, 7}}, nil,
			"input: got (1, 3, 1, 4), want at least 2x4 pixels"},
		{"conv, channels", &Conv2D{}, [][]int{{2, 3, 9, 7}, {5, 4, 4, 2}}, nil, "weight: got (5, 4, 4, 2), want [O 3 KH KW]"},
		{"conv, bias", &Conv2D{}, [][]int{{2, 3, 9, 7}, {5, 3, 4, 2}, {3}}, nil, "bias: got (3), want [5]"},
		{"conv, axes", &Conv2D{}, [][]int{{2, 3, 9}, {5, 3, 4, 2}}, nil, "argument 0: got (2, 3, 9), want 4 axes"},
		{"conv, arguments", &Conv2D{}, [][]int{{2, 3, 9, 7}}, nil, "number of arguments: got 1"},
		{"conv, negative padding", &Conv2D{Padding: Padding{Left: -1}}, [][]int{{2, 3, 9, 7}, {5, 3, 4, 2}}, nil, "padding"},
		{"conv, huge padding", &Conv2D{Padding: Padding{Left: math.MaxInt}}, [][]int{{2, 3, 9, 7}, {5, 3, 4, 2}}, nil,
			"padding"},
		{"conv, negative stride", &Conv2D{Stride: [2]int{1, -1}}, [][]int{{2, 3, 9, 7}, {5, 3, 4, 2}}, nil, "stride"},
		{"batchnorm", &BatchNorm{}, [][]int{{2, 3, 9, 7}, {3}, {3}, {3}, {3}}, []int{2, 3, 9, 7}, ""},
		{"batchnorm, variance", &BatchNorm{}, [][]int{{2, 3, 9, 7}, {3}, {3}, {3}, {2}}, nil, "variance: got (2), want [3]"},
		{"batchnorm, arguments", &BatchNorm{}, [][]int{{2, 3, 9, 7}, {3}, {3}, {3}}, nil, "number of arguments: got 4"},
		{"relu", &ReLU{}, [][]int{{2, 3, 9, 7}}, []int{2, 3, 9, 7}, ""},
		{"relu of vectors", &ReLU{}, [][]int{{2, 3}}, []int{2, 3}, ""},
		{"activation", &Activation{Function: ELU, Alpha: 2}, [][]int{{2, 3, 9}}, []int{2, 3, 9}, ""},
		{"activation, function", &Activation{Function: "mish"}, [][]int{{2, 3}}, nil, "function"},
		{"activation, alpha", &Activation{Function: Tanh, Alpha: 2}, [][]int{{2, 3}}, nil, "Alpha"},
		{"add", &Add{}, [][]int{{2, 3}, {2, 3}, {2, 3}}, []int{2, 3}, ""},
		{"add of one", &Add{}, [][]int{{2, 3}}, nil, "number of arguments: got 1"},
		{"add, shapes", &Add{}, [][]int{{2, 3}, {3, 2}}, nil, "argument 1"},
		{"norm in training", &BatchNormTraining{}, [][]int{{2, 3, 9, 7}, {3}, {3}}, []int{2, 3, 9, 7}, ""},
		{"norm in training, beta", &BatchNormTraining{}, [][]int{{2, 3, 9, 7}, {3}, {2}}, nil, "beta: got (2), want [3]"},
		{"norm in training, eps", &BatchNormTraining{Eps: math.NaN()}, [][]int{{2, 3, 9, 7}, {3}, {3}}, nil, "Eps"},
		{"norm in training, momentum", &BatchNormTraining{Running: &Running{Momentum: 2}},
			[][]int{{2, 3, 9, 7}, {3}, {3}}, nil, "Momentum: got 2"},
		{"norm in training, another's statistics",
			&BatchNormTraining{Running: &Running{Mean: make([]float32, 2), Batches: 1}}, [][]int{{2, 3, 9, 7}, {3}, {3}}, nil,
			"Running: got 2 means, 0 variances, want 3"},
		{"flatten", &Flatten{}, [][]int{{2, 3, 9, 7}}, []int{2, 189}, ""},
		{"dropout, rate", &Dropout{Rate: 1}, [][]int{{2, 3}, {2, 3}}, nil, "Rate"},
		{"conv, groups", &Conv2D{Groups: 2}, [][]int{{2, 4, 9, 7}, {6, 2, 3, 3}}, []int{2, 6, 7, 5}, ""},
		{"conv, groups that do not divide", &Conv2D{Groups: 3}, [][]int{{2, 4, 9, 7}, {6, 2, 3, 3}}, nil, "Groups"},
		{"conv, dilation", &Conv2D{Dilation: [2]int{2, 3}}, [][]int{{2, 4, 9, 7}, {6, 4, 3, 2}}, []int{2, 6, 5, 4}, ""},
		{"conv, negative dilation", &Conv2D{Dilation: [2]int{-1, 1}}, [][]int{{2, 4, 9, 7}, {6, 4, 3, 2}}, nil, "Dilation"},
		{"maxpool", &MaxPool{Kernel: [2]int{3, 2}, Stride: [2]int{2, 1}, Padding: Padding{2, 1, 1, 0}}, [][]int{{2, 3, 9, 7}},
			[]int{2, 3, 5, 7}, ""},
		{"maxpool, no kernel", &MaxPool{}, [][]int{{2, 3, 9, 7}}, nil, "kernel"},
		{"maxpool, padding", &MaxPool{Kernel: [2]int{3, 2}, Padding: Padding{Left: 2}}, [][]int{{2, 3, 9, 7}}, nil,
			"padding"},
		{"avgpool", &AvgPool{Kernel: [2]int{3, 2}, Padding: Padding{0, 2, 1, 0}}, [][]int{{2, 3, 9, 7}},
			[]int{2, 3, 9, 7}, ""},
		{"avgpool, too small", &AvgPool{Kernel: [2]int{3, 2}}, [][]int{{2, 3, 2, 7}}, nil, "input"},
		{"avgpool, padding", &AvgPool{Kernel: [2]int{3, 2}, Padding: Padding{Top: 3}}, [][]int{{2, 3, 9, 7}}, nil, "padding"},
		{"concat", &Concat{}, [][]int{{2, 3, 9, 7}, {2, 1, 9, 7}, {2, 5, 9, 7}}, []int{2, 9, 9, 7}, ""},
		{"concat of one", &Concat{}, [][]int{{2, 3, 9, 7}}, []int{2, 3, 9, 7}, ""},
		{"concat, height", &Concat{}, [][]int{{2, 3, 9, 7}, {2, 3, 8, 7}}, nil,
			"argument 1: got (2, 3, 8, 7), want [2 C 9 7]"},
		{"concat, batch", &Concat{}, [][]int{{2, 3, 9, 7}, {1, 3, 9, 7}}, nil, "argument 1"},
		{"globalavgpool", &GlobalAvgPool{}, [][]int{{2, 3, 9, 7}}, []int{2, 3}, ""},
		{"moments", &Moments{}, [][]int{{2, 3, 9, 7}}, []int{2, 18}, ""},
		{"moments, axes", &Moments{}, [][]int{{2, 3}}, nil, "argument 0"},
		{"dense", &Dense{}, [][]int{{2, 5}, {7, 5}, {7}}, []int{2, 7}, ""},
		{"dense, features", &Dense{}, [][]int{{2, 5}, {7, 6}, {7}}, nil, "weight: got (7, 6), want [K 5]"},
		{"dense, bias", &Dense{}, [][]int{{2, 5}, {7, 5}, {5}}, nil, "bias: got (5), want [7]"},
		{"softmax", &Softmax{}, [][]int{{2, 5}}, []int{2, 5}, ""},
		{"softmax, axes", &Softmax{}, [][]int{{5}}, nil, "argument 0"},
		{"crossentropy", &CrossEntropy{}, [][]int{{2, 5}, {2, 5}, {2}}, []int{}, ""},
		{"crossentropy, targets", &CrossEntropy{}, [][]int{{2, 5}, {2, 4}, {2}}, nil, "targets: got (2, 4), want (2, 5)"},
		{"crossentropy, weights", &CrossEntropy{}, [][]int{{2, 5}, {2, 5}, {5}}, nil, "weights: got (5), want [2]"},
		{"binary crossentropy", &BinaryCrossEntropy{}, [][]int{{2, 5}, {2, 5}, {2, 5}}, []int{}, ""},
		{"binary crossentropy, targets", &BinaryCrossEntropy{}, [][]int{{2, 5}, {2, 4}, {2, 5}}, nil,
			"targets: got (2, 4), want (2, 5)"},
		{"binary crossentropy, weights", &BinaryCrossEntropy{}, [][]int{{2, 5}, {2, 5}, {3, 5}}, nil,
			"weights: got (3, 5), want (2, 5)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewGraph()
			var in []*Node
			for i, s := range c.in {
				in = append(in, input(t, g, fmt.Sprint("x", i), s...))
			}
			n, err := Apply(c.op, in...)
			if c.err == "" {
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(n.Shape(), c.want) {
					t.Fatalf("got %v, want %v", n.Shape(), c.want)
				}
				return
			}
			var shape *ShapeError
			if !errors.As(err, &shape) || !strings.Contains(err.Error(), c.err) || !strings.HasPrefix(err.Error(), "nn: ") {
				t.Fatalf("got %v, want a *ShapeError with %q", err, c.err)
			}
		})
	}
}

func TestLeaves(t *testing.T) {
	g := NewGraph()
	input(t, g, "x", 2, 3)
	for name, f := range map[string]func() (*Node, error){
		"no graph":        func() (*Node, error) { return Input(nil, "y", 1) },
		"no name":         func() (*Node, error) { return Input(g, "", 1) },
		"name taken":      func() (*Node, error) { return Param(g, "x", []float32{1}, 1) },
		"no axes":         func() (*Node, error) { return Input(g, "y") },
		"five axes":       func() (*Node, error) { return Input(g, "y", 1, 1, 1, 1, 1) },
		"empty axis":      func() (*Node, error) { return Input(g, "y", 2, 0) },
		"negative axis":   func() (*Node, error) { return Input(g, "y", 2, -3) },
		"overflow":        func() (*Node, error) { return Input(g, "y", math.MaxInt, math.MaxInt) },
		"no data":         func() (*Node, error) { return Param(g, "y", nil, 1) },
		"too little data": func() (*Node, error) { return Param(g, "y", make([]float32, 5), 2, 3) },
		"too much data":   func() (*Node, error) { return Param(g, "y", make([]float32, 7), 2, 3) },
	} {
		if n, err := f(); err == nil {
			t.Errorf("%s: got %v, want an error", name, n)
		}
	}
}

func TestApplyErrors(t *testing.T) {
	g, other := NewGraph(), NewGraph()
	x, y := input(t, g, "x", 1, 2, 3, 4), input(t, other, "y", 1, 2, 3, 4)
	for name, f := range map[string]func() (*Node, error){
		"no operator":  func() (*Node, error) { return Apply(nil, x) },
		"no arguments": func() (*Node, error) { return Apply(&ReLU{}) },
		"nil argument": func() (*Node, error) { return Apply(&Concat{}, x, nil) },
		"two graphs":   func() (*Node, error) { return Apply(&Concat{}, x, y) },
		"float64": func() (*Node, error) {
			return Apply(&ReLU{}, gorgonia.NewTensor(g, tensor.Float64, 4, gorgonia.WithName("z"),
				gorgonia.WithShape(1, 2, 3, 4)))
		},
	} {
		if n, err := f(); err == nil {
			t.Errorf("%s: got %v, want an error", name, n)
		}
	}
}

// TestOneLiteralManyTimes applies one operator to two nodes: each has to get a
// buffer of its own.
func TestOneLiteralManyTimes(t *testing.T) {
	g := NewGraph()
	x := input(t, g, "x", 1, 1, 1, 3)
	op := &ReLU{Name: "same"}
	a := apply(t, op, x)
	b := apply(t, op, apply(t, &BatchNorm{}, x,
		param(t, g, "gamma", []float32{-1}, 1), param(t, g, "beta", []float32{0}, 1),
		param(t, g, "mean", []float32{0}, 1), param(t, g, "variance", []float32{1}, 1)))
	m, err := NewMachine(a, b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Run(map[string][]float32{"x": {-1, 0, 2}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got[0], []float32{0, 0, 2}) || !slices.Equal(got[1], []float32{1, 0, 0}) {
		t.Errorf("got %v, want [0 0 2] and [1 0 0]", got)
	}
}

// TestOperatorContract holds every operator to what the tape machine needs.
func TestOperatorContract(t *testing.T) {
	for _, op := range []Op{
		&BatchNormTraining{}, &normGradX{}, &normGradGamma{}, &channelSums{}, &Conv2D{}, &BatchNorm{}, &ReLU{}, &MaxPool{}, &AvgPool{}, &GlobalAvgPool{}, &Moments{}, &Concat{}, &Dense{}, &Softmax{},
		&CrossEntropy{},
		&BinaryCrossEntropy{}, &denseGradX{}, &denseGradW{}, &denseGradB{}, &softmaxGrad{}, &crossEntropyGrad{},
		&binaryCrossEntropyGrad{},
	} {
		t.Run(op.signature().kind, func(t *testing.T) {
			a, b := &applied{op: op, args: 1}, &applied{op: op, args: 1}
			first := a.Hashcode()
			if first == b.Hashcode() {
				t.Error("two instances have one hash: the tape machine would merge them")
			}
			if first != a.Hashcode() {
				t.Error("the hash changes")
			}
			if a.OverwritesInput() != -1 {
				t.Error("the tape machine would hand the operator its input as its output")
			}
			if a.CallsExtern() {
				t.Error("the tape machine would allocate a buffer that nobody uses")
			}
			if len(a.DiffWRT(3)) == 0 {
				t.Error("DiffWRT is empty: Grad of a cost behind the operator would panic")
			}
			if _, ok := op.(differentiable); ok != slices.Contains(a.DiffWRT(3), true) {
				t.Error("the signature does not say which gradients there are")
			}
			for _, in := range [][]gorgonia.Value{nil, {nil}, {gorgonia.NewF64(1)},
				{tensor.New(tensor.Of(tensor.Float64), tensor.WithShape(1, 1, 1, 1))}} {
				if _, err := a.Do(in...); err == nil {
					t.Errorf("Do(%v): no error", in)
				}
			}
		})
	}
}

// bomb is an operator whose kernel panics.
type bomb struct{ ReLU }

func (b *bomb) compute([]float32, []view) { panic("out of cheese") }

func TestDoRecovers(t *testing.T) {
	x := tensor.New(tensor.WithShape(1, 1, 1, 2), tensor.WithBacking([]float32{1, 2}))
	_, err := (&applied{op: &bomb{}, args: 1}).Do(x)
	if err == nil || !strings.Contains(err.Error(), "out of cheese") {
		t.Fatalf("got %v, want the panic as an error", err)
	}
}

func TestDoChecksValues(t *testing.T) {
	x := tensor.New(tensor.WithShape(4, 3), tensor.WithBacking(make([]float32, 12)))
	part, err := x.Slice(nil, gorgonia.S(0, 2))
	if err != nil {
		t.Fatal(err)
	}
	op := &applied{op: &Softmax{Name: "s"}, args: 1}
	if _, err := op.Do(part.(*tensor.Dense)); err == nil || !strings.Contains(err.Error(), "gaps") {
		t.Errorf("a tensor with gaps: got %v, want an error that says so", err)
	}
}

// TestApplyCopies changes an operator after it was applied.
func TestApplyCopies(t *testing.T) {
	op := &Softmax{Name: "before"}
	n := apply(t, op, input(t, NewGraph(), "x", 4, 3))
	op.Name = "after"
	if got := OpOf(n).(*Softmax).Name; got != "before" {
		t.Errorf("the node's operator is called %q, want before", got)
	}
}
