// Package mxnet lists the arrays of a .params file, as mxnet.nd.save writes a dictionary of them.
package mxnet

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// magic begins a list of arrays.
const magic = 0x112

// The words that begin an array tell the versions of its header; before the first of them it is the
// number of axes.
const (
	version1 = 0xf993fac8 // axes of 64 bits
	version2 = 0xf993fac9 // and a kind of storage
	version3 = 0xf993faca // and an array without axes has one value
)

const (
	maxArrays = 1 << 16
	maxAxes   = 8
	maxName   = 1 << 12
)

// types are the elements by their numbers.
var types = map[uint32]raw.DType{0: raw.F32, 1: raw.F64, 2: raw.F16, 3: raw.U8, 4: raw.I32, 5: raw.I8, 6: raw.I64,
	7: raw.Bool, 8: raw.I16, 12: raw.BF16}

// Is reports whether head starts as a list of arrays does.
func Is(head []byte) bool {
	return bytes.HasPrefix(head, []byte{magic & 0xff, magic >> 8, 0, 0, 0, 0, 0, 0})
}

// Read lists the arrays of a file of the given size, in its order.
func Read(r io.ReaderAt, size int64) ([]raw.Tensor, error) {
	c := raw.NewCursor(r, 0, size)
	if err := c.Skip(16); err != nil {
		return nil, err
	}
	n, err := count(c)
	if err != nil {
		return nil, err
	}
	out := make([]raw.Tensor, 0, min(int64(n), size/16))
	for i := range n {
		t, err := array(c)
		if err != nil {
			return nil, fmt.Errorf("array %d of %d: %w", i+1, n, err)
		}
		out = append(out, t)
	}
	names, err := count(c)
	if err != nil {
		return nil, err
	}
	if names != n || n == 0 {
		return nil, fmt.Errorf("has %d arrays and %d names, want a name for each: save them with net.save_parameters", n,
			names)
	}
	seen := map[string]bool{}
	for i := range out {
		if out[i].Name, err = text(c); err != nil {
			return nil, err
		}
		if seen[out[i].Name] {
			return nil, fmt.Errorf("array %q is there twice", out[i].Name)
		}
		seen[out[i].Name] = true
	}
	if rest := c.Remaining(); rest > 0 {
		return nil, fmt.Errorf("offset %d: %d bytes follow the last name: fetch the file again", c.Pos(), rest)
	}
	return out, nil
}

// count reads a number of arrays or names.
func count(c *raw.Cursor) (int, error) {
	n, err := c.Uint64()
	if err == nil && n > maxArrays {
		err = fmt.Errorf("offset %d: says that %d arrays follow, want at most %d", c.Pos()-8, n, maxArrays)
	}
	return int(min(n, maxArrays)), err
}

// text reads a name.
func text(c *raw.Cursor) (string, error) {
	n, err := c.Uint64()
	if err == nil && n > maxName {
		err = fmt.Errorf("offset %d: a name has %d bytes, want at most %d", c.Pos()-8, n, maxName)
	}
	if err != nil {
		return "", err
	}
	b, err := c.Bytes(int64(n))
	return string(b), err
}

// array reads an array's header and passes over its values.
func array(c *raw.Cursor) (raw.Tensor, error) {
	t := raw.Tensor{}
	first, err := c.Uint32()
	if err != nil {
		return t, err
	}
	axes := first
	if first == version2 || first == version3 {
		storage, err := c.Uint32()
		if err != nil {
			return t, err
		}
		if storage != 0 {
			return t, fmt.Errorf("offset %d: is sparse: save it after x.tostype(\"default\")", c.Pos()-4)
		}
	}
	wide := first >= version1 && first <= version3
	if wide {
		if axes, err = c.Uint32(); err != nil {
			return t, err
		}
	}
	if t.Shape, err = shape(c, axes, wide); err != nil {
		return t, err
	}
	if axes == 0 && first != version3 {
		return t, fmt.Errorf("offset %d: is empty: a parameter was never given its shape", c.Pos())
	}
	if err := c.Skip(8); err != nil { // the device that it lay on
		return t, err
	}
	kind, err := c.Uint32()
	if err != nil {
		return t, err
	}
	if t.DType = types[kind]; t.DType == raw.Invalid {
		return t, fmt.Errorf("offset %d: has elements of the unknown type %d", c.Pos()-4, kind)
	}
	n, err := raw.Elements(t.Shape)
	if err != nil {
		return t, err
	}
	t.Offset, t.Span = c.Pos(), int64(n)*int64(t.DType.Size())
	if t.Load, err = raw.Dense(c.Reader(), c.End(), t.Offset, n, t.DType); err != nil {
		return t, err
	}
	return t, c.Skip(t.Span)
}

// shape reads the lengths of axes.
func shape(c *raw.Cursor, axes uint32, wide bool) ([]int, error) {
	if axes > maxAxes {
		return nil, fmt.Errorf("offset %d: has %d axes, want at most %d", c.Pos()-4, axes, maxAxes)
	}
	out := make([]int, axes)
	for i := range out {
		var n uint64
		var err error
		if wide {
			n, err = c.Uint64()
		} else {
			var short uint32
			short, err = c.Uint32()
			n = uint64(short)
		}
		if err != nil {
			return nil, err
		}
		if n > raw.MaxElements {
			return nil, errors.New("has an axis longer than any of InceptionV3")
		}
		out[i] = int(n)
	}
	return out, nil
}
