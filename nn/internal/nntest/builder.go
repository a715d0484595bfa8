package nntest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/ref"
)

// images is the batch that each graph is tried with; the graph has batch 1.
const images = 3

// value is a node and what it must be for each of the images.
type value struct {
	node *nn.Node
	data []float64 // [images, shape...]
	dims []int     // [C,H,W] or [F]
}

func (v value) image() ref.Image {
	return ref.Image{N: images, C: v.dims[0], H: v.dims[1], W: v.dims[2]}
}

// builder builds a graph and computes it at once.
type builder struct {
	t     testing.TB
	rng   *rand.Rand
	graph *nn.Graph
	names int
}

func newBuilder(t testing.TB, seed uint64) *builder {
	return &builder{t: t, rng: rand.New(rand.NewPCG(seed, 17)), graph: nn.NewGraph()}
}

func (b *builder) name(kind string) string {
	b.names++
	return fmt.Sprintf("%s/%d", kind, b.names)
}

// normal returns n values of the given spread, and what float32 makes of them.
func (b *builder) normal(n int, spread float64) ([]float32, []float64) {
	short, long := make([]float32, n), make([]float64, n)
	for i := range short {
		short[i] = float32(b.rng.NormFloat64() * spread)
		long[i] = float64(short[i])
	}
	return short, long
}

func (b *builder) input(dims ...int) value {
	b.t.Helper()
	node, err := nn.Input(b.graph, "input", append([]int{1}, dims...)...)
	if err != nil {
		b.t.Fatal(err)
	}
	size := 1
	for _, d := range dims {
		size *= d
	}
	_, data := b.normal(images*size, 1)
	return value{node, data, dims}
}

func (b *builder) param(kind string, data []float32, shape ...int) *nn.Node {
	b.t.Helper()
	node, err := nn.Param(b.graph, b.name(kind), data, shape...)
	if err != nil {
		b.t.Fatal(err)
	}
	return node
}

func (b *builder) apply(op nn.Op, in ...*nn.Node) *nn.Node {
	b.t.Helper()
	node, err := nn.Apply(op, in...)
	if err != nil {
		b.t.Fatal(err)
	}
	return node
}

// window is a kernel, its strides and paddings.
type window struct {
	kernel, stride [2]int
	pad            nn.Padding
}

func (w window) ir() ir.Window {
	return ir.Window{
		KH: w.kernel[0], KW: w.kernel[1], StrideH: w.stride[0], StrideW: w.stride[1],
		Top: w.pad.Top, Bottom: w.pad.Bottom, Left: w.pad.Left, Right: w.pad.Right,
	}
}

func (w window) of(x value, channels int) value {
	oh, ow := w.ir().Out(x.dims[1], x.dims[2])
	return value{data: make([]float64, images*channels*oh*ow), dims: []int{channels, oh, ow}}
}

// like returns room for a value of x's shape.
func like(x value) value { return value{data: make([]float64, len(x.data)), dims: x.dims} }

func (b *builder) conv(x value, out int, w window, bias bool) value {
	b.t.Helper()
	fan := x.dims[0] * w.kernel[0] * w.kernel[1]
	short, long := b.normal(out*fan, 1.4/math.Sqrt(float64(fan)))
	k := ref.Kernel[float64]{W: long, Out: out, Window: w.ir()}
	args := []*nn.Node{x.node, b.param("weight", short, out, x.dims[0], w.kernel[0], w.kernel[1])}
	if bias {
		short, k.B = b.normal(out, 0.5)
		args = append(args, b.param("bias", short, out))
	}
	y := w.of(x, out)
	ref.Conv2D(y.data, x.data, x.image(), k)
	y.node = b.apply(&nn.Conv2D{Name: b.name("conv"), Stride: w.stride, Padding: w.pad}, args...)
	return y
}

