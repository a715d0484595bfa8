package convert

import (
	"errors"
	"fmt"
	"slices"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// Quantised ONNX graphs are rewritten in floating point before they are matched: constants behind a
// DequantizeLinear (QDQ), in QLinearConv and QGemm (QOperator) and in ConvInteger (dynamic) get
// their real values, pairs of QuantizeLinear and DequantizeLinear go away. Quantisers drop a ReLU
// whose output is quantised from zero on, because the clamping does its work: it is put back.

// quantized rewrites one graph.
type quantized struct {
	g    *graph.Graph
	made int
}

// dequantize rewrites a graph that is quantised, says whether it is, and leaves others alone.
func dequantize(g *graph.Graph) (bool, error) {
	q := &quantized{g: g}
	for _, n := range slices.Clone(g.Nodes) {
		var err error
		switch n.Op {
		case "QuantizeLinear":
			err = q.quantize(n)
		case "DequantizeLinear":
			err = q.dequantize(n)
		case "DynamicQuantizeLinear":
			err = q.dynamic(n)
		case "ConvInteger", "MatMulInteger":
			err = q.integer(n)
		case "QLinearConv":
			err = q.conv(n)
		case "com.microsoft.QGemm":
			err = q.gemm(n)
		case "com.microsoft.QLinearAveragePool":
			err = q.plain(n, "AveragePool", n.Inputs[:min(1, len(n.Inputs))], 4)
		case "com.microsoft.QLinearGlobalAveragePool":
			err = q.plain(n, "GlobalAveragePool", n.Inputs[:min(1, len(n.Inputs))], 4)
		case "com.microsoft.QLinearConcat":
			var in []string
			for i := 2; i < len(n.Inputs); i += 3 {
				in = append(in, n.Inputs[i])
			}
			err = q.plain(n, "Concat", in, 1)
		}
		if err != nil {
			return true, fmt.Errorf("%v: %w", n, err)
		}
	}
	return q.made > 0, nil
}

// name is a new name for a value or constant.
func (q *quantized) name(base string) string {
	q.made++
	return fmt.Sprintf("%s/float%d", base, q.made)
}

// ints reads the elements of an integer constant.
func ints(k *graph.Const) ([]int64, error) {
	if k == nil {
		return nil, errors.New("its quantised values are not constant")
	}
	n := k.Len()
	if k.Body == nil {
		if len(k.Ints) != n {
			return nil, fmt.Errorf("constant %q at offset %d has %d values, want %d", k.Name, k.Offset, len(k.Ints), n)
		}
		return k.Ints, nil
	}
	c := *k.Body
	b, err := c.Bytes(c.Remaining())
	if err != nil {
		return nil, err
	}
	out := make([]int64, n)
	for i := range out {
		switch k.DType {
		case raw.I8:
			out[i] = int64(int8(b[i]))
		case raw.U8:
			out[i] = int64(b[i])
		case raw.I32:
			out[i] = int64(int32(uint32(b[4*i]) | uint32(b[4*i+1])<<8 | uint32(b[4*i+2])<<16 | uint32(b[4*i+3])<<24))
		default:
			return nil, fmt.Errorf("constant %q at offset %d is of %v, want int8, uint8 or int32", k.Name, k.Offset, k.DType)
		}
	}
	return out, nil
}

// zero reads the zero point with that name: one number, or one a channel; 0 without one.
func (q *quantized) zero(v string) ([]int64, error) {
	if v == "" {
		return []int64{0}, nil
	}
	return ints(q.g.Consts[v])
}

// maxScales bounds the scales of one tensor: blocks of 16 of the largest at the greatest width.
const maxScales = 1 << 20

// scales reads a constant of scales.
func (q *quantized) scales(v string) ([]float64, error) {
	k := q.g.Consts[v]
	if k == nil || k.Len() > maxScales {
		return nil, fmt.Errorf("its scale %q is not a constant of one number, or one a channel or block", v)
	}
	f, err := finite(k.Tensor)
	out := make([]float64, len(f))
	for i, x := range f {
		out[i] = float64(x)
	}
	return out, err
}

// grid says which scale, and which zero point, each element of a constant has: one for all, one for
// each place along an axis, or one for each block of some places along it.
type grid struct {
	axis  int
	block int // places of a block; 0 without blocks
}

// steps returns, for a shape, how many scales there are, and which of them each element has.
func (d grid) steps(shape []int) (n int, of func(i int) int, err error) {
	axis := d.axis
	if axis < 0 {
		axis += len(shape)
	}
	if axis < 0 || axis >= len(shape) || d.block < 0 {
		return 0, nil, fmt.Errorf("of shape %v has scales along axis %d", shape, d.axis)
	}
	inner, total := 1, 1
	for i, v := range shape {
		if total *= v; i > axis {
			inner *= v
		}
	}
	dim := shape[axis]
	if d.block == 0 {
		return dim, func(i int) int { return i / inner % dim }, nil
	}
	blocks := (dim + d.block - 1) / d.block
	return total / max(dim, 1) * blocks, func(i int) int {
		return (i/(inner*dim)*blocks+i/inner%dim/d.block)*inner + i%inner
	}, nil
}

// real makes a constant of the real values of an integer constant, (x-zero)*scale.
func (q *quantized) real(v string, scale []float64, zero []int64, d grid) (string, error) {
	k := q.g.Consts[v]
	if k == nil {
		return "", fmt.Errorf("its quantised weights %q are not a constant", v)
	}
	if len(scale) == 0 || len(zero) == 0 {
		return "", fmt.Errorf("constant %q has no scale", v)
	}
	of := func(int) int { return 0 }
	if len(scale) > 1 || len(zero) > 1 {
		n, step, err := d.steps(k.Shape)
		if err == nil && (len(scale) != n && len(scale) != 1 || len(zero) != n && len(zero) != 1) {
			err = fmt.Errorf("of shape %v has %d scales and %d zero points along axis %d, want %d", k.Shape, len(scale),
				len(zero), d.axis, n)
		}
		if err != nil {
			return "", fmt.Errorf("constant %q %w", v, err)
		}
		of = step
	}
	name := q.name(v)
	r := &graph.Const{Tensor: k.Tensor}
	r.Name, r.DType, r.Span = v, raw.F32, 0
	r.Load = func(dst []float32) error {
		x, err := ints(k)
		if err != nil {
			return err
		}
		for i := range dst {
			c := of(i)
			dst[i] = float32(float64(x[i]-zero[c%len(zero)]) * scale[c%len(scale)])
		}
		return nil
	}
	return name, q.g.AddConst(name, r)
}

// clamps reports whether a quantiser's zero point is the least of its type, so that what is
// negative becomes zero.
func (q *quantized) clamps(v string) bool {
	z, err := q.zero(v)
	if err != nil || len(z) != 1 {
		return false
	}
	k := q.g.Consts[v]
	return k == nil && z[0] == 0 || k != nil && (k.DType == raw.U8 && z[0] == 0 || k.DType == raw.I8 && z[0] == -128)
}

// linear reports whether a value is made by a layer that can be negative.
func (q *quantized) linear(v string) bool {
	for range 16 {
		n := q.g.By[v]
		if n == nil || len(n.Inputs) == 0 {
			return false
		}
		switch n.Op {
		case "Conv", "BatchNormalization", "Gemm", "MatMul", "Add":
			return true
		case "Identity", "DequantizeLinear", "QuantizeLinear":
			v = n.Inputs[0]
		default:
			return false
		}
	}
	return false
}

// quantize makes a QuantizeLinear the ReLU that it may stand for, or nothing.
func (q *quantized) quantize(n *graph.Node) error {
	if len(n.Inputs) < 2 {
		return errors.New("has no scale")
	}
	zero := ""
	if len(n.Inputs) > 2 {
		zero = n.Inputs[2]
	}
	op := "Identity"
	if q.clamps(zero) && q.linear(n.Inputs[0]) {
		op = "Relu"
	}
	n.Op, n.Inputs = op, n.Inputs[:1]
	return nil
}

// dequantize gives constants their real values and hands anything else on.
func (q *quantized) dequantize(n *graph.Node) error {
	if len(n.Inputs) < 2 {
		return errors.New("has no scale")
	}
	if q.g.Consts[n.Inputs[0]] == nil {
		n.Op, n.Inputs = "Identity", n.Inputs[:1]
		return nil
	}
	scale, err := q.scales(n.Inputs[1])
	if err != nil {
		return err
	}
	zero := []int64{0}
	if len(n.Inputs) > 2 {
		if zero, err = q.zero(n.Inputs[2]); err != nil {
			return err
		}
	}
	axis := 1
	if a, ok := n.Attrs["axis"]; ok {
		axis = int(a.Int)
	}
	block := int(min(max(n.Attrs["block_size"].Int, -1), raw.MaxElements))
	v, err := q.real(n.Inputs[0], scale, zero, grid{axis, block})
	n.Op, n.Inputs = "Identity", []string{v}
	return err
}

// dynamic makes a DynamicQuantizeLinear hand its input on, with the scale 1.
func (q *quantized) dynamic(n *graph.Node) error {
	if len(n.Outputs) < 2 || len(n.Inputs) != 1 {
		return errors.New("has too few outputs")
	}
	n.Op = "Identity"
	delete(q.g.By, n.Outputs[1])
	return q.g.AddConst(n.Outputs[1], &graph.Const{Tensor: raw.Tensor{Name: n.Outputs[1], DType: raw.F32, Offset: n.At,
		Load: func(dst []float32) error {
			dst[0] = 1
			return nil
		}}})
}

// integer makes a ConvInteger or MatMulInteger the real one on weights of scale 1: the scale
// follows in the graph.
func (q *quantized) integer(n *graph.Node) error {
	if len(n.Inputs) < 2 {
		return errors.New("has no weights")
	}
	zero := []int64{0}
	var err error
	if len(n.Inputs) > 3 {
		if zero, err = q.zero(n.Inputs[3]); err != nil {
			return err
		}
	}
	axis := map[string]int{"ConvInteger": 0, "MatMulInteger": 1}[n.Op]
	w, err := q.real(n.Inputs[1], []float64{1}, zero, grid{axis: axis})
	n.Op = map[string]string{"ConvInteger": "Conv", "MatMulInteger": "MatMul"}[n.Op]
	n.Inputs = []string{n.Inputs[0], w}
	return err
}

// weights reads the real weights and bias at the given inputs of a node: weights, their scale and
// zero point at i, the bias at b, and the input's scale at 1.
func (q *quantized) weights(n *graph.Node, i, b, axis int) (out []string, err error) {
	scale, err := q.scales(n.Inputs[i+1])
	if err != nil {
		return nil, err
	}
	zero, err := q.zero(n.Inputs[i+2])
	if err != nil {
		return nil, err
	}
	w, err := q.real(n.Inputs[i], scale, zero, grid{axis: axis})
	if err != nil {
		return nil, err
	}
	out = []string{n.Inputs[0], w}
	if b >= len(n.Inputs) || n.Inputs[b] == "" {
		return out, nil
	}
	input, err := q.scales(n.Inputs[1])
	if err != nil || len(input) != 1 {
		return nil, errors.Join(errors.New("its input has no single scale"), err)
	}
	sums := slices.Clone(scale)
	for c := range sums {
		sums[c] *= input[0]
	}
	bias, err := q.real(n.Inputs[b], sums, []int64{0}, grid{})
	return append(out, bias), err
}

// conv rewrites a QLinearConv.
func (q *quantized) conv(n *graph.Node) error {
	if len(n.Inputs) < 8 {
		return fmt.Errorf("has %d inputs, want 8 or 9", len(n.Inputs))
	}
	in, err := q.weights(n, 3, 8, 0)
	if err != nil {
		return err
	}
	return q.plain(n, "Conv", in, 7)
}

// gemm rewrites a QGemm.
func (q *quantized) gemm(n *graph.Node) error {
	if len(n.Inputs) < 6 {
		return fmt.Errorf("has %d inputs, want 6 to 9", len(n.Inputs))
	}
	axis := 1
	if n.Attrs["transB"].Int != 0 {
		axis = 0
	}
	in, err := q.weights(n, 3, 6, axis)
	if err != nil {
		return err
	}
	return q.plain(n, "Gemm", in, 8)
}

// plain makes a node another operator; where its result is quantised from zero on, and it may be
// negative, a ReLU follows.
func (q *quantized) plain(n *graph.Node, op string, in []string, zero int) error {
	if len(in) == 0 || len(n.Outputs) == 0 {
		return errors.New("has no inputs or outputs")
	}
	clamps := (op == "Conv" || op == "Gemm") && zero < len(n.Inputs) && q.clamps(n.Inputs[zero])
	n.Op, n.Inputs = op, in
	if !clamps {
		return nil
	}
	return relu(q.g, n)
}

// relu puts a ReLU behind a node.
func relu(g *graph.Graph, n *graph.Node) error {
	v := n.Outputs[0]
	after := &graph.Node{Name: n.Name + "/Relu", Op: "Relu", Inputs: []string{v + "/linear"},
		Attrs: map[string]graph.Attr{},
		At:    n.At}
	delete(g.By, v)
	return errors.Join(g.Add(after, v), g.Reuse(n, v+"/linear"))
}
