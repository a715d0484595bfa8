package nn_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/internal/nntest"
)

// network is a small one over [N,3,side,side]: two convolutions, the second of groups, pools, dropout, a head.
type network struct {
	input, noise, logits *nn.Node
	params               []*nn.Node
}

const (
	side, kinds = 16, 3
	features    = 12
)

// small builds the network for a batch over the parameters' values, which it makes up where there are none.
func small(t *testing.T, n int, rate float64, values map[string][]float32) network {
	t.Helper()
	g, rng := nn.NewGraph(), rand.New(rand.NewPCG(7, 7))
	var net network
	must := func(node *nn.Node, err error) *nn.Node {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return node
	}
	param := func(name string, shape ...int) *nn.Node {
		if values[name] == nil {
			v := make([]float32, size(shape))
			fan := float64(size(shape) / shape[0])
			for i := range v {
				if len(shape) > 1 {
					v[i] = float32(rng.NormFloat64() * math.Sqrt(2/fan))
				}
			}
			values[name] = v
		}
		p := must(nn.Param(g, name, values[name], shape...))
		net.params = append(net.params, p)
		return p
	}
	net.input = must(nn.Input(g, "image", n, 3, side, side))
	net.noise = must(nn.Input(g, "noise", n, features))
	x := must(nn.Apply(&nn.Conv2D{Name: "first", Padding: nn.Padding{Top: 1, Bottom: 1, Left: 1, Right: 1}}, net.input,
		param("w1", 6, 3, 3, 3), param("b1", 6)))
	x = must(nn.Apply(&nn.ReLU{Name: "relu1"}, x))
	x = must(nn.Apply(&nn.MaxPool{Name: "pool", Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}}, x))
	x = must(nn.Apply(&nn.Conv2D{Name: "second", Groups: 2, Dilation: [2]int{2, 2}}, x, param("w2", features, 3, 3, 3),
		param("b2", features)))
	x = must(nn.Apply(&nn.ReLU{Name: "relu2"}, x))
	x = must(nn.Apply(&nn.GlobalAvgPool{Name: "mean"}, x))
	x = must(nn.Apply(&nn.Dropout{Name: "drop", Rate: rate}, x, net.noise))
	net.logits = must(nn.Apply(&nn.Dense{Name: "head"}, x, param("w3", kinds, features), param("b3", kinds)))
	return net
}

// pictures draws n pictures, their kinds in turn.
func pictures(n, from int) (pixels []float32, kind []int) {
	for i := range n {
		m, label := draw.Picture((from+i)%kinds, from+i, 1), (from+i)%kinds
		b := m.Bounds()
		for c := range 3 {
			for p := range side * side {
				r, g, bl, _ := m.At(b.Min.X+p%side*b.Dx()/side+b.Dx()/side/2, b.Min.Y+p/side*b.Dy()/side+b.Dy()/side/2).RGBA()
				pixels = append(pixels, float32([]uint32{r, g, bl}[c])/32768-1)
			}
		}
		kind = append(kind, label)
	}
	return pixels, kind
}

// TestTrainSmallNetwork trains a convolutional network on drawn pictures with this package and a solver of
// Gorgonia's; compiled, it tells new ones apart and gives the tape machine's numbers.
func TestTrainSmallNetwork(t *testing.T) {
	const batch = 12
	values := map[string][]float32{}
	net := small(t, batch, 0.1, values)
	g := net.input.Graph()
	targets, err := nn.Input(g, "targets", batch, kinds)
	if err != nil {
		t.Fatal(err)
	}
	weights, err := nn.Input(g, "weights", batch)
	if err != nil {
		t.Fatal(err)
	}
	cost, err := nn.Apply(&nn.CrossEntropy{Name: "loss"}, net.logits, targets, weights)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gorgonia.Grad(cost, net.params...); err != nil {
		t.Fatal(err)
	}
	first, last := fit(t, net, cost, targets, weights)
	t.Logf("loss %.3f at first, %.3f at last", first, last)
	if !(last < first/3) {
		t.Errorf("the loss went from %.3f to %.3f, want a third at most", first, last)
	}

	trained := small(t, 1, 0.1, values) // a program leaves nothing out
	p, err := nn.Compile(nn.Config{}, trained.input, trained.logits)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	calm := small(t, 1, 0, values) // nor does a machine at this rate
	m, err := nn.NewMachine(calm.logits)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const tests = 30
	pixels, kind := pictures(tests, 5000)
	got := make([]float32, tests*kinds)
	if err := p.Run(context.Background(), tests, pixels, got); err != nil {
		t.Fatal(err)
	}
	right := 0
	for i := range tests {
		out, err := m.Run(map[string][]float32{"image": pixels[i*3*side*side : (i+1)*3*side*side],
			"noise": make([]float32, features)})
		if err != nil {
			t.Fatal(err)
		}
		row, best := got[i*kinds:(i+1)*kinds], 0
		nntest.Near(t, "logits", row, long(out[0]), nntest.Tolerance{Rel: 1e-5})
		for k := range row {
			if row[k] > row[best] {
				best = k
			}
		}
		if best == kind[i] {
			right++
		}
	}
	if right < tests*9/10 {
		t.Errorf("got %d of %d new pictures right, want nine tenths", right, tests)
	}
}

// fit takes 30 steps of Adam, a batch each, and returns the first and the last loss.
func fit(t *testing.T, net network, cost, targets, weights *nn.Node) (first, last float32) {
	t.Helper()
	vm := gorgonia.NewTapeMachine(net.input.Graph(), gorgonia.BindDualValues(net.params...))
	defer vm.Close()
	solver := gorgonia.NewAdamSolver(gorgonia.WithLearnRate(0.02))
	batch, rng := net.input.Shape()[0], rand.New(rand.NewPCG(1, 1))
	for i := range 30 {
		pixels, kind := pictures(batch, i*batch)
		wanted, each := make([]float32, batch*kinds), make([]float32, batch)
		for j, k := range kind {
			wanted[j*kinds+k], each[j] = 1, 1/float32(batch)
		}
		noise := make([]float32, batch*features)
		for j := range noise {
			noise[j] = rng.Float32()
		}
		for node, data := range map[*nn.Node][]float32{net.input: pixels, net.noise: noise, targets: wanted, weights: each} {
			if err := gorgonia.Let(node, tensor.New(tensor.WithShape(node.Shape()...), tensor.WithBacking(data))); err != nil {
				t.Fatal(err)
			}
		}
		if err := vm.RunAll(); err != nil {
			t.Fatal(err)
		}
		if last = cost.Value().Data().(float32); i == 0 {
			first = last
		}
		if err := solver.Step(gorgonia.NodesToValueGrads(net.params)); err != nil {
			t.Fatal(err)
		}
		vm.Reset()
	}
	return first, last
}
