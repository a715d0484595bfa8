// Package graphdef reads a TensorFlow GraphDef (tensorflow/core/framework: graph.proto,
// node_def.proto, attr_value.proto, tensor.proto): nodes with their edges, and constants.
//
// A value's name is that of its node; the number behind a colon (only outputs other than the first
// have one) is kept, control edges (^name) are dropped.
package graphdef

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/convert/internal/tfproto"
	"github.com/c236555e/rehead/inception/convert/internal/wire"
)

const (
	maxName  = 1 << 12
	maxInts  = 64
	maxLabel = 1 << 20
	maxTexts = 1 << 14
	// maxSplat is how many elements one stored value may stand for.
	maxSplat = 1 << 16
)

// Is tells a GraphDef by its first bytes: a first node (field 1) that starts with a name (field 1).
func Is(head []byte) bool {
	if len(head) < 8 || head[0] != 0x0a {
		return false
	}
	for i := 1; i < 6; i++ { // behind the node's length
		if head[i] < 0x80 {
			return head[i+1] == 0x0a
		}
	}
	return false
}

type reader struct {
	g *graph.Graph
	r io.ReaderAt
}

// Read reads a graph of the given size.
func Read(r io.ReaderAt, size int64) (*graph.Graph, error) {
	f := &reader{g: graph.New("TensorFlow"), r: r}
	err := wire.Each(raw.NewCursor(r, 0, size), func(x wire.Field) error {
		if x.Num != 1 {
			return nil
		}
		return f.node(x)
	})
	if err == nil && len(f.g.Nodes) == 0 {
		err = errors.New("has no nodes")
	}
	if err != nil {
		return nil, fmt.Errorf("GraphDef: %w", err)
	}
	return f.g, nil
}

