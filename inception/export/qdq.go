package export

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/c236555e/rehead/internal/onnx"
	"github.com/c236555e/rehead/nn"
)

// quantizer writes a network of bytes as ONNX spells it: a pair of QuantizeLinear and
// DequantizeLinear behind each operator, and DequantizeLinear behind the integers of the weights. A
// nil one writes float32.
type quantizer struct {
	input step
	steps []step // of what each layer gives
	from  []step // of what it reads, for convolutions
}

// step is how bytes stand for numbers: (q - zero) * scale.
type step struct {
	scale float32
	zero  byte
}

// newQuantizer gives every layer its step, as nn does: a maximum keeps its input's, and the parts of
// a concatenation have that of the whole. It is nil for a model that computes with float32.
func newQuantizer(n *network) (*quantizer, error) {
	if n.Ranges == nil {
		return nil, nil
	}
	q := &quantizer{steps: make([]step, len(n.layers)), from: make([]step, len(n.layers))}
	r, ok := n.Ranges["input"]
	if !ok {
		return nil, errNoRange("input")
	}
	low, high := min(r.Low, 0), max(r.High, 0)
	q.input.scale = scaleOf(high - low)
	q.input.zero = byte(math.RoundToEven(float64(-low / q.input.scale)))
	whole := map[int]int{} // of a part: its concatenation
	for i, l := range n.layers {
		for _, v := range l.in {
			if l.kind == concat {
				whole[v] = i
			}
		}
	}
	for i, l := range n.layers {
		at := i
		for {
			up, part := whole[at]
			if !part {
				break
			}
			at = up
		}
		read := q.input
		if v := l.in[0]; v != input {
			read = q.steps[v]
		}
		q.from[i] = read
		switch r, ok := n.Ranges[n.layers[at].name]; {
		case l.kind >= globalMean:
		case l.kind == maxPool && at == i:
			q.steps[i] = read
		case !ok:
			return nil, errNoRange(n.layers[at].name)
		default:
			q.steps[i] = step{scale: scaleOf(r.High)}
		}
	}
	return q, nil
}

func errNoRange(name string) error {
	return fmt.Errorf("no range for %q: the model's are not of this network; train it again", name)
}

// scaleOf is what one is worth where 255 stands for high.
func scaleOf(high float32) float32 {
	if s := high / 255; s > 0 {
		return s
	}
	return 1
}

// pair adds a pair behind a layer's value and returns the name of what it gives.
func (q *quantizer) pair(g *graph, name string, at int) string {
	if q == nil {
		return name
	}
	s := q.input
	if at != input {
		s = q.steps[at]
	}
	scale, zero := name+".scale", name+".zero"
	g.Tensor(scale, nil, []float32{s.scale})
	g.Raw(zero, onnx.Uint8, nil, []byte{s.zero})
	g.Node("QuantizeLinear", name+".bytes", []string{name, scale, zero})
	g.Node("DequantizeLinear", name+".read", []string{name + ".bytes", scale, zero})
	return name + ".read"
}

// weights adds a convolution's weights and bias and returns their names.
func (q *quantizer) weights(g *graph, l *layer, at int) ([]string, error) {
	weight, bias := l.name+".weight", l.name+".bias"
	outs := l.filter[0]
	if q == nil {
		g.Tensor(weight, l.filter[:], l.weight)
		g.Tensor(bias, []int{outs}, l.bias)
		return []string{weight, bias}, nil
	}
	bytes, scales, err := quantized(l)
	if err != nil {
		return nil, err
	}
	sums, products := make([]byte, 0, 4*outs), make([]float32, outs)
	for o, s := range scales {
		products[o] = s * q.from[at].scale
		b := math.RoundToEven(float64(l.bias[o]) / float64(products[o]))
		sums = binary.LittleEndian.AppendUint32(sums, uint32(int32(min(max(b, math.MinInt32), math.MaxInt32))))
	}
	g.Raw(weight, onnx.Int8, l.filter[:], bytes)
	g.Raw(bias, onnx.Int32, []int{outs}, sums)
	g.Tensor(weight+".scale", []int{outs}, scales)
	g.Tensor(bias+".scale", []int{outs}, products)
	g.Raw(weight+".zero", onnx.Int8, []int{outs}, make([]byte, outs))
	g.Raw(bias+".zero", onnx.Int32, []int{outs}, make([]byte, 4*outs))
	for _, name := range []string{weight, bias} {
		g.Node("DequantizeLinear", name+".read", []string{name, name + ".scale", name + ".zero"}, onnx.Int("axis", 0))
	}
	return []string{weight + ".read", bias + ".read"}, nil
}

// quantized turns a convolution's weights into int8 in their own order, with a scale for each
// output. Neighbours are bounded in the order [KH,KW,I], in which ONNX Runtime's kernels multiply
// pixels of NHWC with them: without VNNI instructions they add two products in 16 bits.
func quantized(l *layer) (bytes []byte, scales []float32, err error) {
	outs, ins, area := l.filter[0], l.filter[1], l.filter[2]*l.filter[3]
	bytes, scales = make([]byte, len(l.weight)), make([]float32, outs)
	row, q := make([]float32, ins*area), make([]int8, ins*area)
	for o := range outs {
		w, to := l.weight[o*ins*area:][:ins*area], bytes[o*ins*area:]
		for i, v := range w {
			row[i%area*ins+i/area] = v
		}
		s, err := nn.QuantizeFilter(q, row, 1)
		if err != nil {
			return nil, nil, fmt.Errorf("weights of %q: %w", l.name, err)
		}
		scales[o] = float32(s)
		for i := range w {
			to[i] = byte(q[i%area*ins+i/area])
		}
	}
	return bytes, scales, nil
}
