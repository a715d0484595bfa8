package onnxruntime

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/c236555e/rehead/internal/onnx"
	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/ort"
)

// graph is a network as an ONNX file.
type graph struct {
	model   []byte
	input   ort.Tensor
	outputs []ort.Tensor
}

// newGraph writes net as ONNX, from float32 to float32. With half, maps and their weights are float16
// in between; what is made of whole maps is float32 again.
func newGraph(net *ir.Net, half bool) (*graph, error) {
	b := &builder{net: net, half: half, full: map[int]string{}, halves: map[int]string{}}
	in := net.Values[net.Input]
	g := &graph{input: ort.Tensor{Name: "in", Shape: in.Shape}}
	b.Inputs = []onnx.Value{{Name: g.input.Name, Shape: in.Shape}}
	b.full[net.Input] = g.input.Name
	for i := range net.Steps {
		if err := b.step(&net.Steps[i]); err != nil {
			return nil, err
		}
	}
	for i, v := range net.Outputs {
		name := fmt.Sprintf("out%d", i) // of its own, as a value may be wanted twice, and the input, too
		b.Node("Identity", name, []string{b.float32(v)})
		shape := net.Values[v].Shape
		b.Outputs = append(b.Outputs, onnx.Value{Name: name, Shape: shape})
		g.outputs = append(g.outputs, ort.Tensor{Name: name, Shape: shape})
	}
	var file bytes.Buffer
	if err := (onnx.File{Graph: &b.Graph}).Write(&file); err != nil {
		return nil, err
	}
	g.model = file.Bytes()
	return g, nil
}

// builder puts a graph together.
type builder struct {
	onnx.Graph
	net    *ir.Net
	half   bool
	full   map[int]string // what holds a value in float32
	halves map[int]string // what holds it in float16
	names  int
}

// name is a name that nothing else has.
func (b *builder) name(kind string) string {
	b.names++
	return fmt.Sprintf("%s%d", kind, b.names)
}

// float32 is a value in float32.
func (b *builder) float32(v int) string {
	if b.full[v] == "" {
		b.full[v] = b.cast(b.halves[v], onnx.Float32)
	}
	return b.full[v]
}

// pixels is a value in the type that maps have.
func (b *builder) pixels(v int) string {
	if !b.half {
		return b.float32(v)
	}
	if b.halves[v] == "" {
		b.halves[v] = b.cast(b.full[v], onnx.Float16)
	}
	return b.halves[v]
}

func (b *builder) cast(from string, to onnx.Type) string {
	return b.apply("Cast", []string{from}, onnx.Int("to", int(to)))
}

// apply adds a node and returns the name of what it gives.
func (b *builder) apply(op string, in []string, attrs ...onnx.Attribute) string {
	out := b.name(op)
	b.Node(op, out, in, attrs...)
	return out
}

// weights adds weights of float32 and returns their name.
func (b *builder) weights(w []float32, shape ...int) string {
	name := b.name("weights")
	b.Tensor(name, shape, w)
	return name
}

// mapWeights adds weights in the type that maps have.
func (b *builder) mapWeights(w []float32, shape ...int) (string, error) {
	if !b.half {
		return b.weights(w, shape...), nil
	}
	raw := make([]byte, 0, 2*len(w))
	for i, v := range w {
		h, ok := safetensors.Half(v)
		if !ok {
			return "", fmt.Errorf("weight %d is %v, which float16 does not hold: use kernel float32", i, v)
		}
		raw = binary.LittleEndian.AppendUint16(raw, h)
	}
	name := b.name("weights")
	b.Raw(name, onnx.Float16, shape, raw)
	return name, nil
}

// step adds the nodes of one step.
func (b *builder) step(s *ir.Step) error {
	name, half, err := b.operator(s)
	if err != nil {
		return fmt.Errorf("onnxruntime: %v %q: %w", s.Kind, s.Name, err)
	}
	if s.ReLU {
		name = b.apply("Relu", []string{name})
	}
	if half {
		b.halves[s.Out] = name
	} else {
		b.full[s.Out] = name
	}
	return nil
}