// grouped is a convolution with groups and dilations; it keeps no border.
func (b *builder) grouped(x value, out, groups int, kernel, dilation [2]int) value {
	b.t.Helper()
	each := x.dims[0] / groups
	short, long := b.normal(out*each*kernel[0]*kernel[1], 1.4/math.Sqrt(float64(each*kernel[0]*kernel[1])))
	biases, bias := b.normal(out, 0.5)
	over := [2]int{(kernel[0]-1)*dilation[0] + 1, (kernel[1]-1)*dilation[1] + 1}
	y := window{kernel: over, stride: [2]int{1, 1}}.of(x, out)
	h, w := y.dims[1], y.dims[2]
	for i := range y.data {
		n, k, r, c := i/(out*h*w), i/(h*w)%out, i/w%h, i%w
		sum := bias[k]
		for t := range each * kernel[0] * kernel[1] {
			ch := k/(out/groups)*each + t/(kernel[0]*kernel[1])
			row, col := r+t/kernel[1]%kernel[0]*dilation[0], c+t%kernel[1]*dilation[1]
			sum += long[k*each*kernel[0]*kernel[1]+t] * x.data[((n*x.dims[0]+ch)*x.dims[1]+row)*x.dims[2]+col]
		}
		y.data[i] = sum
	}
	y.node = b.apply(&nn.Conv2D{Name: b.name("grouped"), Groups: groups, Dilation: dilation}, x.node,
		b.param("weight", short, out, each, kernel[0], kernel[1]), b.param("bias", biases, out))
	return y
}

// trained is a norm that was trained, as a Program takes it: by the statistics that it has seen.
func (b *builder) trained(x value) value {
	b.t.Helper()
	c := x.dims[0]
	p, running := ref.Norm[float64]{Eps: 1e-3}, &nn.Running{Batches: 5}
	var gamma, beta []float32
	gamma, p.Gamma = b.normal(c, 0.5)
	beta, p.Beta = b.normal(c, 0.5)
	running.Mean, p.Mean = b.normal(c, 0.5)
	running.Variance = make([]float32, c)
	for i := range c {
		running.Variance[i] = 0.25 + running.Mean[i]*running.Mean[i]
		p.Variance = append(p.Variance, float64(running.Variance[i]))
	}
	y := like(x)
	ref.BatchNorm(y.data, x.data, x.image(), p)
	y.node = b.apply(&nn.BatchNormTraining{Name: b.name("trained"), Eps: p.Eps, Running: running}, x.node,
		b.param("gamma", gamma, c), b.param("beta", beta, c))
	return y
}

// dropout is one that leaves nothing out, as a Program takes it.
func (b *builder) dropout(x value) value {
	b.t.Helper()
	y := value{data: x.data, dims: x.dims}
	noise, err := nn.Input(b.graph, b.name("noise"), append([]int{1}, x.dims...)...)
	if err != nil {
		b.t.Fatal(err)
	}
	y.node = b.apply(&nn.Dropout{Name: b.name("dropout"), Rate: 0.5}, x.node, noise)
	return y
}

func (b *builder) norm(x value) value {
	b.t.Helper()
	c := x.dims[0]
	p := ref.Norm[float64]{Eps: 1e-3}
	args := []*nn.Node{x.node}
	for i, long := range []*[]float64{&p.Gamma, &p.Beta, &p.Mean, &p.Variance} {
		var short []float32
		short, *long = b.normal(c, 0.5)
		if i == 3 {
			for j := range short {
				short[j] = short[j]*short[j] + 0.25
				(*long)[j] = float64(short[j])
			}
		}
		args = append(args, b.param("norm", short, c))
	}
	y := like(x)
	ref.BatchNorm(y.data, x.data, x.image(), p)
	y.node = b.apply(&nn.BatchNorm{Name: b.name("norm"), Eps: p.Eps}, args...)
	return y
}

func (b *builder) relu(x value) value {
	b.t.Helper()
	y := like(x)
	ref.ReLU(y.data, x.data)
	y.node = b.apply(&nn.ReLU{Name: b.name("relu")}, x.node)
	return y
}

