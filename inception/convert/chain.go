package convert

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// link is one step of what follows the bottleneck in a graph.
type link struct {
	kind  inception.LayerKind
	node  *graph.Node
	dense *classifier // of LayerDense
	scale *affine     // of LayerScale
	alpha float64
	slope *raw.Tensor // of LayerPReLU
}

// linkSoftmax ends a chain.
const linkSoftmax inception.LayerKind = "softmax"

// maxLinks bounds the operators that are followed behind the pool.
const maxLinks = 256

// graphSource matches a graph's trunk and reads what follows it and what stands in front.
func graphSource(g *graph.Graph, d dialect) (*source, *matcher, error) {
	if err := sink(g, d); err != nil {
		return nil, nil, err
	}
	end, m, err := matchTrunk(g, d)
	if err != nil {
		return nil, nil, err
	}
	src := &source{units: m.units, front: m.front()}
	if !src.front.resize {
		src.size = g.Sizes[src.front.input]
	}
	w := walker{matcher: m, side: inception.LastCells(cmp.Or(src.size, 299)).Side,
		users: map[string][]*graph.Node{}, outputs: map[*graph.Node][]string{}}
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			if v != "" && (len(w.users[v]) == 0 || w.users[v][len(w.users[v])-1] != n) {
				w.users[v] = append(w.users[v], n)
			}
		}
	}
	for v, n := range g.By {
		w.outputs[n] = append(w.outputs[n], v)
	}
	if m.pooled {
		var meets *graph.Node
		if src.reads, meets, src.headErr = w.both(end); meets != nil {
			end = meets
		}
		if src.headErr == nil {
			src.links, src.headErr = w.after(end)
		}
	} else {
		src.links, src.reads, src.headErr = w.unpooled(end)
	}
	if g.Complete {
		src.bare = errBare
	}
	src.simplify()
	src.ignored = unread(g)
	return src, m, nil
}

// unread lists the constants that no operator of a graph reads.
func unread(g *graph.Graph) []string {
	read := map[string]bool{}
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			read[v] = true
		}
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(g.Consts)), func(name string) bool { return read[name] })
}

// walker follows a graph from the pool on.
type walker struct {
	*matcher
	users   map[string][]*graph.Node
	outputs map[*graph.Node][]string
	steps   int
	side    int // of the last block, in pixels
}

// readers are the nodes that compute with a value; its shape does not count.
func (w *walker) readers(v string) []*graph.Node {
	return slices.DeleteFunc(slices.Clone(w.users[v]), func(n *graph.Node) bool {
		return n.Op == "Shape" || n.Op == "Size" || w.d.kind(n) == opFlatten && n.Inputs[0] != v
	})
}

// after returns the chain behind a node. Where it forks, one way may go on: the others must end
// without a layer. A graph that retrain.py wrote without pruning has two heads, of which its own is
// taken.
func (w *walker) after(n *graph.Node) ([]link, error) {
	var ways [][]link
	for _, v := range slices.Sorted(slices.Values(w.outputs[n])) {
		readers := w.readers(v)
		if l, joined := w.joined(v, readers); joined != nil {
			rest, err := w.after(joined)
			return append([]link{l}, rest...), err
		}
		for _, r := range readers {
			way, err := w.through(v, r)
			if err != nil {
				return nil, err
			}
			if len(way) > 0 {
				ways = append(ways, way)
			}
		}
	}
	if len(ways) > 1 {
		own := slices.DeleteFunc(slices.Clone(ways), func(way []link) bool {
			return !slices.ContainsFunc(way, func(l link) bool { return strings.HasPrefix(l.node.Name, retrainScope) })
		})
		if len(own) != 1 {
			return nil, fmt.Errorf("has %d heads, which begin with %q and %q: cut off all but one before the network is saved",
				len(ways), ways[0][0].node.Name, ways[1][0].node.Name)
		}
		ways = own
	}
	if len(ways) == 0 {
		return nil, nil
	}
	return ways[0], nil
}

// ends are operators that only say which class it is.
var ends = map[string]bool{"ArgMax": true, "TopK": true, "TopKV2": true, "ArgMin": true, "ReduceMax": true, "Max": true,
	"Cast": true}

