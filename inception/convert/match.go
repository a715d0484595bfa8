package convert

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
)

// A computation graph is matched against the network from its end: the input of the global average
// pool must be the concatenation of Mixed_7c, whose branches must be the convolutions that the
// table says, reading what the table says, and so on to the picture. Names in the file play no
// part. Each value gets a symbol: a convolution's path, a block's name, "max(x)" and "avg(x)" for
// pools of x with stride 2 and 1 ("max1(x)" with stride 1), "a+b" for a concatenation that is not a
// whole block, and "input" for everything in front of the first convolution.

const (
	symbolInput = "input"
	maxChain    = 1 << 12 // depth of the graph; an InceptionV3 with everything spelt out stays below 600
)

// outline is what the matcher expects.
type outline struct {
	layers []inception.Layer
	reads  map[string]string // symbol of what a convolution reads
	blocks map[string]string // "a+b+c" -> the block's name
}

// newOutline derives who reads what from the layers' paths: in a block, "x_1" and names without a
// number read the block's input, "x_3b" reads "x_2", and "branch_pool" reads the pooled input.
func newOutline() (*outline, error) {
	layers, err := inception.Layers(1, 299)
	if err != nil {
		return nil, err
	}
	o := &outline{layers: layers, reads: map[string]string{}, blocks: map[string]string{}}
	in := symbolInput
	for i := 0; i < len(layers); {
		block, _, mixed := strings.Cut(layers[i].Path, ".")
		if !mixed { // the stem is a chain with two pools
			if block == "Conv2d_3b_1x1" {
				in = "max(" + in + ")"
			}
			o.reads[block] = in
			if in = block; block == "Conv2d_4a_3x3" {
				in = "max(" + in + ")"
			}
			i++
			continue
		}
		var ends []string
		pooled := true // the block's last branch is the bare pool
		for ; i < len(layers) && strings.HasPrefix(layers[i].Path, block+"."); i++ {
			path := layers[i].Path
			from := in
			if strings.HasSuffix(path, ".branch_pool") {
				from, pooled = "avg("+in+")", false
			} else if at := strings.LastIndexByte(path, '_'); at > len(block) && path[at+1] > '1' {
				from = fmt.Sprintf("%s_%c", path[:at], path[at+1]-1)
			}
			o.reads[path] = from
			if n := len(ends); n > 0 && ends[n-1] == from {
				ends = ends[:n-1]
			}
			ends = append(ends, path)
		}
		if pooled {
			ends = append(ends, "max("+in+")")
		}
		o.blocks[strings.Join(ends, "+")] = block
		in = block
	}
	return o, nil
}

// matcher walks one graph.
type matcher struct {
	*outline
	g       *graph.Graph
	d       dialect
	units   map[string]*unit
	symbols map[string]string
	open    map[string]bool
	next    int    // convolutions matched so far
	depth   int    //
	counted bool   // an average pool counts its border
	maximum bool   // the pool of Mixed_7c takes the maximum
	first   string // what the first convolution reads
	pooled  bool   // the trunk ends in a global average pool
	vectors map[string][]float64
}

// feature returns the symbol of a value.
func (m *matcher) feature(v string) (string, error) {
	if s, ok := m.symbols[v]; ok {
		return s, nil
	}
	if m.open[v] {
		return "", fmt.Errorf("value %q depends on itself", v)
	}
	if m.depth++; m.depth > maxChain {
		return "", fmt.Errorf("graph is more than %d operators deep", maxChain)
	}
	m.open[v] = true
	s, err := m.derive(v)
	delete(m.open, v)
	m.depth--
	if err != nil {
		return "", err
	}
	m.symbols[v] = s
	return s, nil
}

// derive finds the symbol of a value from the node that makes it.
func (m *matcher) derive(v string) (string, error) {
	n := m.g.By[v]
	if n == nil || len(n.Inputs) == 0 {
		return symbolInput, nil
	}
	switch m.d.kind(n) {
	case opPass:
		return m.feature(n.Inputs[0])
	case opRelu:
		return m.convolution(n)
	case opConcat:
		return m.concat(n)
	case opMaxPool, opAvgPool:
		return m.pool(n)
	}
	return symbolInput, nil
}

// concat joins its inputs' symbols; a whole block gets the block's name.
func (m *matcher) concat(n *graph.Node) (string, error) {
	inputs, err := m.d.concat(m, n)
	if err != nil {
		return "", fmt.Errorf("%v: %w", n, err)
	}
	parts := make([]string, 0, len(inputs))
	for _, v := range inputs {
		s, err := m.feature(v)
		if err != nil {
			return "", err
		}
		if s == symbolInput {
			return symbolInput, nil
		}
		if len(s) > 4096 {
			return "", fmt.Errorf("%v joins more than any block of InceptionV3", n)
		}
		parts = append(parts, s)
	}
	s := strings.Join(parts, "+")
	if b, ok := m.blocks[s]; ok {
		return b, nil
	}
	return s, nil
}

