package convert

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// ONNX Runtime's optimiser (ORT_ENABLE_ALL) saves convolutions for one kind of processor, in a domain of
// their own: channels are filled up with zeros to a multiple of a block, and weights [O,I,H,W] lie as
// [O/B,I/B,H,W,B of I,B of O], or [O/B,I,H,W,B of O] where the input is no blocked value, in a tensor that
// says [O,I,H,W] all the same. B is 16 or, on processors without AVX-512, 8, which the file does not say.

const blockedDomain = "com.microsoft.nchwc."

// blockSizes are those of ONNX Runtime's kernels.
var blockSizes = []int{8, 16}

// surely is by how much, in the logarithm of the likelihood, one size of a block has to explain the
// weights better than the other.
const surely = 500

const sayBlocked = "use the model as exported, or one that was saved with graph_optimization_level = ORT_ENABLE_BASIC"

// blocked rewrites the operators of ONNX Runtime's blocked layouts.
type blocked struct {
	g     *graph.Graph
	size  int // of a block
	known map[*graph.Node]bool
	// of convolutions: whether what they read lies in blocks
	inputs map[*graph.Node]bool
}

// unblock gives the operators of blocked layouts their standard form.
func unblock(g *graph.Graph) error {
	var nodes, convs []*graph.Node
	for _, n := range g.Nodes {
		if strings.HasPrefix(n.Op, blockedDomain) {
			nodes = append(nodes, n)
			if n.Op == blockedDomain+"Conv" {
				convs = append(convs, n)
			}
		}
	}
	if len(nodes) == 0 {
		return nil
	}
	b := &blocked{g: g, known: map[*graph.Node]bool{}, inputs: map[*graph.Node]bool{}}
	for _, n := range convs {
		b.inputs[n] = len(n.Inputs) > 0 && b.reordered(n.Inputs[0])
	}
	err := b.measure(convs)
	for _, n := range nodes {
		if err == nil {
			if err = b.standard(n); err != nil {
				err = fmt.Errorf("%v: %w", n, err)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("ONNX Runtime optimised the model for one processor, with its weights in an order of its own: "+
			"%w: %s", err, sayBlocked)
	}
	return nil
}

// reordered reports whether a value lies in blocks, as all does that is made of such values.
func (b *blocked) reordered(v string) bool {
	n := b.g.By[v]
	if n == nil || n.Op == blockedDomain+"ReorderOutput" {
		return false
	}
	is, known := b.known[n]
	if !known {
		b.known[n] = false // whatever depends on itself
		is = strings.HasPrefix(n.Op, blockedDomain) || slices.ContainsFunc(n.Inputs, b.reordered)
		b.known[n] = is
	}
	return is
}

// filter is the constant of a convolution's weights, and whether its inputs are in blocks.
func (b *blocked) filter(n *graph.Node) (*graph.Const, bool, error) {
	if len(n.Inputs) < 2 || len(n.Inputs) > 3 {
		return nil, false, fmt.Errorf("has %d inputs, want a value, weights and a bias", len(n.Inputs))
	}
	k := b.g.Consts[n.Inputs[1]]
	if k == nil || len(k.Shape) != 4 || k.Len() == 0 || !k.DType.Float() {
		return nil, false, fmt.Errorf("its weights %q are no constant of four axes", n.Inputs[1])
	}
	if g, ok := n.Attrs["group"]; ok && g.Int != 1 {
		return nil, false, fmt.Errorf("it has %d groups, want 1", g.Int)
	}
	return k, b.inputs[n], nil
}

// measure tells the size of a block: channels are its multiples, and the weights of one output are of one
// size, which those of several outputs, as another block would mix them, are not.
func (b *blocked) measure(convs []*graph.Node) error {
	sizes, likely := slices.Clone(blockSizes), map[int]float64{}
	for _, n := range convs {
		k, in, err := b.filter(n)
		if err != nil {
			return fmt.Errorf("%v: %w", n, err)
		}
		sizes = slices.DeleteFunc(sizes, func(s int) bool {
			return k.Shape[0]%s != 0 || in && k.Shape[1]%s != 0 || !in && k.Shape[1] >= s
		})
	}
	for _, n := range convs {
		if len(sizes) < 2 || math.Abs(likely[sizes[0]]-likely[sizes[1]]) > 2*surely {
			break
		}
		k := b.g.Consts[n.Inputs[1]]
		w, err := finite(k.Tensor)
		if err != nil {
			return err
		}
		for _, s := range sizes {
			likely[s] += likelihood(w, k.Shape[0], s)
		}
	}
	slices.SortFunc(sizes, func(a, b int) int {
		if likely[a] > likely[b] {
			return -1
		}
		return 1
	})
	if len(sizes) == 0 || len(sizes) > 1 && !(likely[sizes[0]]-likely[sizes[1]] > surely) {
		return errors.New("neither its channels nor its weights tell whether 8 or 16 channels make a block")
	}
	b.size = sizes[0]
	return nil
}

// likelihood is the logarithm of how likely weights are, up to what does not depend on the block, if the
// outputs are in blocks of that many, and those of one output are normal about 0 with a variance of its own.
func likelihood(w []float32, outputs, block int) float64 {
	per := len(w) / outputs
	squares, all := make([]float64, outputs), 0.0
	for i, v := range w {
		x := float64(v) * float64(v)
		squares[i/(per*block)*block+i%block] += x
		all += x
	}
	sum := 0.0
	for _, s := range squares {
		sum -= float64(per) / 2 * math.Log((s+1e-9*all/float64(outputs))/float64(per)+math.SmallestNonzeroFloat64)
	}
	return sum
}

// standard makes an operator one of ONNX's own.
func (b *blocked) standard(n *graph.Node) error {
	op := strings.TrimPrefix(n.Op, blockedDomain)
	switch {
	case len(n.Inputs) == 0 || len(n.Outputs) == 0:
		return errors.New("has no inputs or outputs")
	case op == "Conv":
		return b.conv(n)
	case (op == "ReorderInput" || op == "ReorderOutput") && n.Attrs["channels_last"].Int == 0:
		op, n.Inputs = "Identity", n.Inputs[:1]
	case op == "MaxPool" || op == "AveragePool" || op == "GlobalAveragePool" || op == "GlobalMaxPool" || op == "Concat":
	default:
		return errors.New("is not an operator of this network")
	}
	n.Op = op
	return nil
}

// conv puts a convolution's weights in order and cuts off the channels of zeros that fill its last block.
func (b *blocked) conv(n *graph.Node) error {
	k, reordered, err := b.filter(n)
	if err != nil {
		return err
	}
	act := n.Attrs["activation"].Text
	if act != "" && act != "Relu" {
		return fmt.Errorf("its activation is %q, want none or Relu", act)
	}
	w, err := b.ordered(k, reordered)
	if err != nil {
		return err
	}
	var bias []float32
	if len(n.Inputs) > 2 && n.Inputs[2] != "" {
		c := b.g.Consts[n.Inputs[2]]
		if c == nil {
			return fmt.Errorf("its bias %q is not a constant", n.Inputs[2])
		}
		if bias, err = vector(&c.Tensor, k.Shape[0]); err != nil {
			return err
		}
	}
	shape := slices.Clone(k.Shape)
	shape[0], shape[1] = b.used(w, bias, k.Shape, reordered)
	load := func(dst []float32) error {
		w, err := b.ordered(k, reordered)
		cells := shape[2] * shape[3]
		for o := range shape[0] {
			if err == nil {
				copy(dst[o*shape[1]*cells:][:shape[1]*cells], w[o*k.Shape[1]*cells:])
			}
		}
		return err
	}
	own := n.Outputs[0] + "/blocked"
	consts := []*graph.Const{{Tensor: raw.Tensor{Name: k.Name, Shape: shape, DType: raw.F32, Offset: k.Offset,
		Load: load}}}
	if bias != nil {
		consts = append(consts, &graph.Const{Tensor: raw.Tensor{Name: n.Inputs[2], Shape: shape[:1], DType: raw.F32,
			Offset: b.g.Consts[n.Inputs[2]].Offset, Load: func(dst []float32) error {
				copy(dst, bias)
				return nil
			}}})
	}
	n.Op, n.Inputs = "Conv", n.Inputs[:1]
	for i, c := range consts {
		name := fmt.Sprintf("%s%d", own, i)
		if err := b.g.AddConst(name, c); err != nil {
			return err
		}
		n.Inputs = append(n.Inputs, name)
	}
	if act == "" {
		return nil
	}
	return relu(b.g, n)
}

// ordered reads weights as [O,I,H,W].
func (b *blocked) ordered(k *graph.Const, reordered bool) ([]float32, error) {
	src, err := finite(k.Tensor)
	if err != nil {
		return nil, err
	}
	in, cells, wide := k.Shape[1], k.Shape[2]*k.Shape[3], 1
	if reordered {
		wide = b.size
	}
	dst := make([]float32, len(src))
	for at, v := range src {
		o, rest := at%b.size, at/b.size
		i, rest := rest%wide, rest/wide
		cell, rest := rest%cells, rest/cells
		i += rest % (in / wide) * wide
		o += rest / (in / wide) * b.size
		dst[(o*in+i)*cells+cell] = v
	}
	return dst, nil
}

// used are the numbers of outputs and inputs before the last block was filled up with zeros.
func (b *blocked) used(w, bias []float32, shape []int, reordered bool) (outputs, inputs int) {
	in, cells := shape[1], shape[2]*shape[3]
	zero := func(v []float32) bool { return !slices.ContainsFunc(v, func(x float32) bool { return x != 0 }) }
	outputs, inputs = shape[0], in
	for last := outputs - b.size + 1; outputs > last; outputs-- {
		if !zero(w[(outputs-1)*in*cells:][:in*cells]) || bias != nil && bias[outputs-1] != 0 {
			break
		}
	}
	for last := inputs - b.size + 1; reordered && inputs > last; inputs-- {
		for o := range outputs {
			if !zero(w[(o*in+inputs-1)*cells:][:cells]) {
				return outputs, inputs
			}
		}
	}
	return outputs, inputs
}