// through returns the chain that begins with a node that reads v.
func (w *walker) through(v string, n *graph.Node) ([]link, error) {
	if w.steps++; w.steps > maxLinks {
		return nil, fmt.Errorf("more than %d operators follow the global pool", maxLinks)
	}
	here := n
	at := func(err error) error { return fmt.Errorf("%v: %w", here, err) }
	kind := w.d.kind(n)
	if kind == opPass || kind == opFlatten || n.Op == "Transpose" || w.straight(n) {
		return w.after(n)
	}
	if ends[n.Op] {
		return nil, nil
	}
	l := link{node: n}
	switch {
	case kind == opDense || kind == opConv:
		c, err := w.dense(n)
		if err != nil {
			return nil, at(err)
		}
		l.kind, l.dense = inception.LayerDense, c
	case kind == opAffine:
		l.kind, l.scale = inception.LayerScale, &affine{}
		x, err := w.d.affine(w.matcher, n, l.scale)
		if err == nil && x != v {
			err = errNotConstant
		}
		if err != nil {
			return nil, at(err)
		}
	case n.Op == "LayerNormalization":
		return w.normed(n)
	case n.Op == "PRelu":
		k := &graph.Const{}
		if len(n.Inputs) > 1 {
			k = cmp.Or(w.constant(n.Inputs[1]), k)
		}
		if k.Load == nil {
			return nil, at(errors.New("its slopes are not constant"))
		}
		l.kind, l.slope = inception.LayerPReLU, &k.Tensor
	default:
		var err error
		if l.kind, l.alpha, err = activation(w.matcher, n); err != nil {
			if l, n = w.spelled(v); n == nil {
				return nil, at(err)
			}
		}
	}
	rest, err := w.after(n)
	if err != nil {
		return nil, err
	}
	if l.kind == inception.LayerDense && l.dense.bias == nil && len(rest) > 0 {
		if l.dense.bias = w.bias(rest[0].node); l.dense.bias != nil {
			l.node, rest = rest[0].node, rest[1:]
		}
	}
	return append([]link{l}, rest...), nil
}

// normed returns the chain that begins with a LayerNormalization: what it scales and shifts is a layer of its own.
func (w *walker) normed(n *graph.Node) ([]link, error) {
	if a, ok := n.Attrs["axis"]; ok && a.Int != -1 && a.Int != 1 {
		return nil, fmt.Errorf("%v: its axis is %d, want 1 or -1", n, a.Int)
	}
	l := link{kind: inception.LayerNorm, node: n, alpha: 1e-5}
	if e, ok := n.Attrs["epsilon"]; ok {
		l.alpha = e.Float
	}
	scale := link{kind: inception.LayerScale, node: n, scale: &affine{}}
	for i, to := range []*[]float64{&scale.scale.scale, &scale.scale.shift} {
		if len(n.Inputs) > i+1 && n.Inputs[i+1] != "" {
			v, err := w.vector(n.Inputs[i+1])
			if err != nil {
				return nil, fmt.Errorf("%v: %w", n, err)
			}
			*to = v
		}
	}
	rest, err := w.after(n)
	return append([]link{l, scale}, rest...), err
}

// straight reports whether a node picks all elements in their order, as PyTorch's exporter writes a
// view of strides.
func (w *walker) straight(n *graph.Node) bool {
	if n.Op != "Gather" || len(n.Inputs) < 2 {
		return false
	}
	k := w.constant(n.Inputs[1])
	if k == nil || len(k.Ints) == 0 || len(k.Ints) != k.Len() {
		return false
	}
	for i, v := range k.Ints {
		if v != int64(i) {
			return false
		}
	}
	return true
}

// dense reads a classifier that is a matrix product or a 1x1 convolution.
func (m *matcher) dense(n *graph.Node) (*classifier, error) {
	if m.d.kind(n) == opDense {
		return m.d.dense(m, n)
	}
	u, err := m.weights(n, &affine{})
	if err != nil {
		return nil, err
	}
	c := &classifier{weight: u.weight, transposed: u.layout == hwio}
	if len(n.Inputs) > 2 && n.Inputs[2] != "" {
		if k := m.constant(n.Inputs[2]); k != nil {
			t := k.Tensor
			t.Name = n.Inputs[2]
			c.bias = &t
		}
	}
	return c, nil
}