// node reads NodeDef.
func (f *reader) node(x wire.Field) error {
	c, err := x.Message()
	if err != nil {
		return err
	}
	n := &graph.Node{Attrs: map[string]graph.Attr{}, At: x.At}
	var value *raw.Cursor
	err = wire.Each(c, func(x wire.Field) error {
		var err error
		switch x.Num {
		case 1:
			n.Name, err = x.Text(maxName)
		case 2:
			n.Op, err = x.Text(maxName)
		case 3:
			var s string
			if s, err = x.Text(maxName); err == nil && !strings.HasPrefix(s, "^") {
				n.Inputs = append(n.Inputs, strings.TrimSuffix(s, ":0"))
			}
		case 5:
			var t *raw.Cursor
			if t, err = f.entry(x, n); t != nil {
				value = t
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("node %q: %w", n.Name, err)
	}
	if n.Op == "Const" {
		if value == nil {
			return x.Bad(fmt.Errorf("constant %q has no value", n.Name))
		}
		k, text, err := f.tensor(n.Name, value)
		if err != nil {
			return fmt.Errorf("constant %q at offset %d: %w", n.Name, x.At, err)
		}
		if text != "" {
			f.g.Texts[n.Name] = text
		}
		if err := f.g.AddConst(n.Name, k); err != nil {
			return x.Bad(err)
		}
		return nil
	}
	if n.Op == placeholder {
		f.g.Picture(n.Name, n.Attrs["shape"].Ints, n.Attrs["dtype"].Int == typeUint8)
	}
	if err := f.g.Add(n, n.Name); err != nil {
		return x.Bad(err)
	}
	return nil
}

// An input, and its type where that is bytes.
const (
	placeholder = "Placeholder"
	typeUint8   = 4
)

// entry reads an entry of the attribute map; a tensor's message is returned.
func (f *reader) entry(x wire.Field, n *graph.Node) (*raw.Cursor, error) {
	c, err := x.Message()
	if err != nil {
		return nil, err
	}
	var key string
	var a graph.Attr
	var value *raw.Cursor
	err = wire.Each(c, func(x wire.Field) error {
		var err error
		switch x.Num {
		case 1:
			key, err = x.Text(maxName)
		case 2:
			var v *raw.Cursor
			if v, err = x.Message(); err == nil && !strings.HasPrefix(key, "_") { // those are not the operator's
				value, err = attr(v, &a)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("attribute %q: %w", key, err)
	}
	if _, twice := n.Attrs[key]; twice {
		return nil, x.Bad(fmt.Errorf("attribute %q is there twice", key))
	}
	if len(n.Attrs) > maxInts {
		return nil, x.Bad(fmt.Errorf("more than %d attributes", maxInts))
	}
	n.Attrs[key] = a
	if key != "value" {
		value = nil
	}
	return value, nil
}

// attr reads AttrValue.
func attr(c *raw.Cursor, a *graph.Attr) (*raw.Cursor, error) {
	var tensor *raw.Cursor
	err := wire.Each(c, func(x wire.Field) error {
		var err error
		switch x.Num {
		case 1:
			err = x.Each(func(x wire.Field) (err error) {
				if x.Num == 3 {
					a.Ints, err = x.Ints(a.Ints, maxInts)
				}
				return err
			})
		case 2:
			if x.Type == wire.Bytes && x.Body.Remaining() <= maxName {
				a.Text, err = x.Text(maxName)
			}
		case 3, 6:
			a.Int, err = x.Int()
		case 4:
			a.Float, err = x.Float()
		case 5:
			a.Bool = x.Val != 0
		case 7:
			a.Ints, err = tfproto.Sides(x)
		case 8:
			tensor, err = x.Message()
		case 10: // a function
			err = x.Texts(maxName, map[int]*string{1: &a.Text})
		}
		return err
	})
	return tensor, err
}

// tensor reads TensorProto.
func (f *reader) tensor(name string, c *raw.Cursor) (*graph.Const, string, error) {
	k := &graph.Const{Tensor: raw.Tensor{Name: name, Offset: c.Pos()}}
	var content, packed *raw.Cursor
	var floats []float32
	var text string
	err := wire.Each(c, func(x wire.Field) error {
		var err error
		switch x.Num {
		case 1:
			var v int64
			v, err = x.Int()
			k.DType = tfproto.DType(v)
		case 2:
			k.Shape, err = tfproto.Shape(x)
		case 4:
			content, err = x.Message()
		case 5:
			if x.Type == wire.Bytes && packed == nil && floats == nil {
				packed = x.Body
			} else {
				floats, err = x.Floats(floats, maxSplat)
			}
		case 7, 10:
			k.Ints, err = x.Ints(k.Ints, maxSplat)
		case 8:
			if x.Type == wire.Bytes && x.Body.Remaining() <= maxLabel {
				text, err = x.Text(maxLabel)
				if k.Texts = append(k.Texts, text); len(k.Texts) > maxTexts {
					err = fmt.Errorf("more than %d texts", maxTexts)
				}
			}
		}
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return k, text, f.values(k, content, packed, floats)
}

// values gives a tensor its Load: from tensor_content, from float_val with one float an element, or
// from fewer floats, the last of which stands for all that follow.
func (f *reader) values(k *graph.Const, content, packed *raw.Cursor, floats []float32) error {
	n := k.Len()
	if !k.DType.Float() {
		k.Load = raw.NotFloat
		if content != nil && len(k.Ints) == 0 && (k.DType == raw.I32 || k.DType == raw.I64) && n <= maxInts {
			if content.Remaining() != int64(n*k.DType.Size()) {
				return fmt.Errorf("has %d bytes of values, want %d for shape %v of %v", content.Remaining(), n*k.DType.Size(),
					k.Shape, k.DType)
			}
			var err error
			k.Ints, err = content.Ints(k.DType, maxInts)
			return err
		}
		return nil
	}
	from := content
	if from == nil && packed != nil && packed.Remaining() == 4*int64(n) && k.DType == raw.F32 {
		from = packed
	}
	if from != nil {
		if from.Remaining() != int64(n)*int64(k.DType.Size()) {
			return fmt.Errorf("has %d bytes of values at offset %d, want %d for shape %v of %v", from.Remaining(), from.Pos(),
				n*k.DType.Size(), k.Shape, k.DType)
		}
		k.Offset = from.Pos()
		var err error
		k.Load, err = raw.Dense(f.r, from.End(), k.Offset, n, k.DType)
		return err
	}
	if packed != nil {
		var err error
		if floats, err = (wire.Field{Num: 5, Type: wire.Bytes, At: packed.Pos(), Body: packed}).Floats(nil,
			maxSplat); err != nil {
			return err
		}
	}
	if len(floats) == 0 && packed == nil && n > 0 && n <= maxSplat { // no values at all: all zero
		k.Load = func(dst []float32) error {
			clear(dst)
			return nil
		}
		return nil
	}
	if k.DType != raw.F32 || len(floats) > n || len(floats) < n && (len(floats) == 0 || n > maxSplat) {
		return fmt.Errorf("has %d values for shape %v of %v", len(floats), k.Shape, k.DType)
	}
	k.Load = func(dst []float32) error {
		copy(dst, floats)
		for i := len(floats); i < len(dst); i++ {
			dst[i] = floats[len(floats)-1]
		}
		return nil
	}
	return nil
}
