package inception

import (
	"errors"
	"fmt"

	"github.com/c236555e/rehead/nn"
)

// Net is the network as a graph of nn's operators.
type Net struct {
	Input      *nn.Node            // [batch,3,size,size], called "input"
	Bottleneck *nn.Node            // [batch,F]
	Logits     *nn.Node            // [batch,K]; nil when the weights have no classifier
	taps       map[string]*nn.Node // each block's output by torchvision's name, "Conv2d_1a_3x3" .. "Mixed_7c"
}

// blocks lists the names of the blocks in the order in which a picture passes through them: the
// keys of Net.taps.
func blocks() []string {
	var names []string
	for _, r := range table() {
		if n := len(names); n == 0 || names[n-1] != r.block {
			names = append(names, r.block)
		}
	}
	return names
}

// Build adds the network that w describes to g, for batches of the given number of size x size
// pictures, in the structure of w.Flavor. The graph shares w's slices.
func Build(g *nn.Graph, w *Weights, size, batch int) (*Net, error) {
	if w == nil {
		return nil, errors.New("inception: build: got no weights")
	}
	if size < MinSize || size > maxSize {
		return nil, fmt.Errorf("inception: input size %d is out of range: want %d to %d pixels", size, MinSize, maxSize)
	}
	input, err := nn.Input(g, "input", batch, 3, size, size)
	if err != nil {
		return nil, err
	}
	b := builder{g: g, w: w}
	net := &Net{Input: input, taps: map[string]*nn.Node{}}
	rows := table()
	from, arms := input, []*nn.Node(nil)
	for i, r := range rows {
		arms = append(arms, b.follow(r.block, r.steps, from))
		if i+1 == len(rows) || rows[i+1].block != r.block {
			from, arms = b.concat(r.block, arms), nil
			net.taps[r.block] = from
		}
	}
	net.Bottleneck = b.apply(&nn.GlobalAvgPool{Name: "avgpool"}, from)
	if w.Classes > 0 {
		net.Logits = b.apply(&nn.Dense{Name: "fc"}, net.Bottleneck, b.param("fc.weight"), b.param("fc.bias"))
	}
	if b.err != nil {
		return nil, b.err
	}
	return net, nil
}

// builder adds nodes until the first error, which it keeps.
type builder struct {
	g   *nn.Graph
	w   *Weights
	err error
}

// follow takes the node in through the steps.
func (b *builder) follow(block string, steps []step, in *nn.Node) *nn.Node {
	for _, s := range steps {
		switch s.kind {
		case convolution:
			path := s.name(block)
			op := &nn.Conv2D{Name: path, Stride: s.strides(), Padding: s.padding()}
			in = b.apply(op, in, b.param(path+".weight"), b.param(path+".bias"))
			in = b.apply(&nn.ReLU{Name: path + ".relu"}, in)
		case forked:
			arms := make([]*nn.Node, len(s.fork))
			for i, arm := range s.fork {
				arms[i] = b.follow(block, []step{arm}, in)
			}
			in = b.concat(s.fork[0].name(block), arms)
		default:
			in = b.pool(block, s, in)
		}
	}
	return in
}

// pool is where the flavours differ in structure.
func (b *builder) pool(block string, s step, in *nn.Node) *nn.Node {
	name := block + ".pool"
	if s.kind == maxPool || s.kind == endPool && b.w.Flavor.MaxIn7c() {
		return b.apply(&nn.MaxPool{Name: name, Kernel: s.kernel, Stride: s.strides(), Padding: s.padding()}, in)
	}
	return b.apply(&nn.AvgPool{
		Name: name, Kernel: s.kernel, Stride: s.strides(), Padding: s.padding(), CountBorder: b.w.Flavor.CountBorder(),
	}, in)
}

func (b *builder) concat(name string, arms []*nn.Node) *nn.Node {
	if len(arms) == 1 {
		return arms[0]
	}
	return b.apply(&nn.Concat{Name: name + ".concat"}, arms...)
}

func (b *builder) apply(op nn.Op, in ...*nn.Node) *nn.Node {
	if b.err != nil {
		return nil
	}
	var out *nn.Node
	out, b.err = nn.Apply(op, in...)
	return out
}

func (b *builder) param(name string) *nn.Node {
	if b.err != nil {
		return nil
	}
	t, ok := b.w.Tensors[name]
	if !ok {
		b.err = &FormatError{Tensor: name, Offset: -1, Reason: "is missing: make the weights with NewWeights or ReadWeights"}
		return nil
	}
	var out *nn.Node
	out, b.err = nn.Param(b.g, name, t.Data, t.Shape...)
	return out
}

func (s step) strides() [2]int { return [2]int{s.stride, s.stride} }

func (s step) padding() nn.Padding {
	return nn.Padding{Top: s.pad[0], Bottom: s.pad[0], Left: s.pad[1], Right: s.pad[1]}
}