// pool returns the symbol of a 3x3 pool.
func (m *matcher) pool(n *graph.Node) (string, error) {
	p, err := m.d.pool(m, n)
	if err != nil {
		return "", fmt.Errorf("%v: %w", n, err)
	}
	s, err := m.feature(p.input)
	if err != nil || s == symbolInput {
		return s, err
	}
	same := p.pad == [4]int{1, 1, 1, 1}
	switch {
	case p.kernel != [2]int{3, 3}:
	case p.max && p.stride == [2]int{2, 2} && p.pad == [4]int{}:
		return "max(" + s + ")", nil
	case p.max && p.stride == [2]int{1, 1} && same:
		return "max1(" + s + ")", nil
	case !p.max && p.stride == [2]int{1, 1} && same:
		m.counted = m.counted || p.counted
		return "avg(" + s + ")", nil
	}
	return "", fmt.Errorf("%v pools %v with stride %v and padding %v, which InceptionV3 never does", n, p.kernel, p.stride,
		p.pad)
}

// convolution matches the convolution in front of a ReLU with the next layer of the table. Layers
// behind it are matched first, so that the order is the table's.
func (m *matcher) convolution(relu *graph.Node) (string, error) {
	u, n, err := m.unit(relu)
	if err != nil || u == nil {
		return symbolInput, err
	}
	c, err := m.d.conv(m, n)
	if err != nil {
		return "", fmt.Errorf("convolution %q at offset %d: %w", n.Name, n.At, err)
	}
	from, err := m.feature(c.input)
	if err != nil {
		return "", err
	}
	if m.next >= len(m.layers) {
		return "", fmt.Errorf("convolution %q at offset %d is one more than InceptionV3's %d", n.Name, n.At, len(m.layers))
	}
	l := m.layers[m.next]
	if m.next++; m.next == 1 {
		m.first = c.input
	}
	reads := m.reads[l.Path]
	if l.Path == "Mixed_7c.branch_pool" && from == "max1(Mixed_7b)" {
		m.maximum, reads = true, from
	}
	s, err := u.shape()
	if err != nil {
		return "", err
	}
	pad := [4]int{l.Pad[0], l.Pad[1], l.Pad[0], l.Pad[1]}
	switch {
	case from != reads:
		return "", fmt.Errorf("convolution %q at offset %d should be %s and read %s, but reads %s: the "+
			"graph is not an InceptionV3", n.Name, n.At, l.Path, reads, from)
	case s[2] != l.Shape[2] || s[3] != l.Shape[3] || c.stride != [2]int{l.Stride, l.Stride} || c.pad != pad &&
		!(c.same && s[2]%2 == 1 && s[3]%2 == 1 && l.Stride == 1 && pad == [4]int{s[2] / 2, s[3] / 2, s[2] / 2, s[3] / 2}):
		return "", fmt.Errorf("convolution %q at offset %d should be %s, but has kernel %dx%d (weights %q at offset %d), "+
			"stride %v and padding %v: the graph is not an InceptionV3",
			n.Name, n.At, l.Path, s[2], s[3], u.weight.Name, u.weight.Offset, c.stride, c.pad)
	}
	m.units[l.Path] = u
	return l.Path, nil
}

// unit collects the convolution in front of a ReLU and what scales and shifts its channels in
// between. It is nil when there is none: then the ReLU lies in front of the network.
func (m *matcher) unit(relu *graph.Node) (*unit, *graph.Node, error) {
	after := &affine{}
	for v, steps := relu.Inputs[0], 0; steps < 64; steps++ {
		n := m.g.By[v]
		if n == nil || len(n.Inputs) == 0 {
			return nil, nil, nil
		}
		switch m.d.kind(n) {
		case opPass:
			v = n.Inputs[0]
		case opConv:
			u, err := m.weights(n, after)
			return u, n, err
		case opAffine:
			next, err := m.d.affine(m, n, after)
			if err != nil {
				return nil, nil, fmt.Errorf("%v: %w", n, err)
			}
			v = next
		default:
			return nil, nil, nil
		}
	}
	return nil, nil, fmt.Errorf("node %q at offset %d: more than 64 operators between a convolution and its ReLU",
		relu.Name, relu.At)
}

// weights reads where a convolution's weights lie.
func (m *matcher) weights(n *graph.Node, after *affine) (*unit, error) {
	if len(n.Inputs) < 2 {
		return nil, fmt.Errorf("convolution %q at offset %d has no weights", n.Name, n.At)
	}
	k := m.constant(n.Inputs[1])
	if k == nil {
		return nil, fmt.Errorf("convolution %q at offset %d: its weights %q are not a constant: freeze the graph first",
			n.Name, n.At, n.Inputs[1])
	}
	u := &unit{weight: k.Tensor, layout: m.d.layout(), after: after}
	u.weight.Name = n.Inputs[1]
	if len(n.Inputs) > 2 && n.Inputs[2] != "" {
		b, err := m.vector(n.Inputs[2])
		if err == nil {
			err = after.before(nil, b)
		}
		if err != nil {
			return nil, fmt.Errorf("convolution %q at offset %d: its bias: %w", n.Name, n.At, err)
		}
	}
	return u, nil
}

