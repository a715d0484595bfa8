package export

import (
	"encoding/binary"
	"encoding/json"
	"io"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/onnx"
	"github.com/c236555e/rehead/nn"
)

// ONNX writes the model as one ONNX file (IR version 8, operator set 13, weights inside):
//
//	in   image          [N,3,S,S]  RGB pixels, 0..255, resized by the caller to the recipe's S
//	out  probabilities  [N,K]      0..1, in the order of the labels, after the model's temperature
//	out  logits         [N,K]      before the temperature
//	out  bottleneck     [N,F]          what the head reads: see inception.Model.Reads
//	out  predictions    [N,K]      the probabilities again, for readers that take the last output
//
// Scaling to the trunk's range is part of the file. Its metadata holds "labels" and "recipe"
// (JSON), "trunk_digest" and "tool", and of a model that gives any number of labels, whose
// probabilities are sigmoids, "thresholds": from which probability on each label is given. The same
// model gives the same bytes. A model without its trunk is refused: attach it first.
//
// A model that computes with int8 is written in ONNX's form of that: QuantizeLinear and
// DequantizeLinear around each operator, activations in uint8, weights in int8 with a scale for each
// output, which ONNX Runtime turns into operators on integers. The head is float32.
func ONNX(m *inception.Model, w io.Writer) error { return Write(m, w, Config{Format: FormatONNX}) }

// ONNXFile writes what [ONNX] writes to path, whole or not at all; another file of this name is
// replaced.
func ONNXFile(m *inception.Model, path string) error {
	return WriteFile(m, path, Config{Format: FormatONNX})
}

// The names of what goes in and comes out.
const (
	inputName         = "image"
	probabilitiesName = "probabilities"
	logitsName        = "logits"
	bottleneckName    = "bottleneck"
	predictionsName   = "predictions"
)

// graph is an ONNX graph while it is put together.
type graph struct{ onnx.Graph }

// onnx writes the network as ONNX.
func (n *network) onnx(w io.Writer) error {
	size := n.Recipe.Size
	g := &graph{onnx.Graph{Inputs: []onnx.Value{{Name: inputName, Shape: []int{3, size, size}}}}}
	values, err := g.trunk(n)
	if err != nil {
		return err
	}
	read, shape := values[len(values)-1], n.layers[len(n.layers)-1].shape
	if n.head != nil && n.Reads != nil && !n.Reads.Foreign() {
		if read, err = g.features(n, values); err != nil {
			return err
		}
		shape = []int{n.head.Features}
	}
	g.Node("Identity", bottleneckName, []string{read})
	bottleneck := onnx.Value{Name: bottleneckName, Shape: shape}
	meta := [][2]string{}
	if n.head == nil {
		g.Outputs = []onnx.Value{bottleneck}
	} else {
		k := []int{n.head.Classes}
		g.Outputs = []onnx.Value{{Name: probabilitiesName, Shape: k}, {Name: logitsName, Shape: k}, bottleneck,
			{Name: predictionsName, Shape: k}}
		n.classify(g, g.head(n.head, read))
		if meta, err = n.labelled(); err != nil {
			return err
		}
	}
	recipe, err := json.Marshal(n.Recipe)
	if err != nil {
		return err
	}
	meta = append(meta, [2]string{"recipe", string(recipe)}, [2]string{"trunk_digest", n.TrunkDigest},
		[2]string{"flavor", string(n.Flavor)}, [2]string{"tool", "rehead " + n.ToolVersion})
	return onnx.File{Graph: &g.Graph, Tool: n.ToolVersion, Meta: meta}.Write(w)
}

// labelled is the metadata about the head.
func (n *network) labelled() ([][2]string, error) {
	labels, err := json.Marshal(n.Labels)
	if err != nil {
		return nil, err
	}
	meta := [][2]string{{"labels", string(labels)}}
	if n.MultiLabel() {
		thresholds := make([]float64, len(n.Labels))
		for k := range thresholds {
			thresholds[k] = n.Threshold(k)
		}
		text, err := json.Marshal(thresholds)
		if err != nil {
			return nil, err
		}
		meta = append(meta, [2]string{"thresholds", string(text)})
	}
	return meta, nil
}

