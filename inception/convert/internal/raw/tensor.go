package raw

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
)

// chunk is how many bytes are read from a file at a time.
const chunk = 1 << 20

// MaxElements bounds a tensor's element count; the largest real one, 2048 x 1008, is far below it.
const MaxElements = 1 << 30

// Tensor is a tensor of a foreign file, its values still there.
type Tensor struct {
	Name   string // as the file spells it
	Shape  []int  // as the file orders the axes; empty for a scalar
	DType  DType
	Offset int64 // position of the first value in the file, for messages; -1 when the values lie in pieces
	Span   int64 // bytes from there to behind the last value, 0 where nothing else can lie between
	File   int   // which of several files, counted from 0

	// Load fills dst, which has one element for each of the tensor's, in row-major order.
	Load func(dst []float32) error
}

// NotFloat is the Load of a tensor whose elements are not floats: it is listed, so that whoever
// needs it can say what it is.
func NotFloat([]float32) error { return errors.New("its elements are not floats") }

// Len is the number of elements.
func (t Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Float32s reads the values in row-major order. The slice belongs to the caller.
func (t Tensor) Float32s() ([]float32, error) {
	if !t.DType.Float() {
		return nil, fmt.Errorf("tensor %q at offset %d: elements are %v, want float16, bfloat16, float32 or float64", t.Name,
			t.Offset, t.DType)
	}
	dst := make([]float32, t.Len())
	if err := t.Load(dst); err != nil {
		return nil, fmt.Errorf("tensor %q at offset %d: %w", t.Name, t.Offset, err)
	}
	return dst, nil
}

// Disjoint fails when the values of two tensors share bytes of the file. No tensor of InceptionV3
// is another's, and a file that says otherwise could make much of few bytes.
func Disjoint(tensors []Tensor) error {
	order := make([]*Tensor, 0, len(tensors))
	for i := range tensors {
		if t := &tensors[i]; t.Span > 0 {
			order = append(order, t)
		}
	}
	slices.SortFunc(order, func(a, b *Tensor) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Name, b.Name))
	})
	for i := 1; i < len(order); i++ {
		if a, b := order[i-1], order[i]; a.File == b.File && b.Offset < a.Offset+a.Span {
			return fmt.Errorf("tensor %q at offset %d overlaps tensor %q at offset %d: want values of its own for each", b.Name,
				b.Offset, a.Name, a.Offset)
		}
	}
	return nil
}

// Elements is the number of elements of a shape; it fails when an axis is negative or the product
// exceeds MaxElements.
func Elements(shape []int) (int, error) {
	n := int64(1)
	for _, d := range shape {
		if d < 0 || int64(d) > MaxElements {
			return 0, fmt.Errorf("shape %v has an axis of %d, want 0..%d", shape, d, MaxElements)
		}
		if n *= int64(d); n > MaxElements {
			return 0, fmt.Errorf("shape %v has more than %d elements", shape, MaxElements)
		}
	}
	return int(n), nil
}

// Dense returns a Load for n contiguous little-endian elements of type d at off. size is the length
// of r: a range that leaves it is an error now rather than later.
func Dense(r io.ReaderAt, size, off int64, n int, d DType) (func([]float32) error, error) {
	bytes := int64(n) * int64(d.Size())
	if off < 0 || off > size || bytes > size-off {
		return nil, fmt.Errorf("needs bytes %d..%d, but there are %d: the file is truncated or its header is wrong", off,
			off+bytes, size)
	}
	return func(dst []float32) error {
		if !d.Float() {
			return fmt.Errorf("elements are %v, want a float type", d)
		}
		buf := make([]byte, min(bytes, chunk))
		per := len(buf) / max(d.Size(), 1)
		for i := 0; i < len(dst); i += per {
			k := min(per, len(dst)-i)
			b := buf[:k*d.Size()]
			if err := ReadFull(r, b, off+int64(i)*int64(d.Size())); err != nil {
				return err
			}
			if err := Decode(dst[i:i+k], b, d); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// Strided returns a Load for a view with the given strides (in elements) whose first element is
// number first of a storage of count elements at off. Every element must lie inside the storage,
// and the view may not have more elements than the storage: a tensor that repeats its storage is
// not a weight.
func Strided(r io.ReaderAt, size, off int64, count int, first int, shape, stride []int,
	d DType) (func([]float32) error, error) {
	n, err := Elements(shape)
	if err != nil {
		return nil, err
	}
	if len(stride) != len(shape) {
		return nil, fmt.Errorf("shape %v has %d axes, its strides %v have %d", shape, len(shape), stride, len(stride))
	}
	if first < 0 || first > count || n > count {
		return nil, fmt.Errorf("shape %v from element %d does not fit a storage of %d elements", shape, first, count)
	}
	last, dense, step := int64(first), true, 1
	for i := len(shape) - 1; i >= 0 && n > 0; i-- {
		if stride[i] < 0 || (shape[i] > 1 && int64(stride[i]) > int64(count)) {
			return nil, fmt.Errorf("stride %d of axis %d leaves a storage of %d elements", stride[i], i, count)
		}
		if shape[i] > 1 {
			last += int64(shape[i]-1) * int64(stride[i])
			dense = dense && stride[i] == step
		}
		step *= shape[i]
	}
	if n > 0 && last >= int64(count) {
		return nil, fmt.Errorf("shape %v with strides %v from element %d ends at element %d of a storage of %d", shape,
			stride, first, last, count)
	}
	es := int64(d.Size())
	if off < 0 || off > size || int64(count)*es > size-off {
		return nil, fmt.Errorf("storage needs bytes %d..%d, but there are %d: the file is truncated", off,
			off+int64(count)*es, size)
	}
	if dense || n == 0 {
		return Dense(r, size, off+int64(first)*es, n, d)
	}
	span := int(last) - first + 1
	all, err := Dense(r, size, off+int64(first)*es, span, d)
	if err != nil {
		return nil, err
	}
	return func(dst []float32) error {
		src := make([]float32, span)
		if err := all(src); err != nil {
			return err
		}
		gather(dst, src, shape, stride)
		return nil
	}, nil
}

// Permute writes src, which has the given shape, with its axes in another order: axis i of the
// result is axis order[i] of src.
func Permute(dst, src []float32, shape, order []int) {
	stride, step := make([]int, len(shape)), 1
	for i := len(shape) - 1; i >= 0; i-- {
		stride[i] = step
		step *= shape[i]
	}
	s, t := make([]int, len(order)), make([]int, len(order))
	for i, a := range order {
		s[i], t[i] = shape[a], stride[a]
	}
	gather(dst, src, s, t)
}

// gather writes src's elements in row-major order of shape to dst.
func gather(dst, src []float32, shape, stride []int) {
	idx, at := make([]int, len(shape)), 0
	for i := range dst {
		dst[i] = src[at]
		for a := len(shape) - 1; a >= 0; a-- {
			idx[a]++
			at += stride[a]
			if idx[a] < shape[a] {
				break
			}
			at -= idx[a] * stride[a]
			idx[a] = 0
		}
	}
}

// ReadFull fills b from off; a short read is an error that says how far the file goes.
func ReadFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		return fmt.Errorf("file ends at %d, want %d more bytes: %w", off+int64(n), len(b)-n, io.ErrUnexpectedEOF)
	}
	return err
}
