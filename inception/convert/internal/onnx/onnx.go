// Package onnx reads the graph of an ONNX file (onnx/onnx.proto of the ONNX project): nodes,
// initialisers, and Constant nodes. Weights kept in other files ("external data") are read through
// the caller's Open.
package onnx

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/convert/internal/wire"
)

const (
	maxName = 1 << 12
	maxInts = 64 // of an attribute or a small constant
)

// Is tells an ONNX file by its first bytes: the model's version, a small number, comes first.
func Is(head []byte) bool {
	return len(head) > 4 && head[0] == 0x08 && head[1] > 0 && head[1] < 0x40 &&
		(head[2] == 0x12 || head[2] == 0x3a || head[2] == 0x42 || head[2] == 0x1a)
}

// types are TensorProto.DataType.
var types = map[int64]raw.DType{1: raw.F32, 2: raw.U8, 3: raw.I8, 5: raw.I16, 6: raw.I32, 7: raw.I64, 9: raw.Bool,
	10: raw.F16, 11: raw.F64, 16: raw.BF16}

// Open opens a file beside the model, by the name that a tensor gives, and returns its size.
type Open func(name string) (io.ReaderAt, int64, error)

// reader reads one file.
type reader struct {
	g      *graph.Graph
	open   Open
	beside map[string]besideFile
}

type besideFile struct {
	r    io.ReaderAt
	size int64
}

// maxBeside bounds the files that a model's values lie in.
const maxBeside = 1 << 10

// Read reads the graph of a file of the given size. The model's own metadata is among its Texts,
// under "metadata:KEY". open may be nil when there is nothing beside the file.
func Read(r io.ReaderAt, size int64, open Open) (*graph.Graph, error) {
	f := &reader{g: graph.New("ONNX"), open: open, beside: map[string]besideFile{}}
	graphs := 0
	err := wire.Each(raw.NewCursor(r, 0, size), func(x wire.Field) error {
		if x.Num == 14 {
			key, value, err := entry(x)
			if err == nil {
				f.g.Texts["metadata:"+key] = value
			}
			return err
		}
		if x.Num != 7 {
			return nil
		}
		graphs++
		return x.Each(f.part)
	})
	if err == nil && graphs != 1 {
		err = fmt.Errorf("has %d graphs, want 1: it is no ONNX model (a TensorFlow SavedModel must be frozen first)", graphs)
	}
	if err != nil {
		return nil, fmt.Errorf("ONNX: %w", err)
	}
	return f.g, nil
}

// part reads a field of GraphProto.
func (f *reader) part(x wire.Field) error {
	switch x.Num {
	case 1:
		return f.node(x)
	case 5:
		name, c, err := f.tensor(x)
		if err != nil {
			return err
		}
		if name == "" {
			return x.Bad(errors.New("an initialiser has no name"))
		}
		if err := f.g.AddConst(name, c); err != nil {
			return x.Bad(err)
		}
	case 11:
		return f.input(x)
	case 15:
		return x.Bad(errors.New("sparse initialisers are not read: export the network without them"))
	}
	return nil
}

// maxText bounds a text of the model's metadata: a few thousand labels.
const maxText = 4 << 20

// entry reads StringStringEntryProto.
func entry(x wire.Field) (key, value string, err error) {
	err = x.Each(func(x wire.Field) (err error) {
		switch x.Num {
		case 1:
			key, err = x.Text(maxName)
		case 2:
			value, err = x.Text(maxText)
		}
		return err
	})
	return key, value, err
}

// input reads the ValueInfoProto of a graph's input: whether it is of bytes, and its side.
func (f *reader) input(x wire.Field) error {
	name, dims := "", []int64(nil)
	var read func(path int) func(x wire.Field) error
	read = func(path int) func(x wire.Field) error {
		return func(x wire.Field) error {
			var err error
			switch {
			case path == 0 && x.Num == 1:
				name, err = x.Text(maxName)
				return err
			case path == 2 && x.Num == 1: // the element type
				v, err := x.Int()
				f.g.Bytes[name] = types[v] == raw.U8
				return err
			case path == 3 && x.Num == 1:
				dims = append(dims, 0)
			case path == 4 && x.Num == 1:
				dims[len(dims)-1], err = x.Int()
				return err
			}
			// ValueInfoProto.type 2, TypeProto.tensor_type 1, its shape 2, the shape's dim 1
			if len(dims) > 8 || path > 3 || x.Num != [...]int{2, 1, 2, 1}[path] || x.Type != wire.Bytes {
				return nil
			}
			return wire.Each(x.Body, read(path+1))
		}
	}
	if err := x.Each(read(0)); err != nil {
		return err
	}
	if len(dims) != 4 {
		return nil
	}
	if h, w := dims[2], dims[3]; dims[3] == 3 && dims[1] == dims[2] {
		f.g.Sizes[name] = int(min(dims[1], 1<<20))
	} else if h == w {
		f.g.Sizes[name] = int(min(max(h, 0), 1<<20))
	}
	return nil
}