// classify turns the raw logits into the file's outputs. Each output is a value that no node reads:
// converters to float16 put casts behind them. The probabilities come from the first output, from the
// last one and from the last node: readers that are told no name take one of these.
func (n *network) classify(g *graph, raw string) {
	scaled := raw
	if n.temperature() != 1 {
		scaled = "logits_over_temperature"
		g.Tensor("temperature", nil, []float32{float32(n.Temperature)})
		g.Node("Div", scaled, []string{raw, "temperature"})
	}
	g.Node("Identity", logitsName, []string{raw})
	const answer = "answer"
	if n.MultiLabel() {
		g.Node("Sigmoid", answer, []string{scaled})
	} else {
		g.Node("Softmax", answer, []string{scaled}, onnx.Int("axis", -1))
	}
	g.Node("Identity", probabilitiesName, []string{answer})
	g.Node("Identity", predictionsName, []string{answer})
}

// trunk adds the nodes up to the bottleneck and returns the names of what the layers give.
func (g *graph) trunk(n *network) ([]string, error) {
	r := n.Recipe
	g.Tensor("mean", []int{1, 3, 1, 1}, r.Mean[:])
	g.Tensor("std", []int{1, 3, 1, 1}, r.Std[:])
	g.Node("Sub", "centred", []string{inputName, "mean"})
	g.Node("Div", "scaled", []string{"centred", "std"})
	q, err := newQuantizer(n)
	if err != nil {
		return nil, err
	}
	first, values := q.pair(g, "scaled", input), make([]string, len(n.layers))
	for i := range n.layers {
		l := &n.layers[i]
		var in []string
		for _, v := range l.in {
			if v == input {
				in = append(in, first)
			} else {
				in = append(in, values[v])
			}
		}
		if err := g.operator(n.layers, i, in, q); err != nil {
			return nil, err
		}
		values[i] = l.name
		if l.kind < globalMean {
			values[i] = q.pair(g, l.name, i)
		}
	}
	return values, nil
}

// operator adds a layer's nodes; what they give has the layer's name.
func (g *graph) operator(layers []layer, at int, in []string, q *quantizer) error {
	l := &layers[at]
	switch l.kind {
	case convolution:
		w, err := q.weights(g, l, at)
		if err != nil {
			return err
		}
		in = append(in, w...)
		g.Node("Conv", l.name+".sum", in, l.attributes()...)
		g.Node("Relu", l.name, []string{l.name + ".sum"})
	case maxPool:
		g.Node("MaxPool", l.name, in, l.attributes()...)
	case avgPool:
		w, counted := l.window, 0
		if l.border && w.padded() && q == nil { // OpenCV 4 does not read count_include_pad
			g.border(l.name, in[0], w.padding)
			in, w.padding = []string{l.name + ".padded"}, nn.Padding{}
		} else if l.border {
			counted = 1
		}
		g.Node("AveragePool", l.name, in, append(w.attributes(), onnx.Int("count_include_pad", counted))...)
	case concat, join:
		g.Node("Concat", l.name, in, onnx.Int("axis", 1))
	case globalMean:
		g.Node("GlobalAveragePool", l.name+".map", in)
		g.Node("Flatten", l.name, []string{l.name + ".map"}, onnx.Int("axis", 1))
	case globalMax:
		g.Node("GlobalMaxPool", l.name+".map", in)
		g.Node("Flatten", l.name, []string{l.name + ".map"}, onnx.Int("axis", 1))
	case flatten:
		g.Node("Transpose", l.name+".map", in, onnx.Ints("perm", 0, 2, 3, 1))
		g.Node("Flatten", l.name, []string{l.name + ".map"}, onnx.Int("axis", 1))
	}
	return nil
}

// border puts zeros around a map, as a value of its own.
func (g *graph) border(name, in string, p nn.Padding) {
	var pads []byte
	for _, v := range []int{0, 0, p.Top, p.Left, 0, 0, p.Bottom, p.Right} {
		pads = binary.LittleEndian.AppendUint64(pads, uint64(v))
	}
	g.Raw(name+".pads", onnx.Int64, []int{8}, pads)
	g.Node("Pad", name+".padded", []string{in, name + ".pads"})
}

// attributes are those that convolutions and pools share.
func (w window) attributes() []onnx.Attribute {
	p := w.padding
	return []onnx.Attribute{
		onnx.Ints("kernel_shape", w.kernel[0], w.kernel[1]),
		onnx.Ints("strides", w.stride[0], w.stride[1]),
		onnx.Ints("pads", p.Top, p.Left, p.Bottom, p.Right),
	}
}
