package nn_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"testing"

	"gorgonia.org/gorgonia"

	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/ref"
)

// operator is an operator with its definition in float64, for one set of shapes.
type operator struct {
	name   string
	op     nn.Op
	args   []string
	wrt    []string
	shapes map[string][]int
	define func(v map[string][]float64) []float64
}

// conv is the definition of a convolution with groups and dilations, term by term.
func conv(s ref.Image, w []int, o *nn.Conv2D, v map[string][]float64) []float64 {
	groups, d, st := max(o.Groups, 1), o.Dilation, o.Stride
	for i := range 2 {
		d[i], st[i] = max(d[i], 1), max(st[i], 1)
	}
	oh := (s.H+o.Padding.Top+o.Padding.Bottom-(w[2]-1)*d[0]-1)/st[0] + 1
	ow := (s.W+o.Padding.Left+o.Padding.Right-(w[3]-1)*d[1]-1)/st[1] + 1
	var y []float64
	for n := range s.N {
		for k := range w[0] {
			for i := range oh * ow {
				sum := v["b"][k]
				for t := range w[1] * w[2] * w[3] {
					c, a, b := k/(w[0]/groups)*w[1]+t/(w[2]*w[3]), t/w[3]%w[2], t%w[3]
					r, q := i/ow*st[0]+a*d[0]-o.Padding.Top, i%ow*st[1]+b*d[1]-o.Padding.Left
					if r >= 0 && r < s.H && q >= 0 && q < s.W {
						sum += v["w"][k*w[1]*w[2]*w[3]+t] * v["x"][((n*s.C+c)*s.H+r)*s.W+q]
					}
				}
				y = append(y, sum)
			}
		}
	}
	return y
}

// operators lists those with gradients that stand between an image and its head.
func operators() (list []operator) {
	s := ref.Image{N: 2, C: 4, H: 6, W: 5}
	x := []int{s.N, s.C, s.H, s.W}
	for _, c := range []struct {
		op nn.Conv2D
		w  []int
	}{
		{nn.Conv2D{}, []int{3, 4, 3, 2}},
		{nn.Conv2D{Stride: [2]int{2, 1}, Padding: nn.Padding{Top: 1, Bottom: 2, Left: 2}}, []int{3, 4, 3, 3}},
		{nn.Conv2D{Groups: 2, Padding: nn.Padding{Top: 1, Left: 1}}, []int{6, 2, 2, 3}},
		{nn.Conv2D{Groups: 4, Stride: [2]int{1, 2}}, []int{8, 1, 3, 3}},
		{nn.Conv2D{Dilation: [2]int{2, 3}, Padding: nn.Padding{Top: 2, Right: 3}}, []int{2, 4, 3, 2}},
		{nn.Conv2D{Groups: 2, Dilation: [2]int{1, 2}, Stride: [2]int{2, 2}}, []int{2, 2, 2, 2}},
	} {
		op := c.op
		op.Name = "conv"
		list = append(list, operator{fmt.Sprintf("conv %+v", c.op), &op, []string{"x", "w", "b"}, []string{"x", "w", "b"},
			map[string][]int{"x": x, "w": c.w, "b": {c.w[0]}},
			func(v map[string][]float64) []float64 { return conv(s, c.w, &op, v) }})
	}
	unary := func(name string, op nn.Op, shape []int, define func(x []float64) []float64) {
		list = append(list, operator{name, op, []string{"x"}, []string{"x"}, map[string][]int{"x": shape},
			func(v map[string][]float64) []float64 { return define(v["x"]) }})
	}
	each := func(f func(float64) float64) func(x []float64) []float64 {
		return func(x []float64) []float64 {
			y := make([]float64, len(x))
			ref.Activation(y, x, f)
			return y
		}
	}
	for i, shape := range [][]int{x, {7}, {3, 5}, {2, 3, 4}} {
		unary(fmt.Sprint("relu ", shape), &nn.ReLU{Name: "relu"}, shape, each(func(x float64) float64 { return max(x, 0) }))
		for _, name := range nn.Functions() {
			f := scalars()[name]
			if a := f.alpha; i == 0 || name == nn.GELU {
				unary(fmt.Sprint(name, shape), &nn.Activation{Name: "f", Function: name, Alpha: a}, shape, each(f.F))
			}
		}
	}
	win := ir.Window{KH: 3, KW: 2, StrideH: 2, StrideW: 1, Top: 1, Right: 1}
	oh, ow := win.Out(s.H, s.W)
	pad := nn.Padding{Top: 1, Right: 1}
	unary("max pool", &nn.MaxPool{Name: "p", Kernel: [2]int{3, 2}, Stride: [2]int{2, 1}, Padding: pad}, x,
		func(x []float64) []float64 {
			y := make([]float64, s.N*s.C*oh*ow)
			ref.MaxPool(y, x, s, win)
			return y
		})
	for _, border := range []bool{true, false} {
		unary(fmt.Sprint("average pool ", border),
			&nn.AvgPool{Name: "p", Kernel: [2]int{3, 2}, Stride: [2]int{2, 1}, Padding: pad, CountBorder: border}, x,
			func(x []float64) []float64 {
				y := make([]float64, s.N*s.C*oh*ow)
				ref.AvgPool(y, x, s, ref.Pool{Window: win, CountBorder: border})
				return y
			})
	}
	unary("mean", &nn.GlobalAvgPool{Name: "p"}, x, func(x []float64) []float64 {
		y := make([]float64, s.N*s.C)
		ref.GlobalAvgPool(y, x, s)
		return y
	})
	normalised := &nn.BatchNormTraining{Name: "norm", Eps: 0.01}
	list = append(list, operator{"batch norm in training", normalised, []string{"x", "gamma", "beta"},
		[]string{"x", "gamma", "beta"}, map[string][]int{"x": x, "gamma": {s.C}, "beta": {s.C}},
		func(v map[string][]float64) []float64 { return normalise(v, s, normalised.Eps) }})
	dropout := &nn.Dropout{Name: "dropout", Rate: 0.4}
	list = append(list, operator{"dropout", dropout, []string{"x", "noise"}, []string{"x"},
		map[string][]int{"x": {5, 7}, "noise": {5, 7}}, func(v map[string][]float64) []float64 {
			y := make([]float64, len(v["x"]))
			for i, noise := range v["noise"] {
				if noise >= dropout.Rate {
					y[i] = v["x"][i] / (1 - dropout.Rate)
				}
			}
			return y
		}})
	unary("flatten", &nn.Flatten{Name: "f"}, x, func(x []float64) []float64 { return x })
	list = append(list, operator{"add", &nn.Add{Name: "sum"}, []string{"x", "z", "x"}, []string{"x", "z"},
		map[string][]int{"x": {3, 4}, "z": {3, 4}}, func(v map[string][]float64) []float64 {
			y := make([]float64, 12)
			for i := range y {
				y[i] = 2*v["x"][i] + v["z"][i]
			}
			return y
		}})
	return list
}

