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

// state is what a network learns: its parameters, and what its batch norms have seen.
type state struct {
	values  map[string][]float32
	running map[string]*nn.Running
}

// network is a small one over [N,3,side,side]: two convolutions with batch norms, the second of groups,
// a pool, dropout, a head.
type network struct {
	t                    *testing.T
	state                state
	frozen               bool // batch norms by what was seen, and nothing left out; otherwise as in training
	input, noise, logits *nn.Node
	params               []*nn.Node // that are trained
}

const (
	side, kinds = 16, 3
	features    = 12
)

func (net *network) must(node *nn.Node, err error) *nn.Node {
	net.t.Helper()
	if err != nil {
		net.t.Fatal(err)
	}
	return node
}

// param adds a parameter of its values in the state, which are first's where there are none yet.
func (net *network) param(name string, first func(i int) float64, shape ...int) *nn.Node {
	net.t.Helper()
	if net.state.values[name] == nil {
		v := make([]float32, size(shape))
		for i := range v {
			v[i] = float32(first(i))
		}
		net.state.values[name] = v
	}
	p := net.must(nn.Param(net.input.Graph(), name, net.state.values[name], shape...))
	net.params = append(net.params, p)
	return p
}

func zero(int) float64 { return 0 }
func unit(int) float64 { return 1 }

// norm is a batch norm in the form that is wanted.
func (net *network) norm(name string, x *nn.Node) *nn.Node {
	net.t.Helper()
	const eps = 1e-3
	c := x.Shape()[1]
	gamma, beta := net.param(name+".gamma", unit, c), net.param(name+".beta", zero, c)
	if net.state.running[name] == nil {
		net.state.running[name] = &nn.Running{Momentum: 0.2}
	}
	seen := net.state.running[name]
	if net.frozen {
		mean := net.must(nn.Param(x.Graph(), name+".mean", seen.Mean, c))
		variance := net.must(nn.Param(x.Graph(), name+".variance", seen.Variance, c))
		return net.must(nn.Apply(&nn.BatchNorm{Name: name, Eps: eps}, x, gamma, beta, mean, variance))
	}
	return net.must(nn.Apply(&nn.BatchNormTraining{Name: name, Eps: eps, Running: seen}, x, gamma, beta))
}

// small builds the network for a batch of n.
func small(t *testing.T, n int, frozen bool, st state) network {
	t.Helper()
	g, rng := nn.NewGraph(), rand.New(rand.NewPCG(7, 7))
	net := network{t: t, state: st, frozen: frozen}
	normal := func(fan int) func(int) float64 {
		return func(int) float64 { return rng.NormFloat64() * math.Sqrt(2/float64(fan)) }
	}
	rate := 0.1
	if frozen {
		rate = 0
	}
	net.input = net.must(nn.Input(g, "image", n, 3, side, side))
	net.noise = net.must(nn.Input(g, "noise", n, features))
	x := net.must(nn.Apply(&nn.Conv2D{Name: "first", Padding: nn.Padding{Top: 1, Bottom: 1, Left: 1, Right: 1}}, net.input,
		net.param("w1", normal(27), 6, 3, 3, 3)))
	x = net.must(nn.Apply(&nn.ReLU{Name: "relu1"}, net.norm("norm1", x)))
	x = net.must(nn.Apply(&nn.MaxPool{Name: "pool", Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}}, x))
	x = net.must(nn.Apply(&nn.Conv2D{Name: "second", Groups: 2, Dilation: [2]int{2, 2}}, x,
		net.param("w2", normal(27), features, 3, 3, 3), net.param("b2", zero, features)))
	x = net.norm("norm2", net.must(nn.Apply(&nn.ReLU{Name: "relu2"}, x)))
	x = net.must(nn.Apply(&nn.GlobalAvgPool{Name: "mean"}, x))
	x = net.must(nn.Apply(&nn.Dropout{Name: "drop", Rate: rate}, x, net.noise))
	net.logits = net.must(nn.Apply(&nn.Dense{Name: "head"}, x, net.param("w3", normal(features), kinds, features),
		net.param("b3", zero, kinds)))
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
	st := state{map[string][]float32{}, map[string]*nn.Running{}}
	net := small(t, batch, false, st)
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

	for name, seen := range st.running {
		if seen.Batches != 30 {
			t.Errorf("%s has seen %d batches, want 30", name, seen.Batches)
		}
	}
	calm := small(t, 1, true, st)
	m, err := nn.NewMachine(calm.logits)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for name, form := range map[string]network{"as in training": small(t, 1, false, st), "frozen": calm} {
		t.Run(name, func(t *testing.T) { answers(t, form, m) })
	}
}

// answers compiles net, which tells new pictures apart and gives m's numbers.
func answers(t *testing.T, net network, m *nn.Machine) {
	p, err := nn.Compile(nn.Config{}, net.input, net.logits)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
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
