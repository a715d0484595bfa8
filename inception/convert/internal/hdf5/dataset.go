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

// datatype reads an element type; anything but a little-endian IEEE float and
// bfloat16 is Invalid.
func datatype(c *raw.Cursor) (raw.DType, error) {
	b, err := c.Bytes(8)
	if err != nil {
		return raw.Invalid, err
	}
	size := uint32(b[4]) | uint32(b[5])<<8 | uint32(b[6])<<16 | uint32(b[7])<<24
	if b[0]&0x0f == 5 && size == 2 {
		return raw.BF16, nil // opaque: how h5py stores ml_dtypes' bfloat16, the only such type of Keras
	}
	if b[0]&0x0f != 1 {
		return raw.Invalid, nil
	}
	if b[1]&0x41 != 0 {
		return raw.Invalid, errors.New("its floats are not little-endian: save the weights on another machine")
	}
	p, err := c.Bytes(12)
	if err != nil {
		return raw.Invalid, err
	}
	// bit offset, precision, exponent position and size, mantissa position and size, bias
	for _, k := range []struct {
		d                          raw.DType
		bits, expAt, exp, mantissa byte
		bias                       uint32
	}{{raw.F16, 16, 10, 5, 10, 15}, {raw.F32, 32, 23, 8, 23, 127}, {raw.F64, 64, 52, 11, 52, 1023}} {
		bias := uint32(p[8]) | uint32(p[9])<<8 | uint32(p[10])<<16 | uint32(p[11])<<24
		if size == uint32(k.d.Size()) && p[0] == 0 && p[1] == 0 && p[2] == k.bits && p[3] == 0 && p[4] == k.expAt &&
			p[5] == k.exp && p[6] == 0 && p[7] == k.mantissa && bias == k.bias {
			return k.d, nil
		}
	}
	return raw.Invalid, fmt.Errorf("its elements are floats of %d bytes in an unusual format, want "+
		"float16, float32 or float64", size)
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
		addr, err := c.Uint64()
		if err != nil {
			return err
		}
		size, err := c.Uint64()
		if err != nil {
			return err
		}
		if addr == undefined && n > 0 {
			return errors.New("was declared but never written")
		}
		if size != uint64(n)*uint64(t.DType.Size()) {
			return fmt.Errorf("has %d bytes, want %d for shape %v of %v", size, n*t.DType.Size(), t.Shape, t.DType)
		}
		if addr > uint64(f.size) && n > 0 {
			return fmt.Errorf("lies at offset %d of a file of %d bytes: it is truncated", addr, f.size)
		}
		t.Offset, t.Span = int64(min(addr, uint64(f.size))), int64(size)
		t.Load, err = raw.Dense(f.r, f.size, t.Offset, n, t.DType)
		return err
	case 2:
		return f.chunked(t, c, filters)
	}
	return fmt.Errorf("its layout has class %d, want compact, contiguous or chunked", b[1])
}