// normalise is the definition of batch normalisation by a batch's own statistics.
func normalise(v map[string][]float64, s ref.Image, eps float64) []float64 {
	x, y, area := v["x"], make([]float64, len(v["x"])), s.H*s.W
	for c := range s.C {
		var places []int
		for i := range x {
			if i/area%s.C == c {
				places = append(places, i)
			}
		}
		sum, squares := 0.0, 0.0
		for _, i := range places {
			sum += x[i]
			squares += x[i] * x[i]
		}
		n := float64(len(places))
		mean := sum / n
		for _, i := range places {
			y[i] = v["gamma"][c]*(x[i]-mean)/math.Sqrt(squares/n-mean*mean+eps) + v["beta"][c]
		}
	}
	return y
}

type scalar struct {
	ref.Scalar
	alpha float64
}

func scalars() map[nn.Function]scalar {
	return map[nn.Function]scalar{
		nn.LeakyReLU: {ref.LeakyReLU(0.2), 0.2}, nn.ELU: {ref.ELU(0.7), 0.7}, nn.SELU: {ref.SELU(), 0},
		nn.GELU: {ref.GELU(), 0}, nn.Tanh: {ref.Tanh(), 0}, nn.Sigmoid: {ref.SigmoidScalar(), 0},
		nn.Softplus: {ref.Softplus(), 0}, nn.Swish: {ref.Swish(), 0},
	}
}

// TestOperatorGradients holds each operator on the tape machine to its definition in float64, and its
// gradients to central differences of that. Each value counts with a weight of its own.
func TestOperatorGradients(t *testing.T) {
	for i, c := range operators() {
		t.Run(c.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(i), 3))
			leaves := map[string][]float32{}
			long := map[string][]float64{}
			for _, name := range append([]string{}, c.args...) {
				if leaves[name] != nil {
					continue
				}
				leaves[name], long[name] = spaced(rng, size(c.shapes[name]))
			}
			y := c.define(long)
			leaves["counts"], _ = spaced(rng, len(y))
			for i := range leaves["counts"] {
				leaves["counts"][i] += 3 // a sum far from 0
			}
			gradient(t, leaves, c.withCounts(t), c.wrt, func(leaf map[string]*nn.Node) (*nn.Node, error) {
				var in []*nn.Node
				for _, a := range c.args {
					in = append(in, leaf[a])
				}
				out, err := nn.Apply(c.op, in...)
				if err != nil {
					return nil, err
				}
				if out, err = gorgonia.HadamardProd(out, leaf["counts"]); err != nil {
					return nil, err
				}
				return gorgonia.Sum(out)
			}, func(v map[string][]float64) float64 {
				sum := 0.0
				for i, y := range c.define(v) {
					sum += y * v["counts"][i]
				}
				return sum
			})
		})
	}
}

// withCounts returns the shapes of the arguments, and that of the result for "counts".
func (c operator) withCounts(t *testing.T) map[string][]int {
	t.Helper()
	g, shapes := nn.NewGraph(), maps.Clone(c.shapes)
	nodes := map[string]*nn.Node{}
	var in []*nn.Node
	for _, a := range c.args {
		if nodes[a] == nil {
			n, err := nn.Input(g, a, c.shapes[a]...)
			if err != nil {
				t.Fatal(err)
			}
			nodes[a] = n
		}
		in = append(in, nodes[a])
	}
	y, err := nn.Apply(c.op, in...)
	if err != nil {
		t.Fatal(err)
	}
	shapes["counts"] = y.Shape()
	return shapes
}

func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// spaced returns n numbers from about -1.5 to 3.5, no two of them nor 0 closer than central differences reach.
func spaced(rng *rand.Rand, n int) (short []float32, long []float64) {
	for _, i := range rng.Perm(n) {
		v := float32(5*(float64(i)+0.5)/float64(n)-1.5) + 1.0/64
		short, long = append(short, v), append(long, float64(v))
	}
	return short, long
}
