package export

import (
	"encoding/binary"
	"io"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of onnx.proto3 (github.com/onnx/onnx) as far as they are written here.

const (
	irVersion   = 8  // ONNX 1.10
	opset       = 13 // the first with an axis for each Softmax
	typeFloat   = 1  // TensorProto.FLOAT
	typeUint8   = 2  // TensorProto.UINT8
	typeInt8    = 3  // TensorProto.INT8
	typeInt32   = 6  // TensorProto.INT32
	typeInt64   = 7  // TensorProto.INT64
	attributeF  = 1  // AttributeProto.FLOAT
	attributeI  = 2  // AttributeProto.INT
	attributeIs = 7  // AttributeProto.INTS
)

// graph is GraphProto: nodes in the order of their computation, weights in the order of their use.
type graph struct {
	nodes   [][]byte // encoded NodeProto
	tensors []tensor
	inputs  []value
	outputs []value
}

// tensor is TensorProto; its numbers, if they are float32, are encoded while they are written.
type tensor struct {
	name  string
	shape []int
	data  []float32
	kind  int
	raw   []byte // instead of data, of other types
}

// size is the length of the tensor's numbers in bytes.
func (t tensor) size() int { return 4*len(t.data) + len(t.raw) }

// value is ValueInfoProto of a float32 tensor [N, shape...].
type value struct {
	name  string
	shape []int
}

// attribute is AttributeProto of one integer or several, or of one real number.
type attribute struct {
	name string
	kind int
	ints []int
	real float32
}

func integer(name string, v int) attribute     { return attribute{name, attributeI, []int{v}, 0} }
func integers(name string, v ...int) attribute { return attribute{name, attributeIs, v, 0} }
func real(name string, v float64) attribute    { return attribute{name, attributeF, nil, float32(v)} }

func number(b []byte, f protowire.Number, v int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, f, protowire.VarintType), uint64(v))
}

func text(b []byte, f protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, f, protowire.BytesType), s)
}

func message(b []byte, f protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, f, protowire.BytesType), m)
}

// node adds a NodeProto with one output, after which it is named.
func (g *graph) node(op, out string, in []string, attrs ...attribute) {
	var b []byte
	for _, s := range in {
		b = text(b, 1, s)
	}
	b = text(text(text(b, 2, out), 3, out), 4, op)
	for _, a := range attrs {
		b = message(b, 5, a.encode())
	}
	g.nodes = append(g.nodes, b)
}

func (g *graph) tensor(name string, shape []int, data []float32) {
	g.tensors = append(g.tensors, tensor{name, shape, data, typeFloat, nil})
}

// integers adds a tensor of integers, which are little-endian.
func (g *graph) integers(name string, kind int, shape []int, raw []byte) {
	g.tensors = append(g.tensors, tensor{name, shape, nil, kind, raw})
}

func (a attribute) encode() []byte {
	b := text(nil, 1, a.name)
	switch a.kind {
	case attributeF:
		b = protowire.AppendFixed32(protowire.AppendTag(b, 2, protowire.Fixed32Type), math.Float32bits(a.real))
		return number(b, 20, attributeF)
	case attributeI:
		return number(number(b, 3, a.ints[0]), 20, attributeI)
	}
	for _, v := range a.ints {
		b = number(b, 8, v)
	}
	return number(b, 20, attributeIs)
}

func (v value) encode() []byte {
	dims := message(nil, 1, text(nil, 2, "N"))
	for _, d := range v.shape {
		dims = message(dims, 1, number(nil, 1, d))
	}
	kind := message(nil, 1, message(number(nil, 1, typeFloat), 2, dims))
	return message(text(nil, 1, v.name), 2, kind)
}

// head is the tensor up to its numbers, size the length of the whole message.
func (t tensor) head() (b []byte, size int) {
	for _, d := range t.shape {
		b = number(b, 1, d)
	}
	b = text(number(b, 2, t.kind), 8, t.name)
	b = protowire.AppendTag(b, 9, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(t.size()))
	return b, len(b) + t.size()
}

// file is ModelProto.
type file struct {
	graph *graph
	tool  string
	meta  [][2]string
}

// write writes the message piece by piece, so that the weights are never copied as a whole.
func (f file) write(w io.Writer) error {
	model := text(text(number(nil, 1, irVersion), 2, "rehead"), 3, f.tool)
	model = message(model, 8, number(nil, 2, opset))
	for _, m := range f.meta {
		model = message(model, 14, text(text(nil, 1, m[0]), 2, m[1]))
	}
	var front, back []byte
	for _, n := range f.graph.nodes {
		front = message(front, 1, n)
	}
	front = text(front, 2, "rehead")
	for _, v := range f.graph.inputs {
		back = message(back, 11, v.encode())
	}
	for _, v := range f.graph.outputs {
		back = message(back, 12, v.encode())
	}
	size := len(front) + len(back)
	for _, t := range f.graph.tensors {
		_, n := t.head()
		size += protowire.SizeTag(5) + protowire.SizeBytes(n)
	}
	model = protowire.AppendVarint(protowire.AppendTag(model, 7, protowire.BytesType), uint64(size))
	if _, err := w.Write(append(model, front...)); err != nil {
		return err
	}
	for _, t := range f.graph.tensors {
		if err := t.write(w); err != nil {
			return err
		}
	}
	_, err := w.Write(back)
	return err
}

// write writes the tensor as a field of GraphProto.
func (t tensor) write(w io.Writer) error {
	head, n := t.head()
	begin := protowire.AppendVarint(protowire.AppendTag(nil, 5, protowire.BytesType), uint64(n))
	if _, err := w.Write(append(append(begin, head...), t.raw...)); err != nil {
		return err
	}
	return floats(w, t.data)
}

// floats writes numbers as little-endian float32, a piece at a time.
func floats(w io.Writer, data []float32) error {
	buf := make([]byte, 0, 4<<12)
	for rest := data; len(rest) > 0; {
		part := rest[:min(len(rest), cap(buf)/4)]
		rest = rest[len(part):]
		buf = buf[:0]
		for _, v := range part {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return nil
}