// operator adds a step's own node and says what gives its value, and whether in float16.
func (b *builder) operator(s *ir.Step) (name string, half bool, err error) {
	switch s.Kind {
	case ir.GlobalAvgPool:
		return b.mean(b.float32(s.In[0])), false, nil
	case ir.Moments:
		return b.moments(b.float32(s.In[0]), b.net.Values[s.In[0]].Shape), false, nil
	case ir.Dense:
		w, bias := b.weights(s.W, len(s.B), len(s.W)/len(s.B)), b.weights(s.B, len(s.B))
		return b.apply("Gemm", []string{b.float32(s.In[0]), w, bias}, onnx.Int("transB", 1)), false, nil
	case ir.Softmax:
		return b.apply("Softmax", []string{b.float32(s.In[0])}, onnx.Int("axis", -1)), false, nil
	}
	var in []string
	for _, v := range s.In {
		in = append(in, b.pixels(v))
	}
	name, err = b.onMaps(s, in)
	return name, b.half, err
}

// onMaps adds the node of a step that makes a map of maps.
func (b *builder) onMaps(s *ir.Step, in []string) (string, error) {
	switch s.Kind {
	case ir.Conv:
		channels := b.net.Values[s.In[0]].Shape[0]
		w, err := b.mapWeights(s.W, len(s.B), channels, s.Window.KH, s.Window.KW)
		if err != nil {
			return "", err
		}
		bias, err := b.mapWeights(s.B, len(s.B))
		return b.apply("Conv", append(in, w, bias), window(s.Window)...), err
	case ir.Affine:
		w, err := b.mapWeights(s.W, 1, len(s.W), 1, 1)
		if err != nil {
			return "", err
		}
		bias, err := b.mapWeights(s.B, 1, len(s.B), 1, 1)
		return b.apply("Add", []string{b.apply("Mul", append(in, w)), bias}), err
	case ir.ReLU:
		return b.apply("Relu", in), nil
	case ir.MaxPool:
		return b.apply("MaxPool", in, window(s.Window)...), nil
	case ir.AvgPool:
		border := 0
		if s.CountBorder {
			border = 1
		}
		return b.apply("AveragePool", in, append(window(s.Window), onnx.Int("count_include_pad", border))...), nil
	case ir.Concat:
		return b.apply("Concat", in, onnx.Int("axis", 1)), nil
	}
	return "", errors.New("has no translation to ONNX")
}

// window is where convolutions and pools look.
func window(w ir.Window) []onnx.Attribute {
	return []onnx.Attribute{
		onnx.Ints("kernel_shape", w.KH, w.KW),
		onnx.Ints("strides", w.StrideH, w.StrideW),
		onnx.Ints("pads", w.Top, w.Left, w.Bottom, w.Right),
	}
}

// mean is the average of each channel: [N,C,H,W] -> [N,C].
func (b *builder) mean(x string) string { return b.flat(b.apply("GlobalAveragePool", []string{x})) }

// flat makes vectors of what stands in x: [N,...] -> [N,F].
func (b *builder) flat(x string) string { return b.apply("Flatten", []string{x}, onnx.Int("axis", 1)) }

// moments is what ir.Moments gives of x [N,C,H,W]: the mean, those of the quarters and the deviation.
func (b *builder) moments(x string, shape []int) string {
	mean := b.apply("GlobalAveragePool", []string{x})
	distance := b.apply("Sub", []string{x, mean})
	variance := b.mean(b.apply("Mul", []string{distance, distance}))
	parts := []string{b.flat(mean), b.quarters(x, shape[1], shape[2]), b.apply("Sqrt", []string{variance})}
	return b.apply("Concat", parts, onnx.Int("axis", 1))
}

// quarters is the averages over the four quarters of x, which share a row or column in the middle:
// [N,C,H,W] -> [N,4C], quarter by quarter.
func (b *builder) quarters(x string, h, w int) string {
	// Windows of the larger half's size, the smaller half apart, cover both halves; one row or column
	// is both halves.
	four := b.apply("AveragePool", []string{x},
		onnx.Ints("kernel_shape", (h+1)/2, (w+1)/2), onnx.Ints("strides", max(h/2, 1), max(w/2, 1)))
	if h == 1 {
		four = b.apply("Concat", []string{four, four}, onnx.Int("axis", 2))
	}
	if w == 1 {
		four = b.apply("Concat", []string{four, four}, onnx.Int("axis", 3))
	}
	return b.flat(b.apply("Transpose", []string{four}, onnx.Ints("perm", 0, 2, 3, 1)))
}
