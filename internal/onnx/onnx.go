// Package onnx writes networks as ONNX files: ModelProto of onnx.proto3 (github.com/onnx/onnx), as far
// as this project needs it. It knows the file's form; what a network is, its callers know.
//
// The same calls give the same bytes. A Graph is for one goroutine while it is put together, and
// read-only after that.
package onnx

import (
	"io"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/c236555e/rehead/internal/safetensors"
)

const (
	irVersion   = 8  // ONNX 1.10
	opset       = 13 // the first with an axis for each Softmax
	attributeF  = 1  // AttributeProto.FLOAT
	attributeI  = 2  // AttributeProto.INT
	attributeIs = 7  // AttributeProto.INTS
)

// Type is the type of a tensor's numbers, TensorProto.DataType.
type Type int

// The types.
const (
	Float32 Type = 1
	Uint8   Type = 2
	Int8    Type = 3
	Int32   Type = 6
	Int64   Type = 7
	Float16 Type = 10
)

// Graph is GraphProto: nodes in the order of their computation, weights in the order of their use.
// Inputs and Outputs are set by the caller.
type Graph struct {
	Inputs  []Value
	Outputs []Value
	nodes   [][]byte // encoded NodeProto
	tensors []tensor
}

// tensor is TensorProto; its numbers, if they are float32, are encoded while they are written.
type tensor struct {
	name  string
	shape []int
	data  []float32
	kind  Type
	raw   []byte // instead of data, of other types
}

// size is the length of the tensor's numbers in bytes.
func (t tensor) size() int { return 4*len(t.data) + len(t.raw) }

// Value is ValueInfoProto of a float32 tensor [N, Shape...], of a batch of any size.
type Value struct {
	Name  string
	Shape []int
}

// Attribute is AttributeProto of one integer or several, or of one real number.
type Attribute struct {
	name string
	kind int
	ints []int
	real float32
}

// Int is an attribute of one integer.
func Int(name string, v int) Attribute { return Attribute{name, attributeI, []int{v}, 0} }

// Ints is an attribute of several integers.
func Ints(name string, v ...int) Attribute { return Attribute{name, attributeIs, v, 0} }

// Real is an attribute of a real number.
func Real(name string, v float64) Attribute { return Attribute{name, attributeF, nil, float32(v)} }

func number(b []byte, f protowire.Number, v int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, f, protowire.VarintType), uint64(v))
}

func text(b []byte, f protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, f, protowire.BytesType), s)
}

func message(b []byte, f protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, f, protowire.BytesType), m)
}

// Node adds a NodeProto with one output, after which it is named.
func (g *Graph) Node(op, out string, in []string, attrs ...Attribute) {
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

// Tensor adds weights, which are kept and not copied.
func (g *Graph) Tensor(name string, shape []int, data []float32) {
	g.tensors = append(g.tensors, tensor{name, shape, data, Float32, nil})
}

// Raw adds a tensor of another type, little-endian, which is kept and not copied.
func (g *Graph) Raw(name string, kind Type, shape []int, data []byte) {
	g.tensors = append(g.tensors, tensor{name, shape, nil, kind, data})
}

func (a Attribute) encode() []byte {
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

func (v Value) encode() []byte {
	dims := message(nil, 1, text(nil, 2, "N"))
	for _, d := range v.Shape {
		dims = message(dims, 1, number(nil, 1, d))
	}
	kind := message(nil, 1, message(number(nil, 1, int(Float32)), 2, dims))
	return message(text(nil, 1, v.Name), 2, kind)
}

// head is the tensor up to its numbers, size the length of the whole message.
func (t tensor) head() (b []byte, size int) {
	for _, d := range t.shape {
		b = number(b, 1, d)
	}
	b = text(number(b, 2, int(t.kind)), 8, t.name)
	b = protowire.AppendTag(b, 9, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(t.size()))
	return b, len(b) + t.size()
}

// File is ModelProto.
type File struct {
	Graph *Graph
	Tool  string      // the version of what writes it
	Meta  [][2]string // names and values of the metadata
}

// Write writes the message piece by piece, so that the weights are never copied as a whole.
func (f File) Write(w io.Writer) error {
	model := text(text(number(nil, 1, irVersion), 2, "rehead"), 3, f.Tool)
	model = message(model, 8, number(nil, 2, opset))
	for _, m := range f.Meta {
		model = message(model, 14, text(text(nil, 1, m[0]), 2, m[1]))
	}
	var front, back []byte
	for _, n := range f.Graph.nodes {
		front = message(front, 1, n)
	}
	front = text(front, 2, "rehead")
	for _, v := range f.Graph.Inputs {
		back = message(back, 11, v.encode())
	}
	for _, v := range f.Graph.Outputs {
		back = message(back, 12, v.encode())
	}
	size := len(front) + len(back)
	for _, t := range f.Graph.tensors {
		_, n := t.head()
		size += protowire.SizeTag(5) + protowire.SizeBytes(n)
	}
	model = protowire.AppendVarint(protowire.AppendTag(model, 7, protowire.BytesType), uint64(size))
	if _, err := w.Write(append(model, front...)); err != nil {
		return err
	}
	for _, t := range f.Graph.tensors {
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
	return safetensors.WriteFloat32(w, t.data)
}
