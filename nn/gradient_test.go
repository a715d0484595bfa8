package nn_test

import (
	"fmt"
	"maps"
	"testing"

	"gorgonia.org/gorgonia"

	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/internal/ref"
	"github.com/c236555e/rehead/nn/nntest"
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

// TestGradients goes through Dense, ReLU-free Dense on top of it, and either
// head: CrossEntropy of the logits, or Softmax and a weighted sum.
func TestGradients(t *testing.T) {
	for i, s := range [][3]int{{1, 2, 3}, {5, 7, 3}, {4, 3, 9}} {
		c := newHeadCase(uint64(40+i), s[0], s[1], s[2])
		h := newHeadCase(uint64(50+i), s[0], s[2], 6) // a second layer of 6 outputs
		leaves := map[string][]float32{"x": c.x, "w": c.w, "b": c.b, "w2": h.w, "b2": h.b, "targets": h.targets,
			"weights": c.weights}
		shapes := map[string][]int{"x": {c.n, c.f}, "w": {c.k, c.f}, "b": {c.k}, "w2": {6, c.k}, "b2": {6},
			"targets": {c.n, 6}, "weights": {c.n}}
		c.weights[0] = 1.25 // the one row of the smallest case has to count
		logits := func(v map[string]*nn.Node) (*nn.Node, error) {
			y, err := nn.Apply(&nn.Dense{Name: "first"}, v["x"], v["w"], v["b"])
			if err != nil {
				return nil, err
			}
			return nn.Apply(&nn.Dense{Name: "second"}, y, v["w2"], v["b2"])
		}
		forward := func(v map[string][]float64) []float64 {
			y, z := make([]float64, c.n*c.k), make([]float64, c.n*6)
			ref.Dense(y, v["x"], c.n, ref.Layer[float64]{W: v["w"], B: v["b"], F: c.f})
			ref.Dense(z, y, c.n, ref.Layer[float64]{W: v["w2"], B: v["b2"], F: c.k})
			return z
		}
		wrt := []string{"x", "w", "b", "w2", "b2"}
		t.Run(fmt.Sprint("cross entropy ", s), func(t *testing.T) {
			gradient(t, leaves, shapes, wrt,
				func(v map[string]*nn.Node) (*nn.Node, error) {
					z, err := logits(v)
					if err != nil {
						return nil, err
					}
					return nn.Apply(&nn.CrossEntropy{Name: "loss"}, z, v["targets"], v["weights"])
				},
				func(v map[string][]float64) float64 {
					return ref.CrossEntropy(forward(v), v["targets"], v["weights"], 6)
				})
		})
		t.Run(fmt.Sprint("binary cross entropy ", s), func(t *testing.T) {
			each, eachShape := maps.Clone(leaves), maps.Clone(shapes)
			each["weights"], eachShape["weights"] = make([]float32, c.n*6), []int{c.n, 6}
			for i := range each["weights"] {
				each["weights"][i] = 0.25 * float32(i%7) // some of them 0
			}
			gradient(t, each, eachShape, wrt,
				func(v map[string]*nn.Node) (*nn.Node, error) {
					z, err := logits(v)
					if err != nil {
						return nil, err
					}
					return nn.Apply(&nn.BinaryCrossEntropy{Name: "loss"}, z, v["targets"], v["weights"])
				},
				func(v map[string][]float64) float64 {
					return ref.BinaryCrossEntropy(forward(v), v["targets"], v["weights"])
				})
		})
		t.Run(fmt.Sprint("softmax ", s), func(t *testing.T) {
			without := map[string][]float32{}
			for name, v := range leaves {
				if name != "weights" {
					without[name] = v
				}
			}
			gradient(t, without, shapes, wrt,
				func(v map[string]*nn.Node) (*nn.Node, error) {
					z, err := logits(v)
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
					p := forward(v)
					ref.Softmax(p, p, 6)
					sum := 0.0
					for i, t := range v["targets"] {
						sum += p[i] * t
					}
					return sum
				})
		})
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
	mean, err := nn.Apply(&nn.GlobalAvgPool{Name: "mean"}, x)
	if err != nil {
		t.Fatal(err)
	}
	w, err := nn.Input(g, "w", 2, 3)
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
