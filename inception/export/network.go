package export

import (
	"fmt"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// layer is one operator of a trunk.
type layer struct {
	kind   kind
	name   string // of the operator: "Mixed_5b.branch1x1"
	in     []int  // the layers that it reads; input is the scaled picture
	shape  []int  // of what it gives: [C,H,W], or [C]
	window        // of convolutions and pools

	filter       [4]int    // of a convolution: [O,I,KH,KW]
	weight, bias []float32 // of a convolution: as filter says, and [O]
}

// window is where convolutions and pools look.
type window struct {
	kernel, stride [2]int
	padding        nn.Padding
	border         bool // of an average: the border counts
}

// kind is what a layer computes.
type kind uint8

const (
	convolution kind = iota // with its bias and a ReLU
	maxPool
	avgPool
	concat     // along the channels
	globalMean // [C,H,W] -> [C]
	globalMax  // the same
	flatten    // [C,H,W] -> [H*W*C]
	join       // [C], [C] -> [2C]
)

// read makes what the layers end in what the model's head reads.
func (n *network) read() {
	last := &n.layers[len(n.layers)-1]
	switch {
	case !n.Reads.Foreign():
	case n.Reads.Statistics[0] == inception.Maximum:
		last.kind = globalMax
	case n.Reads.Statistics[0] == inception.Mean: // and the maximum
		highest, at := *last, len(n.layers)-1
		highest.kind, highest.name = globalMax, last.name+".highest"
		n.layers = append(n.layers, highest, layer{kind: join, name: last.name + ".both", in: []int{at, at + 1},
			shape: []int{2 * last.shape[0]}})
	default:
		last.kind, last.shape = flatten, []int{n.Reads.Length(n.Width)}
	}
}

// input stands for the scaled picture among the layers that one reads.
const input = -1

// reads returns what l reads, where at has what the layers before it became and first is the scaled picture.
func (l *layer) reads(at []int, first int) []int {
	in := make([]int, len(l.in))
	for j, v := range l.in {
		in[j] = first
		if v != input {
			in[j] = at[v]
		}
	}
	return in
}

// trunk lists a model's layers up to the bottleneck, each behind those that it reads; the last one
// gives the bottleneck. Their weights are the model's own slices.
func trunk(m *inception.Model) ([]layer, error) {
	net, err := inception.Build(nn.NewGraph(), m.Trunk, m.Recipe.Size, 1)
	if err != nil {
		return nil, err
	}
	c := collector{at: map[*nn.Node]int{net.Input: input}}
	err = nn.Walk([]*nn.Node{net.Bottleneck}, c.visit)
	return c.layers, err
}

// collector turns nn's operators into layers.
type collector struct {
	layers []layer
	at     map[*nn.Node]int // the layer that gives a node
}

func (c *collector) visit(n *nn.Node, args []*nn.Node) error {
	if n.Op() == nil {
		return nil // the input, or weights, which are read where they are used
	}
	l := layer{shape: n.Shape()[1:]}
	for _, a := range args {
		if at, ok := c.at[a]; ok {
			l.in = append(l.in, at)
		}
	}
	switch op := nn.OpOf(n).(type) {
	case *nn.Conv2D:
		l.kind, l.name = convolution, op.Name
		copy(l.filter[:], args[1].Shape())
		l.window = window{[2]int{l.filter[2], l.filter[3]}, op.Stride, op.Padding, false}
		var err error
		if l.weight, err = nn.ParamData(args[1]); err != nil {
			return err
		}
		if l.bias, err = nn.ParamData(args[2]); err != nil {
			return err
		}
	case *nn.ReLU:
		if len(l.in) != 1 || l.in[0] == input || c.layers[l.in[0]].kind != convolution {
			return fmt.Errorf("operator %v does not follow a convolution", n.Op())
		}
		c.at[n] = l.in[0]
		return nil
	case *nn.MaxPool:
		l.kind, l.name, l.window = maxPool, op.Name, window{op.Kernel, op.Stride, op.Padding, false}
	case *nn.AvgPool:
		l.kind, l.name, l.window = avgPool, op.Name, window{op.Kernel, op.Stride, op.Padding, op.CountBorder}
	case *nn.Concat:
		l.kind, l.name = concat, op.Name
	case *nn.GlobalAvgPool:
		l.kind, l.name = globalMean, op.Name
	default:
		return fmt.Errorf("operator %v has no translation", n.Op())
	}
	c.at[n] = len(c.layers)
	c.layers = append(c.layers, l)
	return nil
}

// padded reports whether a window reaches beyond the picture.
func (w window) padded() bool { return w.padding != nn.Padding{} }

// same reports whether a window's padding is what TensorFlow calls SAME for an input of h x w: its
// extent centred, so that ceil(h/stride) places come out.
func (w window) same(h, wide int) bool {
	for i, n := range [2]int{h, wide} {
		before, after := w.padding.Top, w.padding.Bottom
		if i == 1 {
			before, after = w.padding.Left, w.padding.Right
		}
		out := (n + w.stride[i] - 1) / w.stride[i]
		need := max((out-1)*w.stride[i]+w.kernel[i]-n, 0)
		if before != need/2 || after != need-need/2 {
			return false
		}
	}
	return true
}
