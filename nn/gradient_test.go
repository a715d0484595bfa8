package nn_test

import (
	"fmt"
	"testing"

	"gorgonia.org/gorgonia"

	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/internal/nntest"
	"github.com/c236555e/rehead/nn/internal/ref"
)

// gradient compares gorgonia.Grad of build's loss, run on the tape machine in
// float32, with central differences of loss in float64, by every leaf in wrt.
func gradient(t *testing.T, leaves map[string][]float32, shapes map[string][]int, wrt []string,
	build func(leaf map[string]*nn.Node) (*nn.Node, error), loss func(leaf map[string][]float64) float64) {
	t.Helper()
	g := nn.NewGraph()
	nodes, values := map[string]*nn.Node{}, map[string][]float64{}
	for name, data := range leaves {
		n, err := nn.Input(g, name, shapes[name]...)
		if err != nil {
			t.Fatal(err)
		}
		nodes[name], values[name] = n, long(data)
	}
	cost, err := build(nodes)
	if err != nil {
		t.Fatal(err)
	}
	var by []*nn.Node
	for _, name := range wrt {
		by = append(by, nodes[name])
	}
	grads, err := gorgonia.Grad(cost, by...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := nn.NewMachine(append([]*nn.Node{cost}, grads...)...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Run(leaves)
	if err != nil {
		t.Fatal(err)
	}
	f := func() float64 { return loss(values) }
	nntest.Near(t, "loss", got[0], []float64{f()}, nntest.Tolerance{Rel: 1e-5})
	for i, name := range wrt {
		want := make([]float64, len(leaves[name]))
		for j := range want {
			want[j] = slope(f, values[name], j)
		}
		nntest.Near(t, "gradient by "+name, got[i+1], want, nntest.Tolerance{Rel: 1e-5})
	}
}

// twoLayers is a case with Dense, and a Dense of 6 outputs on top of it.
type twoLayers struct {
	n, k   int
	leaves map[string][]float32
	shapes map[string][]int
}

func newTwoLayers(i int, s [3]int) twoLayers {
	c := newHeadCase(uint64(40+i), s[0], s[1], s[2])
	h := newHeadCase(uint64(50+i), s[0], s[2], 6)
	c.weights[0] = 1.25 // the one row of the smallest case has to count
	return twoLayers{c.n, c.k,
		map[string][]float32{"x": c.x, "w": c.w, "b": c.b, "w2": h.w, "b2": h.b, "targets": h.targets, "weights": c.weights},
		map[string][]int{"x": {c.n, c.f}, "w": {c.k, c.f}, "b": {c.k}, "w2": {6, c.k}, "b2": {6}, "targets": {c.n, 6},
			"weights": {c.n}},
	}
}

// logits is the graph of both layers.
func (c twoLayers) logits(v map[string]*nn.Node) (*nn.Node, error) {
	y, err := nn.Apply(&nn.Dense{Name: "first"}, v["x"], v["w"], v["b"])
	if err != nil {
		return nil, err
	}
	return nn.Apply(&nn.Dense{Name: "second"}, y, v["w2"], v["b2"])
}

// forward is the reference of logits.
func (c twoLayers) forward(v map[string][]float64) []float64 {
	y, z := make([]float64, c.n*c.k), make([]float64, c.n*6)
	ref.Dense(y, v["x"], c.n, ref.Layer[float64]{W: v["w"], B: v["b"], F: len(v["x"]) / c.n})
	ref.Dense(z, y, c.n, ref.Layer[float64]{W: v["w2"], B: v["b2"], F: c.k})
	return z
}

// loss compares the gradients of op on both layers with reference.
func (c twoLayers) loss(t *testing.T, op nn.Op, reference func(z, targets, weights []float64) float64) {
	gradient(t, c.leaves, c.shapes, []string{"x", "w", "b", "w2", "b2"},
		func(v map[string]*nn.Node) (*nn.Node, error) {
			z, err := c.logits(v)
			if err != nil {
				return nil, err
			}
			return nn.Apply(op, z, v["targets"], v["weights"])
		},
		func(v map[string][]float64) float64 { return reference(c.forward(v), v["targets"], v["weights"]) })
}

// softmax compares the gradients of Softmax and a weighted sum.
func (c twoLayers) softmax(t *testing.T) {
	delete(c.leaves, "weights")
	gradient(t, c.leaves, c.shapes, []string{"x", "w", "b", "w2", "b2"},
		func(v map[string]*nn.Node) (*nn.Node, error) {
			z, err := c.logits(v)
			if err != nil {
				return nil, err
			}
			p, err := nn.Apply(&nn.Softmax{Name: "softmax"}, z)
			if err != nil {
				return nil, err
			}
			if p, err = gorgonia.HadamardProd(p, v["targets"]); err != nil {
				return nil, err
			}
			return gorgonia.Sum(p)
		},
		func(v map[string][]float64) float64 {
			p := c.forward(v)
			ref.Softmax(p, p, 6)
			sum := 0.0
			for i, t := range v["targets"] {
				sum += p[i] * t
			}
			return sum
		})
}

// TestGradients goes through two layers and each head: CrossEntropy or BinaryCrossEntropy of the
// logits, or Softmax and a weighted sum.
func TestGradients(t *testing.T) {
	for i, s := range [][3]int{{1, 2, 3}, {5, 7, 3}, {4, 3, 9}} {
		t.Run(fmt.Sprint("cross entropy ", s), func(t *testing.T) {
			newTwoLayers(i, s).loss(t, &nn.CrossEntropy{Name: "loss"},
				func(z, targets, weights []float64) float64 { return ref.CrossEntropy(z, targets, weights, 6) })
		})
		t.Run(fmt.Sprint("binary cross entropy ", s), func(t *testing.T) {
			c := newTwoLayers(i, s)
			each := make([]float32, c.n*6)
			for i := range each {
				each[i] = 0.25 * float32(i%7) // some of them 0
			}
			c.leaves["weights"], c.shapes["weights"] = each, []int{c.n, 6}
			c.loss(t, &nn.BinaryCrossEntropy{Name: "loss"}, ref.BinaryCrossEntropy[float64])
		})
		t.Run(fmt.Sprint("softmax ", s), func(t *testing.T) { newTwoLayers(i, s).softmax(t) })
	}
}

// TestFrozenUnderCost differentiates a cost that stands on frozen operators:
// the gradient ends there.
func TestFrozenUnderCost(t *testing.T) {
	g := nn.NewGraph()
	x, err := nn.Input(g, "x", 2, 3, 5, 4)
	if err != nil {
		t.Fatal(err)
	}
	mean, err := nn.Apply(&nn.Moments{Name: "moments"}, x)
	if err != nil {
		t.Fatal(err)
	}
	w, err := nn.Input(g, "w", 2, 3*nn.MomentRuns)
	if err != nil {
		t.Fatal(err)
	}
	b, err := nn.Input(g, "b", 2)
	if err != nil {
		t.Fatal(err)
	}
	y, err := nn.Apply(&nn.Dense{Name: "dense"}, mean, w, b)
	if err != nil {
		t.Fatal(err)
	}
	cost, err := gorgonia.Sum(y)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gorgonia.Grad(cost, w, b); err != nil {
		t.Errorf("by the weights: %v", err)
	}
	if _, err := gorgonia.Grad(cost, x); err == nil {
		t.Error("by the image, behind a frozen operator: no error")
	}
}