// constant follows identities to a constant.
func (m *matcher) constant(v string) *graph.Const {
	for range 16 {
		if k := m.g.Consts[v]; k != nil {
			return k
		}
		n := m.g.By[v]
		if n == nil || len(n.Inputs) == 0 || m.d.kind(n) != opPass {
			return nil
		}
		v = n.Inputs[0]
	}
	return nil
}

// affine is y = scale x + shift for each channel, built from the end; nil slices are 1 and 0.
type affine struct{ scale, shift []float64 }

var errChannels = errors.New("scales or shifts another number of channels than the operators behind it")

// before puts z = scale x + shift in front: y = S z + T becomes y = S scale x + (T + S shift). nil
// slices are 1 and 0; one element stands for all.
func (a *affine) before(scale, shift []float64) error {
	n := 1
	for _, v := range [][]float64{a.scale, a.shift, scale, shift} {
		if len(v) > 1 {
			if n > 1 && len(v) != n {
				return errChannels
			}
			n = len(v)
		}
	}
	at := func(v []float64, i int, missing float64) float64 {
		switch len(v) {
		case 0:
			return missing
		case 1:
			return v[0]
		}
		return v[i]
	}
	s, t := make([]float64, n), make([]float64, n)
	for i := range n {
		s[i] = at(a.scale, i, 1) * at(scale, i, 1)
		t[i] = at(a.shift, i, 0) + at(a.scale, i, 1)*at(shift, i, 0)
	}
	a.scale, a.shift = s, t
	return nil
}

// matchTrunk finds the global average pool behind Mixed_7c, or Mixed_7c itself where there is none,
// and returns that node and the finished match.
func matchTrunk(g *graph.Graph, d dialect) (*graph.Node, *matcher, error) {
	o, err := newOutline()
	if err != nil {
		return nil, nil, err
	}
	var best error
	depth, tried, elsewhere := -1, 0, false
	try := func(n *graph.Node, v string, pooled bool) *matcher {
		if tried++; tried > 16 {
			return nil
		}
		m := &matcher{outline: o, g: g, d: d, units: map[string]*unit{}, symbols: map[string]string{},
			open: map[string]bool{}, vectors: map[string][]float64{}, pooled: pooled}
		s, err := m.feature(v)
		if err == nil && s == "Mixed_7c" && m.next == len(o.layers) {
			return m
		}
		elsewhere = elsewhere || pooled && (err == nil || m.next == 0)
		if err == nil {
			err = fmt.Errorf("what %v reads is %s, want the last block of InceptionV3: save the whole network", n, short(s))
		}
		if m.next > depth {
			best, depth = err, m.next
		}
		return nil
	}
	for _, n := range g.Nodes {
		if len(n.Inputs) == 0 || d.kind(n) != opGlobalPool && d.kind(n) != opAvgPool {
			continue
		}
		if d.kind(n) == opAvgPool {
			alone := &matcher{g: g, d: d, open: map[string]bool{}, vectors: map[string][]float64{}}
			if p, err := d.pool(alone, n); err != nil || p.kernel == [2]int{3, 3} {
				continue
			}
		}
		if m := try(n, n.Inputs[0], true); m != nil {
			return n, m, nil
		}
	}
	if reason := best; tried == 0 || elsewhere {
		if m, n := unpooled(g, d, try); m != nil {
			return n, m, nil
		}
		best = cmp.Or(reason, best)
	}
	if depth <= 0 {
		best = cmp.Or(otherActivation(g, d, o), best)
	}
	if best == nil {
		best = errors.New("has no global average pool: it is not the graph of an InceptionV3")
	}
	return nil, nil, fmt.Errorf("%s graph: %w", g.Dialect, best)
}

// otherActivation says that convolutions as many as the network's are there, and no ReLU behind them.
func otherActivation(g *graph.Graph, d dialect, o *outline) error {
	convs, count, most := 0, map[string]int{}, ""
	for _, n := range g.Nodes {
		switch d.kind(n) {
		case opConv:
			convs++
		case opRelu:
			return nil
		case opOther:
			if count[n.Op]++; activations[n.Op] != "" && count[n.Op] > count[most] {
				most = n.Op
			}
		}
	}
	if convs < len(o.layers) || most == "" {
		return nil
	}
	return fmt.Errorf("its %d convolutions are followed by %s, and rehead computes InceptionV3 with ReLU alone: "+
		"it cannot run this network; take one that was trained with ReLU", convs, most)
}

// unpooled looks for Mixed_7c among the last concatenations, when nothing pools it by its average, or
// not as it is.
func unpooled(g *graph.Graph, d dialect, try func(*graph.Node, string, bool) *matcher) (*matcher, *graph.Node) {
	outputs := map[*graph.Node]string{}
	for v, n := range g.By {
		outputs[n] = v
	}
	left := 3
	for i := len(g.Nodes) - 1; i >= 0 && left > 0; i-- {
		n := g.Nodes[i]
		if d.kind(n) != opConcat || len(n.Inputs) < 2 || outputs[n] == "" {
			continue
		}
		left--
		if m := try(n, outputs[n], false); m != nil {
			return m, n
		}
	}
	return nil, nil
}

// short cuts a long symbol.
func short(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