// bias is the constant that a node adds.
func (m *matcher) bias(n *graph.Node) *tensor {
	if n.Op != "Add" && n.Op != "AddV2" && n.Op != "BiasAdd" || len(n.Inputs) != 2 {
		return nil
	}
	for _, c := range n.Inputs {
		if k := m.constant(c); k != nil && k.Len() > 1 {
			t := k.Tensor
			t.Name = c
			return &t
		}
	}
	return nil
}

// activations are the operators that are layers of their own, in both dialects.
var activations = map[string]inception.LayerKind{
	"Relu": inception.LayerReLU, "Relu6": inception.LayerReLU6, "LeakyRelu": inception.LayerLeakyReLU,
	"Elu": inception.LayerELU, "Selu": inception.LayerSELU, "Tanh": inception.LayerTanh,
	"Sigmoid": inception.LayerSigmoid, "Swish": inception.LayerSwish, "Gelu": inception.LayerGELU,
	"Softmax": linkSoftmax, "LogSoftmax": linkSoftmax, "LpNormalization": inception.LayerL2,
	"Softplus": inception.LayerSoftplus, "Softsign": inception.LayerSoftsign, "Mish": inception.LayerMish,
	"HardSigmoid": inception.LayerHardSigmoid, "HardSwish": inception.LayerHardSwish,
}

// activation reads an operator that has no weights.
func activation(m *matcher, n *graph.Node) (kind inception.LayerKind, alpha float64, err error) {
	kind = activations[n.Op]
	number := func(name string, missing float64) float64 {
		if a, ok := n.Attrs[name]; ok {
			return a.Float
		}
		return missing
	}
	axis, hasAxis := n.Attrs["axis"]
	switch {
	case n.Op == "Clip":
		return inception.LayerReLU6, 0, clipped(m, n)
	case kind == "":
		err = errors.New("rehead has no such layer in a head")
	case kind == inception.LayerLeakyReLU:
		alpha = number("alpha", m.d.leak())
	case kind == inception.LayerELU:
		alpha = number("alpha", 1)
	case kind == inception.LayerHardSigmoid:
		if alpha = number("alpha", 0.2); number("beta", 0.5) != 0.5 {
			err = fmt.Errorf("its middle is %g, want 0.5", number("beta", 0.5))
		}
	case n.Op == "Gelu" && n.Attrs["approximate"].Text == "tanh":
		kind = inception.LayerGELUTanh
	case (kind == linkSoftmax || kind == inception.LayerL2) && hasAxis && axis.Int != 1 && axis.Int != -1:
		err = fmt.Errorf("its axis is %d, want 1 or -1", axis.Int)
	case kind == inception.LayerSwish && number("alpha", 1) != 1, n.Op == "LpNormalization" && n.Attrs["p"].Int == 1:
		err = errors.New("is of a variant that rehead has not")
	}
	return kind, alpha, err
}

// clipped wants a Clip to be ReLU6.
func clipped(m *matcher, n *graph.Node) error {
	limit := func(i int, name string) (float64, bool) {
		if a, ok := n.Attrs[name]; ok {
			return a.Float, true
		}
		if len(n.Inputs) > i && n.Inputs[i] != "" {
			if v, err := m.vector(n.Inputs[i]); err == nil && len(v) == 1 {
				return v[0], true
			}
		}
		return 0, false
	}
	least, ok := limit(1, "min")
	most, ok2 := limit(2, "max")
	if !ok || !ok2 || least != 0 || most != 6 {
		return errors.New("clips to other limits than 0 and 6")
	}
	return nil
}