// node reads NodeProto.
func (f *reader) node(x wire.Field) error {
	c, err := x.Message()
	if err != nil {
		return err
	}
	n := &graph.Node{Attrs: map[string]graph.Attr{}, At: x.At}
	var outputs []string
	var value *graph.Const
	domain := ""
	err = wire.Each(c, func(x wire.Field) error {
		var s string
		var err error
		switch x.Num {
		case 1, 2, 3, 4:
			if s, err = x.Text(maxName); err != nil {
				return err
			}
		case 5:
			k, err := f.attribute(x, n)
			if k != nil {
				value = k
			}
			return err
		case 7:
			domain, err = x.Text(maxName)
			return err
		case 9:
			_, text, err := entry(x)
			if strings.Contains(text, "timm.") {
				f.g.Notes = "timm"
			}
			return err
		}
		switch x.Num {
		case 1:
			n.Inputs = append(n.Inputs, s)
		case 2:
			outputs = append(outputs, s)
		case 3:
			n.Name = s
		case 4:
			n.Op = s
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("node %q: %w", n.Name, err)
	}
	if n.Name == "" && len(outputs) > 0 {
		n.Name = outputs[0]
	}
	if domain != "" && domain != "ai.onnx" {
		n.Op = domain + "." + n.Op
	}
	if err := f.add(n, outputs, value); err != nil {
		return x.Bad(err)
	}
	return nil
}

// add adds a node to the graph; a Constant node of one output becomes the constant that it holds.
func (f *reader) add(n *graph.Node, outputs []string, value *graph.Const) error {
	if n.Op == "Constant" && value == nil {
		value = constant(n)
	}
	if n.Op == "Constant" && value != nil && len(outputs) == 1 {
		value.Name = outputs[0]
		return f.g.AddConst(outputs[0], value)
	}
	return f.g.Add(n, outputs...)
}

// constant makes a constant of a Constant node that has numbers instead of a tensor.
func constant(n *graph.Node) *graph.Const {
	k := &graph.Const{Tensor: raw.Tensor{Offset: n.At, DType: raw.I64, Load: raw.NotFloat}}
	if a, ok := n.Attrs["value_ints"]; ok {
		k.Ints, k.Shape = a.Ints, []int{len(a.Ints)}
		return k
	}
	if a, ok := n.Attrs["value_int"]; ok {
		k.Ints = []int64{a.Int}
		return k
	}
	a, ok := n.Attrs["value_float"]
	if !ok {
		return nil
	}
	k.DType, k.Load = raw.F32, func(dst []float32) error {
		dst[0] = float32(a.Float)
		return nil
	}
	return k
}

// attribute reads AttributeProto into n; a tensor is returned.
func (f *reader) attribute(x wire.Field, n *graph.Node) (*graph.Const, error) {
	c, err := x.Message()
	if err != nil {
		return nil, err
	}
	var name string
	var a graph.Attr
	var value *graph.Const
	err = wire.Each(c, func(x wire.Field) error {
		var err error
		switch x.Num {
		case 1:
			name, err = x.Text(maxName)
		case 2:
			a.Float, err = x.Float()
		case 3:
			a.Int, err = x.Int()
		case 4:
			a.Text, err = x.Text(maxName)
		case 5:
			_, value, err = f.tensor(x)
		case 8:
			a.Ints, err = x.Ints(a.Ints, maxInts)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("attribute %q: %w", name, err)
	}
	if _, twice := n.Attrs[name]; twice {
		return nil, x.Bad(fmt.Errorf("attribute %q is there twice", name))
	}
	if len(n.Attrs) > maxInts {
		return nil, x.Bad(fmt.Errorf("more than %d attributes", maxInts))
	}
	n.Attrs[name] = a
	return value, nil
}

// proto is what a TensorProto says.
type proto struct {
	*graph.Const
	dims     []int64
	body     *raw.Cursor // its values, nil when they come one by one or lie in another file
	floats   []float32   // values that come one by one
	double   bool        // the values are double_data
	external bool        // the values lie in another file
	place    map[string]string
}

// tensor reads TensorProto.
func (f *reader) tensor(x wire.Field) (string, *graph.Const, error) {
	c, err := x.Message()
	if err != nil {
		return "", nil, err
	}
	k := &graph.Const{Tensor: raw.Tensor{Offset: -1}}
	t := &proto{Const: k, place: map[string]string{}}
	if err := wire.Each(c, t.field); err != nil {
		return "", nil, fmt.Errorf("tensor %q: %w", k.Name, err)
	}
	if k.Shape, err = shape(t.dims); err != nil {
		return "", nil, fmt.Errorf("tensor %q at offset %d: %w", k.Name, x.At, err)
	}
	k.Offset = x.At
	if t.external {
		if t.body, err = f.external(k, t.place); err != nil {
			return "", nil, fmt.Errorf("tensor %q at offset %d: %w", k.Name, x.At, err)
		}
		if k.DType == raw.I64 || k.DType == raw.I32 {
			if k.Ints, err = t.body.Ints(k.DType, maxInts*maxInts); err != nil {
				return "", nil, err
			}
		}
	}
	return k.Name, k, f.values(k, t.body, t.floats, t.double)
}

// field reads a field of TensorProto.
func (t *proto) field(x wire.Field) (err error) {
	switch x.Num {
	case 1:
		t.dims, err = x.Ints(t.dims, 8)
	case 2:
		var v int64
		v, err = x.Int()
		t.DType = types[v]
	case 4, 10: // float_data, double_data: packed, or one by one
		t.double = x.Num == 10
		if x.Type == wire.Bytes && t.body == nil {
			t.body = x.Body
		} else if x.Num == 4 && t.body == nil {
			t.floats, err = x.Floats(t.floats, maxInts*maxInts)
		} else {
			err = x.Bad(errors.New("values come in several pieces: export the network with raw data"))
		}
	case 5, 7:
		t.Ints, err = x.Ints(t.Ints, maxInts*maxInts)
	case 8:
		t.Name, err = x.Text(maxName)
	case 9:
		if t.body, err = x.Message(); err == nil && (t.DType == raw.I64 || t.DType == raw.I32) {
			t.Ints, err = t.body.Ints(t.DType, maxInts*maxInts)
		}
	case 13:
		key, value, err := entry(x)
		t.external, t.place[key] = true, value
		if err != nil || len(t.place) > 16 {
			return x.Bad(fmt.Errorf("too many entries of external data: %w", err))
		}
	case 14:
		t.external = t.external || x.Val == 1
	}
	return err
}

// external opens the file that a tensor's values lie in and returns a cursor over them.
func (f *reader) external(k *graph.Const, place map[string]string) (*raw.Cursor, error) {
	name := place["location"]
	b, ok := f.beside[name]
	if !ok {
		if f.open == nil || len(f.beside) >= maxBeside {
			return nil, fmt.Errorf("its values are in another file, %q, which cannot be opened from here: "+
				"unpack the model first",
				name)
		}
		var err error
		if b.r, b.size, err = f.open(name); err != nil {
			return nil, fmt.Errorf("its values are in another file, which belongs beside this one: %w", err)
		}
		f.beside[name] = b
	}
	off, length := int64(0), int64(k.Len())*int64(k.DType.Size())
	for key, v := range map[string]*int64{"offset": &off, "length": &length} {
		if text := place[key]; text != "" {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n < 0 {
				return nil, fmt.Errorf("its %s in %q is %q, want a number of bytes", key, name, text)
			}
			*v = n
		}
	}
	if off > b.size || length > b.size-off {
		return nil, fmt.Errorf("its values are bytes %d..%d of %q, which has %d: it is cut short, or another model's", off,
			off+length, name, b.size)
	}
	return raw.NewCursor(b.r, off, off+length), nil
}

func shape(dims []int64) ([]int, error) {
	out := make([]int, len(dims))
	for i, d := range dims {
		if d < 0 || d > raw.MaxElements {
			return nil, fmt.Errorf("axis %d has length %d, want 0..%d", i, d, raw.MaxElements)
		}
		out[i] = int(d)
	}
	_, err := raw.Elements(out)
	return out, err
}

// values gives a tensor its Load.
func (f *reader) values(k *graph.Const, body *raw.Cursor, floats []float32, double bool) error {
	n := k.Len()
	bad := func(got int64) error {
		return fmt.Errorf("tensor %q at offset %d has %d bytes of values, want %d for shape %v of %v", k.Name, k.Offset, got,
			n*k.DType.Size(), k.Shape, k.DType)
	}
	switch {
	case !k.DType.Float():
		k.Load = raw.NotFloat
		if body != nil && body.Remaining() == int64(n)*int64(k.DType.Size()) {
			k.Body = body
		}
		return nil
	case body != nil:
		if double && k.DType != raw.F64 || body.Remaining() != int64(n)*int64(k.DType.Size()) {
			return bad(body.Remaining())
		}
		k.Offset = body.Pos()
		var err error
		k.Load, err = raw.Dense(body.Reader(), body.End(), k.Offset, n, k.DType)
		return err
	case len(floats) == n && k.DType == raw.F32:
		k.Load = func(dst []float32) error {
			copy(dst, floats)
			return nil
		}
		return nil
	}
	return bad(int64(4 * len(floats)))
}
