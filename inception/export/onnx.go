package export

import (
	"encoding/binary"
	"encoding/json"
	"io"

	"github.com/c236555e/rehead/inception"
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

// onnx writes the network as ONNX.
func (n *network) onnx(w io.Writer) error {
	size := n.Recipe.Size
	g := &graph{inputs: []value{{inputName, []int{3, size, size}}}}
	values, err := g.trunk(n)
	if err != nil {
		return err
	}
	read, shape := values[len(values)-1], n.layers[len(n.layers)-1].shape
	if n.head != nil && n.Reads != nil {
		if read, err = g.features(n, values); err != nil {
			return err
		}
		shape = []int{n.head.Features}
	}
	g.node("Identity", bottleneckName, []string{read})
	bottleneck := value{bottleneckName, shape}
	meta := [][2]string{}
	if n.head == nil {
		g.outputs = []value{bottleneck}
	} else {
		k := []int{n.head.Classes}
		g.outputs = []value{{probabilitiesName, k}, {logitsName, k}, bottleneck, {predictionsName, k}}
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
	return file{graph: g, tool: n.ToolVersion, meta: meta}.write(w)
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
		g.tensor("temperature", nil, []float32{float32(n.Temperature)})
		g.node("Div", scaled, []string{raw, "temperature"})
	}
	g.node("Identity", logitsName, []string{raw})
	const answer = "answer"
	if n.MultiLabel() {
		g.node("Sigmoid", answer, []string{scaled})
	} else {
		g.node("Softmax", answer, []string{scaled}, integer("axis", -1))
	}
	g.node("Identity", probabilitiesName, []string{answer})
	g.node("Identity", predictionsName, []string{answer})
}

// trunk adds the nodes up to the bottleneck and returns the names of what the layers give.
func (g *graph) trunk(n *network) ([]string, error) {
	r := n.Recipe
	g.tensor("mean", []int{1, 3, 1, 1}, r.Mean[:])
	g.tensor("std", []int{1, 3, 1, 1}, r.Std[:])
	g.node("Sub", "centred", []string{inputName, "mean"})
	g.node("Div", "scaled", []string{"centred", "std"})
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
		if l.kind != globalMean {
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
		g.node("Conv", l.name+".sum", in, l.attributes()...)
		g.node("Relu", l.name, []string{l.name + ".sum"})
	case maxPool:
		g.node("MaxPool", l.name, in, l.attributes()...)
	case avgPool:
		w, counted := l.window, 0
		if l.border && w.padded() && q == nil { // OpenCV 4 does not read count_include_pad
			g.border(l.name, in[0], w.padding)
			in, w.padding = []string{l.name + ".padded"}, nn.Padding{}
		} else if l.border {
			counted = 1
		}
		g.node("AveragePool", l.name, in, append(w.attributes(), integer("count_include_pad", counted))...)
	case concat:
		g.node("Concat", l.name, in, integer("axis", 1))
	case globalMean:
		g.node("GlobalAveragePool", l.name+".map", in)
		g.node("Flatten", l.name, []string{l.name + ".map"}, integer("axis", 1))
	}
	return nil
}

// border puts zeros around a map, as a value of its own.
func (g *graph) border(name, in string, p nn.Padding) {
	var pads []byte
	for _, v := range []int{0, 0, p.Top, p.Left, 0, 0, p.Bottom, p.Right} {
		pads = binary.LittleEndian.AppendUint64(pads, uint64(v))
	}
	g.integers(name+".pads", typeInt64, []int{8}, pads)
	g.node("Pad", name+".padded", []string{in, name + ".pads"})
}

// attributes are those that convolutions and pools share.
func (w window) attributes() []attribute {
	p := w.padding
	return []attribute{
		integers("kernel_shape", w.kernel[0], w.kernel[1]),
		integers("strides", w.stride[0], w.stride[1]),
		integers("pads", p.Top, p.Left, p.Bottom, p.Right),
	}
}