// joined recognises layers that exporters spell out as a fork that joins again: x times the sigmoid
// of x, x over its length, and what spelled knows. It returns the node that joins.
func (w *walker) joined(v string, readers []*graph.Node) (link, *graph.Node) {
	if len(readers) < 2 {
		return link{}, nil
	}
	for _, n := range readers {
		switch n.Op {
		case "Mul", "Div", "RealDiv":
		default:
			continue
		}
		if len(n.Inputs) != 2 || n.Inputs[0] != v && n.Inputs[1] != v {
			continue
		}
		other := n.Inputs[1]
		if other == v {
			other = n.Inputs[0]
		}
		ops := w.back(other, v)
		l := link{node: n}
		switch {
		case len(ops) == 0:
			continue
		case n.Op == "Mul" && slices.Equal(ops, []string{"Sigmoid"}):
			l.kind = inception.LayerSwish
		case n.Op != "Mul" && n.Inputs[0] == v && lengths[strings.Join(ops, " ")]:
			l.kind = inception.LayerL2
		case n.Op == "Mul" && n.Inputs[0] == v && lengths["1/"+strings.Join(ops, " ")]:
			l.kind = inception.LayerL2
		default:
			continue
		}
		return l, n
	}
	if l, n := w.spelledNorm(v, readers); n != nil {
		return l, n
	}
	return w.spelled(v)
}

// spelledNorm recognises the layer norm that exporters spell out: what is left of x without its mean, over the
// root of the mean of its squares and an epsilon.
func (w *walker) spelledNorm(v string, readers []*graph.Node) (link, *graph.Node) {
	for _, n := range readers {
		if n.Op != "Sub" || len(n.Inputs) != 2 || n.Inputs[0] != v || !slices.Equal(w.back(n.Inputs[1], v),
			[]string{"ReduceMean"}) {
			continue
		}
		rest := w.outputs[n][0]
		for _, over := range w.users[rest] {
			if over.Op != "Div" || len(over.Inputs) != 2 || over.Inputs[0] != rest {
				continue
			}
			ops := strings.Join(w.back(over.Inputs[1], rest), " ")
			root := w.g.By[over.Inputs[1]]
			if ops != "Sqrt Add ReduceMean Pow" && ops != "Sqrt Add ReduceMean Mul" || root == nil || root.Op != "Sqrt" {
				continue
			}
			sum := w.g.By[root.Inputs[0]]
			if sum == nil || len(sum.Inputs) != 2 {
				continue
			}
			if eps, err := w.vector(sum.Inputs[1]); err == nil && len(eps) == 1 && eps[0] > 0 {
				return link{kind: inception.LayerNorm, node: over, alpha: eps[0]}, over
			}
		}
	}
	return link{}, nil
}

// lengths are the spellings of a vector's length, from its end to its beginning, and of one over
// it.
var lengths = map[string]bool{"ReduceL2": true, "Sqrt Sum Square": true, "Sqrt Maximum Sum Square": true,
	"Sqrt ReduceSum Pow": true, "Sqrt ReduceSum Mul": true, "Sqrt ReduceSumSquare": true,
	"1/Rsqrt Maximum Sum Square": true, "1/Reciprocal Sqrt Max ReduceSumSquare": true}

// back lists the operators between a value and v, along first inputs; those that only widen the
// value or keep it from zero are left out. It is nil when they do not lead to v.
func (w *walker) back(value, v string) (ops []string) {
	for range 12 {
		if value == v {
			return ops
		}
		n := w.g.By[value]
		if n == nil || len(n.Inputs) == 0 {
			return nil
		}
		switch n.Op {
		case "Expand", "Max", "Clip", "Maximum":
			if limit := w.floor(n); !(limit < 1e-3) {
				return nil
			}
			if n.Op == "Maximum" {
				ops = append(ops, n.Op)
			}
		default:
			if w.d.kind(n) != opPass {
				ops = append(ops, n.Op)
			}
		}
		value = n.Inputs[0]
	}
	return nil
}

// floor is the limit that keeps a length from zero.
func (w *walker) floor(n *graph.Node) float64 {
	if n.Op == "Expand" {
		return 0
	}
	if len(n.Inputs) > 1 {
		if v, err := w.vector(n.Inputs[1]); err == nil && len(v) == 1 {
			return v[0]
		}
	}
	if a, ok := n.Attrs["min"]; ok {
		return a.Float
	}
	return 1
}
