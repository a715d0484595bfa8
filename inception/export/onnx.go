package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/atomicfile"
	"github.com/c236555e/rehead/nn"
)

// ONNX writes the model as one ONNX file (IR version 8, operator set 13, weights inside, float32):
//
//	in   image          [N,3,S,S]  RGB pixels, 0..255, resized by the caller to the recipe's S
//	out  probabilities  [N,K]      0..1, in the order of the labels, after the model's temperature
//	out  logits         [N,K]      before the temperature
//	out  bottleneck     [N,F]
//
// Scaling to the trunk's range is part of the file. Its metadata holds "labels" and "recipe"
// (JSON), "trunk_digest" and "tool", and of a model that gives any number of labels, whose
// probabilities are sigmoids, "thresholds": from which probability on each label is given. The same
// model gives the same bytes. A model without its trunk is refused: attach it first.
func ONNX(m *inception.Model, w io.Writer) error {
	if err := m.Validate(); err != nil {
		return err
	}
	if w == nil {
		return errors.New("export: ONNX: got nothing to write to")
	}
	if m.Trunk == nil {
		return errors.New("export: ONNX: the model has no trunk: attach the weights it was trained on")
	}
	if m.Reads != nil {
		return fmt.Errorf("export: ONNX: the head reads %v, and the file would have the last block's mean alone: "+
			"train it with --features last", m.Reads)
	}
	if p := m.Precision(); p != nn.Float32 {
		return fmt.Errorf("export: ONNX: the model computes with %s, and the file would with "+
			"float32: train it with float32", p)
	}
	net, err := network(m)
	if err != nil {
		return fmt.Errorf("export: ONNX: %w", err)
	}
	labels, err := json.Marshal(m.Labels)
	if err != nil {
		return err
	}
	recipe, err := json.Marshal(m.Recipe)
	if err != nil {
		return err
	}
	meta := [][2]string(nil)
	if m.MultiLabel() {
		thresholds := make([]float64, len(m.Labels))
		for k := range thresholds {
			thresholds[k] = m.Threshold(k)
		}
		text, err := json.Marshal(thresholds)
		if err != nil {
			return err
		}
		meta = append(meta, [2]string{"thresholds", string(text)})
	}
	file := file{graph: net, tool: m.ToolVersion, meta: append([][2]string{
		{"labels", string(labels)}, {"recipe", string(recipe)}, {"trunk_digest", m.TrunkDigest},
		{"tool", "rehead " + m.ToolVersion},
	}, meta...)}
	return file.write(w)
}

// ONNXFile writes what [ONNX] writes to path, whole or not at all; another file of this name is
// replaced.
func ONNXFile(m *inception.Model, path string) error {
	return atomicfile.Write(path, func(w io.Writer) error { return ONNX(m, w) })
}

// The names of what goes in and comes out.
const (
	inputName         = "image"
	probabilitiesName = "probabilities"
	logitsName        = "logits"
	bottleneckName    = "bottleneck"
)

// network lists the nodes and weights of the whole model.
func network(m *inception.Model) (*graph, error) {
	g := nn.NewGraph()
	size := m.Recipe.Size
	net, err := inception.Build(g, m.Trunk, size, 1)
	if err != nil {
		return nil, err
	}
	out := &graph{
		inputs: []value{{inputName, []int{3, size, size}}},
		outputs: []value{
			{probabilitiesName, []int{m.Head.Classes}}, {logitsName, []int{m.Head.Classes}},
			{bottleneckName, []int{m.Head.Features}},
		},
	}
	t := translation{out: out, names: map[*nn.Node]string{net.Bottleneck: "pooled"}}
	t.names[net.Input] = t.scaled(m)
	if err := nn.Walk([]*nn.Node{net.Bottleneck}, t.visit); err != nil {
		return nil, err
	}
	classify(out, m, out.head(&m.Head, "pooled"))
	return out, nil
}

// classify turns the raw logits into the file's outputs. Each output is a value that no node reads:
// converters to float16 put casts behind them. The probabilities come from the first output and
// from the last node, which some readers take when they are told nothing.
func classify(out *graph, m *inception.Model, raw string) {
	scaled := raw
	if m.Temperature != 0 && m.Temperature != 1 {
		scaled = "logits_over_temperature"
		out.tensor("temperature", nil, []float32{float32(m.Temperature)})
		out.node("Div", scaled, []string{raw, "temperature"})
	}
	out.node("Identity", bottleneckName, []string{"pooled"})
	out.node("Identity", logitsName, []string{raw})
	if m.MultiLabel() {
		out.node("Sigmoid", probabilitiesName, []string{scaled})
	} else {
		out.node("Softmax", probabilitiesName, []string{scaled}, integer("axis", -1))
	}
}

// translation turns nn's operators into ONNX's.
type translation struct {
	out   *graph
	names map[*nn.Node]string // of the value that a node gives
	count int
}

// scaled adds (pixel - mean) / std and returns its name.
func (t *translation) scaled(m *inception.Model) string {
	r := m.Recipe
	t.out.tensor("mean", []int{1, 3, 1, 1}, r.Mean[:])
	t.out.tensor("std", []int{1, 3, 1, 1}, r.Std[:])
	t.out.node("Sub", "centred", []string{inputName, "mean"})
	t.out.node("Div", "scaled", []string{"centred", "std"})
	return "scaled"
}

// visit adds one node of the graph.
func (t *translation) visit(n *nn.Node, args []*nn.Node) error {
	if n.Op() == nil {
		return t.leaf(n)
	}
	in := make([]string, len(args))
	for i, a := range args {
		in[i] = t.names[a]
	}
	t.count++
	name := t.names[n]
	if name == "" {
		name = "v" + strconv.Itoa(t.count)
		t.names[n] = name
	}
	switch op := nn.OpOf(n).(type) {
	case *nn.Conv2D:
		kernel := args[1].Shape()
		t.out.node("Conv", name, in, window([2]int{kernel[2], kernel[3]}, op.Stride, op.Padding)...)
	case *nn.ReLU:
		t.out.node("Relu", name, in)
	case *nn.MaxPool:
		t.out.node("MaxPool", name, in, window(op.Kernel, op.Stride, op.Padding)...)
	case *nn.AvgPool:
		counted := 0
		if op.CountBorder {
			counted = 1
		}
		t.out.node("AveragePool", name, in,
			append(window(op.Kernel, op.Stride, op.Padding), integer("count_include_pad", counted))...)
	case *nn.Concat:
		t.out.node("Concat", name, in, integer("axis", 1))
	case *nn.GlobalAvgPool:
		t.out.node("GlobalAveragePool", name+"_map", in)
		t.out.node("Flatten", name, []string{name + "_map"}, integer("axis", 1))
	case *nn.Dense:
		t.out.node("Gemm", name, in, integer("transB", 1))
	default:
		return fmt.Errorf("operator %v has no translation", n.Op())
	}
	return nil
}

// leaf adds a weight; the input has its name already.
func (t *translation) leaf(n *nn.Node) error {
	if t.names[n] != "" {
		return nil
	}
	data, err := nn.ParamData(n)
	if err != nil {
		return err
	}
	t.names[n] = n.Name()
	t.out.tensor(n.Name(), n.Shape(), data)
	return nil
}

// window is the attributes that convolutions and pools share.
func window(kernel, stride [2]int, p nn.Padding) []attribute {
	return []attribute{
		integers("kernel_shape", kernel[0], kernel[1]),
		integers("strides", stride[0], stride[1]),
		integers("pads", p.Top, p.Left, p.Bottom, p.Right),
	}
}
