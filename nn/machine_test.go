package nn

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"gorgonia.org/gorgonia"
)

// twice is a graph that computes x, and 2x+1 clamped at zero.
func twice(t *testing.T) (x, y *Node) {
	t.Helper()
	g := NewGraph()
	x = input(t, g, "x", 1, 1, 1, 3)
	one := func(name string, v float32) *Node { return param(t, g, name, []float32{v}, 1) }
	n := apply(t, &BatchNorm{Name: "norm"}, x, one("gamma", 2), one("beta", 1), one("mean", 0), one("variance", 1))
	return x, apply(t, &ReLU{Name: "relu"}, n)
}

func TestMachine(t *testing.T) {
	x, y := twice(t)
	m, err := NewMachine(y, x)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 { // stale results would show
		v := float32(i)
		first, err := m.Run(map[string][]float32{"x": {v, -v - 1, 3}})
		if err != nil {
			t.Fatal(err)
		}
		if want := []float32{2*v + 1, 0, 7}; !slices.Equal(first[0], want) ||
			!slices.Equal(first[1], []float32{v, -v - 1, 3}) {
			t.Fatalf("run %d: got %v, want %v", i, first, want)
		}
		for name, feeds := range map[string]map[string][]float32{
			"none":    {},
			"short":   {"x": {1, 2}},
			"long":    {"x": {1, 2, 3, 4}},
			"unknown": {"x": {1, 2, 3}, "z": {1}},
			"param":   {"x": {1, 2, 3}, "gamma": {1}},
		} {
			if _, err := m.Run(feeds); err == nil || !strings.Contains(err.Error(), "x") {
				t.Errorf("feeds %s: got %v, want an error that names x", name, err)
			}
		}
		if want := []float32{2*v + 1, 0, 7}; !slices.Equal(first[0], want) {
			t.Errorf("a later run changed an earlier result: got %v, want %v", first[0], want)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	if _, err := m.Run(map[string][]float32{"x": {1, 2, 3}}); err == nil {
		t.Error("a closed machine runs")
	}
}

// fuse is an operator that fails as long as it is lit.
type fuse struct {
	ReLU
	lit *bool
}

func (f *fuse) compute(dst []float32, in []view) {
	if *f.lit {
		panic("out of cheese")
	}
	f.ReLU.compute(dst, in)
}

// TestMachineAfterError runs again after a run that failed in the middle.
func TestMachineAfterError(t *testing.T) {
	_, y := twice(t)
	lit := true
	m, err := NewMachine(apply(t, &ReLU{Name: "last"}, apply(t, &fuse{lit: &lit}, y)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Run(map[string][]float32{"x": {1, 2, 3}}); err == nil ||
		!strings.Contains(err.Error(), "out of cheese") {
		t.Fatalf("got %v, want the operator's panic as an error", err)
	}
	lit = false
	got, err := m.Run(map[string][]float32{"x": {4, 5, 6}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []float32{9, 11, 13}; !slices.Equal(got[0], want) {
		t.Errorf("got %v, want %v", got[0], want)
	}
}

func TestMachineErrors(t *testing.T) {
	x, y := twice(t)
	x2, _ := twice(t)
	g := NewGraph()
	constant := apply(t, &ReLU{}, param(t, g, "p", []float32{1}, 1, 1, 1, 1))
	for name, outputs := range map[string][]*Node{
		"none": nil, "nil": {nil}, "two graphs": {x, x2, y}, "no input": {constant},
	} {
		if _, err := NewMachine(outputs...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestMachinesSideBySide runs several machines of one graph at once.
func TestMachinesSideBySide(t *testing.T) {
	_, y := twice(t)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			m, err := NewMachine(y)
			if err != nil {
				t.Error(err)
				return
			}
			for j := range 30 {
				v := float32(100*i + j)
				got, err := m.Run(map[string][]float32{"x": {v, v, v}})
				if err != nil {
					t.Error(err)
					return
				}
				if want := []float32{2*v + 1, 2*v + 1, 2*v + 1}; !slices.Equal(got[0], want) {
					t.Errorf("machine %d, run %d: got %v, want %v", i, j, got[0], want)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestMachineForeign runs operators of Gorgonia's own and a gradient.
func TestMachineForeign(t *testing.T) {
	g := NewGraph()
	x, w, b := input(t, g, "x", 2, 3), input(t, g, "w", 1, 3), input(t, g, "b", 1)
	sum, err := gorgonia.Sum(apply(t, &Dense{}, x, w, b))
	if err != nil {
		t.Fatal(err)
	}
	grads, err := gorgonia.Grad(sum, w)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMachine(sum, grads[0])
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Run(map[string][]float32{"x": {1, 2, 3, 4, 5, 6}, "w": {1, 1, 2}, "b": {10}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got[0], []float32{50}) || !slices.Equal(got[1], []float32{5, 7, 9}) {
		t.Errorf("got %v, want [50] and [5 7 9]", got)
	}
}
