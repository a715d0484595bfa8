// Package paddle reads what PaddlePaddle writes: the tensors of a .pdparams file, which paddle.save makes
// of a state dict, a pickle of NumPy arrays by name; and programs with their values. Nothing of it is run.
package paddle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/c236555e/rehead/inception/convert/internal/pickle"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// structured is the entry with the names of the network's parameters, which are not read.
const structured = "StructuredToParameterName@@"

// Is reports whether head starts as a pickle of protocol 4 or 5 does, with its frame.
func Is(head []byte) bool {
	return bytes.HasPrefix(head, []byte("\x80\x04\x95")) || bytes.HasPrefix(head, []byte("\x80\x05\x95"))
}

// IsProgram reports whether head is of a program as JSON.
func IsProgram(head []byte) bool { return bytes.HasPrefix(head, []byte(`{"base_code":{"magic":"pir"`)) }

// IsOld reports whether head is of a program that Paddle wrote before version 3 (.pdmodel), or of a program's
// values, which have no names (.pdiparams).
func IsOld(head []byte) bool {
	if len(head) > 24 && bytes.Count(head[:16], []byte{0}) == 16 { // two versions of 0 and no levels
		size := binary.LittleEndian.Uint32(head[16:])
		return size >= 4 && size <= 64 && head[20] == 0x08 && head[22] == 0x10 // a type, then sides
	}
	if len(head) < 16 || head[0] != 0x0a { // a block
		return false
	}
	_, n := binary.Uvarint(head[1:])
	return n > 0 && bytes.HasPrefix(head[1+n:], []byte("\x08\x00\x10\xff\xff\xff")) // the first, within none
}

const (
	arrayClass = "ndarray"
	typeClass  = "dtype"
)

// types are NumPy's names of element types. Paddle keeps bfloat16 as uint16.
var types = map[string]raw.DType{"f2": raw.F16, "f4": raw.F32, "f8": raw.F64, "u2": raw.BF16, "i8": raw.I64,
	"i4": raw.I32, "i1": raw.I8, "u1": raw.U8, "b1": raw.Bool}

// find is the list of harmless names.
func find(module, name string) (*pickle.Global, error) {
	g := &pickle.Global{Module: module, Name: name}
	switch module + "." + name {
	case "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct":
		g.Call = func(pickle.Tuple) (any, error) { return &pickle.Object{Module: "numpy", Name: arrayClass}, nil }
	case "numpy.ndarray":
	case "numpy.dtype":
		g.Call = func(args pickle.Tuple) (any, error) {
			if len(args) > 0 {
				if text, ok := args[0].(string); ok {
					return &pickle.Object{Module: text, Name: typeClass}, nil
				}
			}
			return nil, errors.New("has no name of a type")
		}
	case "collections.OrderedDict":
		g.Call = pickle.NewDict
	default:
		return nil, fmt.Errorf("%w; save the weights alone with paddle.save(net.state_dict(), path)",
			&pickle.NameError{Module: module, Name: name})
	}
	return g, nil
}

// Read lists the tensors of a file of the given size, in its order.
func Read(r io.ReaderAt, size int64) ([]raw.Tensor, error) {
	c := raw.NewCursor(r, 0, size)
	top, err := pickle.Read(c, pickle.Config{Find: find})
	if err != nil {
		return nil, err
	}
	d, ok := top.(*pickle.Dict)
	if n := c.Remaining(); ok && n > 0 {
		return nil, fmt.Errorf("offset %d: %d bytes follow the pickle: fetch the file again", c.Pos(), n)
	}
	if !ok {
		return nil, fmt.Errorf("holds a %T, want a dictionary of arrays: save net.state_dict() with paddle.save", top)
	}
	var out []raw.Tensor
	seen := map[string]bool{}
	for _, e := range d.Entries {
		name, ok := e.Key.(string)
		if !ok {
			return nil, fmt.Errorf("a key of the dictionary is a %T, want a tensor's name", e.Key)
		}
		if name == structured {
			continue
		}
		if seen[name] {
			return nil, fmt.Errorf("array %q is in the dictionary twice", name)
		}
		seen[name] = true
		t, err := array(name, e.Value)
		if err != nil {
			return nil, fmt.Errorf("entry %q: %w", name, err)
		}
		out = append(out, t)
	}
	if len(out) == 0 {
		return nil, errors.New("its dictionary has no arrays: save net.state_dict() with paddle.save")
	}
	return out, nil
}

// array reads an ndarray's state: (1, shape, type, Fortran's order, bytes).
func array(name string, v any) (raw.Tensor, error) {
	t := raw.Tensor{Name: name, Offset: -1}
	o, ok := v.(*pickle.Object)
	if !ok || o.Name != arrayClass {
		return t, fmt.Errorf("is a %T, want a NumPy array: save net.state_dict() with paddle.save", v)
	}
	state, ok := o.State.(pickle.Tuple)
	if !ok || len(state) != 5 {
		return t, errors.New("is an array without a shape, a type and values")
	}
	dims, okShape := state[1].(pickle.Tuple)
	kind, okType := state[2].(*pickle.Object)
	data, okData := state[4].([]byte)
	if !okShape || !okType || !okData || kind.Name != typeClass || len(dims) > 8 {
		return t, errors.New("is an array without a shape of at most 8 axes, a type and bytes")
	}
	for _, x := range dims {
		n, ok := x.(int64)
		if !ok || n < 0 || n > raw.MaxElements {
			return t, fmt.Errorf("has an axis of %v, want 0 to %d", x, raw.MaxElements)
		}
		t.Shape = append(t.Shape, int(n))
	}
	if s, ok := kind.State.(pickle.Tuple); ok && len(s) > 1 && s[1] == any(">") {
		return t, errors.New("its numbers are stored big-endian: save the weights on another machine")
	}
	if t.DType = types[kind.Module]; t.DType == raw.Invalid {
		return t, fmt.Errorf("has elements of type %q, want floats", kind.Module)
	}
	n, err := raw.Elements(t.Shape)
	if err != nil {
		return t, err
	}
	if state[3] != any(false) && n > 0 && len(t.Shape) > 1 {
		return t, errors.New("lies in Fortran's order, which Paddle never writes: save it again")
	}
	if n*t.DType.Size() != len(data) {
		return t, fmt.Errorf("has %d bytes, want %d elements of %v", len(data), n, t.DType)
	}
	t.Load, err = raw.Dense(bytes.NewReader(data), int64(len(data)), 0, n, t.DType)
	return t, err
}