func (b *builder) activation(x value, f nn.Function) value {
	b.t.Helper()
	alpha := 1.0
	if f == nn.LeakyReLU {
		alpha = 0.01
	}
	scalar, ok := ref.Function(string(f), alpha)
	if !ok {
		b.t.Fatalf("no function %q", f)
	}
	y := like(x)
	ref.Activation(y.data, x.data, scalar.F)
	y.node = b.apply(&nn.Activation{Name: b.name("activation"), Function: f}, x.node)
	return y
}

func (b *builder) add(xs ...value) value {
	b.t.Helper()
	y := like(xs[0])
	var nodes []*nn.Node
	for _, x := range xs {
		nodes = append(nodes, x.node)
		for i, v := range x.data {
			y.data[i] += v
		}
	}
	y.node = b.apply(&nn.Add{Name: b.name("add")}, nodes...)
	return y
}

func (b *builder) flatten(x value) value {
	b.t.Helper()
	y := value{data: x.data, dims: []int{len(x.data) / images}}
	y.node = b.apply(&nn.Flatten{Name: b.name("flatten")}, x.node)
	return y
}

func (b *builder) maxPool(x value, w window) value {
	b.t.Helper()
	y := w.of(x, x.dims[0])
	ref.MaxPool(y.data, x.data, x.image(), w.ir())
	y.node = b.apply(&nn.MaxPool{Name: b.name("maxpool"), Kernel: w.kernel, Stride: w.stride, Padding: w.pad}, x.node)
	return y
}

func (b *builder) avgPool(x value, w window, border bool) value {
	b.t.Helper()
	y := w.of(x, x.dims[0])
	ref.AvgPool(y.data, x.data, x.image(), ref.Pool{Window: w.ir(), CountBorder: border})
	y.node = b.apply(&nn.AvgPool{Name: b.name("avgpool"), Kernel: w.kernel, Stride: w.stride, Padding: w.pad,
		CountBorder: border}, x.node)
	return y
}

func (b *builder) concat(xs ...value) value {
	b.t.Helper()
	y := value{dims: []int{0, xs[0].dims[1], xs[0].dims[2]}}
	var parts []ref.Part[float64]
	var nodes []*nn.Node
	for _, x := range xs {
		parts = append(parts, ref.Part[float64]{Data: x.data, Size: len(x.data) / images})
		nodes = append(nodes, x.node)
		y.dims[0] += x.dims[0]
		y.data = append(y.data, x.data...)
	}
	ref.Concat(y.data, images, parts...)
	y.node = b.apply(&nn.Concat{Name: b.name("concat")}, nodes...)
	return y
}

func (b *builder) globalAvgPool(x value) value {
	b.t.Helper()
	y := value{data: make([]float64, images*x.dims[0]), dims: x.dims[:1]}
	ref.GlobalAvgPool(y.data, x.data, x.image())
	y.node = b.apply(&nn.GlobalAvgPool{Name: b.name("mean")}, x.node)
	return y
}

func (b *builder) moments(x value) value {
	b.t.Helper()
	y := value{data: make([]float64, images*nn.MomentRuns*x.dims[0]), dims: []int{nn.MomentRuns * x.dims[0]}}
	ref.Moments(y.data, x.data, x.image())
	y.node = b.apply(&nn.Moments{Name: b.name("moments")}, x.node)
	return y
}

func (b *builder) dense(x value, out int) value {
	b.t.Helper()
	f := x.dims[0]
	short, long := b.normal(out*f, 1/math.Sqrt(float64(f)))
	w := b.param("weight", short, out, f)
	short, bias := b.normal(out, 0.5)
	y := value{data: make([]float64, images*out), dims: []int{out}}
	ref.Dense(y.data, x.data, images, ref.Layer[float64]{W: long, B: bias, F: f})
	y.node = b.apply(&nn.Dense{Name: b.name("dense")}, x.node, w, b.param("bias", short, out))
	return y
}

func (b *builder) softmax(x value) value {
	b.t.Helper()
	y := like(x)
	ref.Softmax(y.data, x.data, x.dims[0])
	y.node = b.apply(&nn.Softmax{Name: b.name("softmax")}, x.node)
	return y
}
