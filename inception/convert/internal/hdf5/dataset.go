package hdf5

import (
	"errors"
	"fmt"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// dataset turns an object's messages into a tensor.
func (f *reader) dataset(name string, msgs []message) (raw.Tensor, error) {
	t := raw.Tensor{Name: name, Offset: -1}
	var layout, filters *raw.Cursor
	space := false
	for _, m := range msgs {
		var err error
		switch m.kind {
		case msgDataspace:
			t.Shape, err = dataspace(m.body)
			space = true
		case msgDatatype:
			t.DType, err = datatype(m.body)
		case msgLayout:
			layout = m.body
		case msgFilters:
			filters = m.body
		case msgExternal:
			err = errors.New("keeps its values in another file")
		}
		if err != nil {
			return t, err
		}
	}
	if !space {
		return t, errors.New("has no shape")
	}
	if _, err := raw.Elements(t.Shape); err != nil {
		return t, err
	}
	if !t.DType.Float() {
		t.Load = raw.NotFloat
		return t, nil
	}
	return t, f.layout(&t, layout, filters)
}

// dataspace reads the shape.
func dataspace(c *raw.Cursor) ([]int, error) {
	b, err := c.Bytes(4)
	if err != nil {
		return nil, err
	}
	switch b[0] {
	case 1:
		err = c.Skip(4)
	case 2:
		if b[3] == 2 {
			return nil, errors.New("has no values")
		}
	default:
		err = fmt.Errorf("its dataspace has version %d, want 1 or 2", b[0])
	}
	if err != nil {
		return nil, err
	}
	if b[1] > 8 {
		return nil, fmt.Errorf("has %d axes, want at most 8", b[1])
	}
	shape := make([]int, b[1])
	for i := range shape {
		n, err := c.Uint64()
		if err != nil {
			return nil, err
		}
		if n > raw.MaxElements {
			return nil, fmt.Errorf("axis %d has length %d, want at most %d", i, n, raw.MaxElements)
		}
		shape[i] = int(n)
	}
	return shape, nil
}

// typeHead is what every element type begins with.
type typeHead struct {
	Class, Bits byte // Class has the version in its upper half
	_           [2]byte
	Size        uint32 // bytes
}

// floatFormat says which bits of an element are what.
type floatFormat struct {
	Offset, Precision                uint16
	ExpAt, Exp, MantissaAt, Mantissa byte
	Bias                             uint32
}

var floatFormats = map[floatFormat]raw.DType{
	{0, 16, 10, 5, 0, 10, 15}: raw.F16, {0, 32, 23, 8, 0, 23, 127}: raw.F32, {0, 64, 52, 11, 0, 52, 1023}: raw.F64,
}

// datatype reads an element type; anything but a little-endian IEEE float and
// bfloat16 is Invalid.
func datatype(c *raw.Cursor) (raw.DType, error) {
	var h typeHead
	if err := c.Decode(&h); err != nil {
		return raw.Invalid, err
	}
	if h.Class&0x0f == 5 && h.Size == 2 {
		return raw.BF16, nil // opaque: how h5py stores ml_dtypes' bfloat16, the only such type of Keras
	}
	if h.Class&0x0f != 1 {
		return raw.Invalid, nil
	}
	if h.Bits&0x41 != 0 {
		return raw.Invalid, errors.New("its floats are not little-endian: save the weights on another machine")
	}
	var p floatFormat
	if err := c.Decode(&p); err != nil {
		return raw.Invalid, err
	}
	if d, ok := floatFormats[p]; ok && h.Size == uint32(d.Size()) {
		return d, nil
	}
	return raw.Invalid, fmt.Errorf("its elements are floats of %d bytes in an unusual format, want "+
		"float16, float32 or float64", h.Size)
}

// layout finds where the values lie.
func (f *reader) layout(t *raw.Tensor, c, filters *raw.Cursor) error {
	b, err := c.Bytes(2)
	if err != nil {
		return err
	}
	if b[0] != 3 {
		return fmt.Errorf("its layout has version %d, want 3: save the weights again with h5py's default libver", b[0])
	}
	n := t.Len()
	switch b[1] {
	case 0: // compact
		if err := c.Skip(2); err != nil {
			return err
		}
		t.Offset = c.Pos()
		t.Load, err = raw.Dense(f.r, c.End(), t.Offset, n, t.DType)
		return err
	case 1: // contiguous
		var p place
		if err := c.Decode(&p); err != nil {
			return err
		}
		if p.Addr == undefined && n > 0 {
			return errors.New("was declared but never written")
		}
		if p.Size != uint64(n)*uint64(t.DType.Size()) {
			return fmt.Errorf("has %d bytes, want %d for shape %v of %v", p.Size, n*t.DType.Size(), t.Shape, t.DType)
		}
		if p.Addr > uint64(f.size) && n > 0 {
			return fmt.Errorf("lies at offset %d of a file of %d bytes: it is truncated", p.Addr, f.size)
		}
		t.Offset, t.Span = int64(min(p.Addr, uint64(f.size))), int64(p.Size)
		t.Load, err = raw.Dense(f.r, f.size, t.Offset, n, t.DType)
		return err
	case 2:
		return f.chunked(t, c, filters)
	}
	return fmt.Errorf("its layout has class %d, want compact, contiguous or chunked", b[1])
}
