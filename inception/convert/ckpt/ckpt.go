// Package ckpt lists the tensors of a TensorFlow checkpoint of the first version: one file, a sorted table (the format
// of LevelDB's tables; tensorflow/core/lib/io/table_format.txt) whose values are SavedTensorSlices messages
// (tensorflow/core/util/saved_tensor_slice.proto). Blocks must be stored plainly, as TensorFlow's writer does, and each
// tensor in one slice. Every block's checksum is verified.
package ckpt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/c236555e/rehead/inception/convert/raw"
	"github.com/c236555e/rehead/inception/convert/wire"
)

const (
	footer    = 48
	magic     = 0xdb4775248b80fb57
	trailer   = 5 // kind of compression and checksum behind each block
	maxName   = 1 << 12
	maxBlocks = 1 << 16
)

// Is tells a checkpoint by the number at its end.
func Is(r io.ReaderAt, size int64) bool {
	var b [8]byte
	return size >= footer && raw.ReadFull(r, b[:], size-8) == nil && binary.LittleEndian.Uint64(b[:]) == magic
}

type reader struct {
	r    io.ReaderAt
	size int64
	out  []raw.Tensor
	meta map[string]info
	seen map[string]bool
}

// info is what the first entry of the table says about a tensor.
type info struct {
	shape []int
	dtype raw.DType
}

// types are DataType of types.proto.
var types = map[int64]raw.DType{1: raw.F32, 2: raw.F64, 3: raw.I32, 9: raw.I64, 10: raw.Bool}

// Read lists the tensors of a file of the given size, in the order of the table.
func Read(r io.ReaderAt, size int64) ([]raw.Tensor, error) {
	if !Is(r, size) {
		return nil, errors.New("does not end as a TensorFlow checkpoint: it is truncated, or of the second version (.index and .data files), which must be frozen to a .pb first")
	}
	f := &reader{r: r, size: size, seen: map[string]bool{}}
	c := raw.NewCursor(r, size-footer, size-8)
	var h [4]uint64 // offset and size of the meta index and of the index
	for i := range h {
		var err error
		if h[i], err = c.Uvarint(); err != nil {
			return nil, fmt.Errorf("checkpoint's footer: %w", err)
		}
	}
	blocks, end := 0, uint64(0)
	err := f.block(h[2], h[3], func(_, value *raw.Cursor) error {
		at, err := value.Uvarint()
		if err != nil {
			return err
		}
		n, err := value.Uvarint()
		if err != nil {
			return err
		}
		if blocks++; blocks > maxBlocks || at < end {
			return fmt.Errorf("block at offset %d overlaps the one before it, or is one of more than %d", at, maxBlocks)
		}
		end = at + n
		return f.block(at, n, f.entry)
	})
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	if f.meta == nil || len(f.out) != len(f.meta) {
		return nil, fmt.Errorf("checkpoint: has the values of %d tensors, but its first entry lists %d", len(f.out), len(f.meta))
	}
	return f.out, nil
}

// block checks a block and calls each for its entries, whose keys and values stay in the file; a key that shares its
// beginning with the one before it is handed on without it.
func (f *reader) block(at, n uint64, each func(key, value *raw.Cursor) error) error {
	if at > uint64(f.size) || n > uint64(f.size)-at || uint64(f.size)-at-n < trailer || n < 4 {
		return fmt.Errorf("block at offset %d with %d bytes lies outside a file of %d", at, n, f.size)
	}
	if err := f.verify(int64(at), int64(n)); err != nil {
		return err
	}
	restarts, err := raw.NewCursor(f.r, int64(at+n-4), int64(at+n)).Uint32()
	if err != nil {
		return err
	}
	if uint64(restarts) > (n-4)/4 {
		return fmt.Errorf("block at offset %d has %d restart points in %d bytes", at, restarts, n)
	}
	c := raw.NewCursor(f.r, int64(at), int64(at+n)-4-4*int64(restarts))
	for c.Remaining() > 0 {
		var v [3]uint64 // shared and own bytes of the key, bytes of the value
		for i := range v {
			if v[i], err = c.Uvarint(); err != nil {
				return err
			}
		}
		if v[1] > uint64(c.Remaining()) || v[2] > uint64(c.Remaining()) {
			return fmt.Errorf("entry at offset %d has %d and %d bytes, but %d are left", c.Pos(), v[1], v[2], c.Remaining())
		}
		key, err := c.Sub(int64(v[1]))
		if err != nil {
			return err
		}
		value, err := c.Sub(int64(v[2]))
		if err != nil {
			return err
		}
		if err := each(key, value); err != nil {
			return err
		}
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// verify compares a block with the checksum behind it.
func (f *reader) verify(at, n int64) error {
	h := crc32.New(castagnoli)
	if _, err := io.Copy(h, io.NewSectionReader(f.r, at, n+1)); err != nil { // the kind of compression is part of it
		return err
	}
	c := raw.NewCursor(f.r, at+n, at+n+trailer)
	kind, err := c.Byte()
	if err != nil {
		return err
	}
	want, err := c.Uint32()
	if err != nil {
		return err
	}
	if kind != 0 {
		return fmt.Errorf("block at offset %d is compressed, which TensorFlow's own checkpoints are not", at)
	}
	got := h.Sum32()
	if got = (got>>15 | got<<17) + 0xa282ead8; got != want { // masked, as LevelDB does
		return fmt.Errorf("block at offset %d has checksum %08x, want %08x: the file is damaged", at, got, want)
	}
	return nil
}

// entry reads SavedTensorSlices: the first has the list of tensors, the others a tensor's values each.
func (f *reader) entry(_, value *raw.Cursor) error {
	return wire.Each(value, func(x wire.Field) error {
		c, err := x.Message()
		if err != nil {
			return err
		}
		switch {
		case x.Num == 1 && f.meta == nil:
			f.meta = map[string]info{}
			return wire.Each(c, f.list)
		case x.Num == 2:
			return f.slice(c)
		}
		return x.Bad(errors.New("is not what a checkpoint holds there"))
	})
}

// list reads the SavedSliceMeta messages.
func (f *reader) list(x wire.Field) error {
	if x.Num != 1 {
		return nil
	}
	c, err := x.Message()
	if err != nil {
		return err
	}
	var name string
	var m info
	err = wire.Each(c, func(x wire.Field) error {
		var err error
		switch x.Num {
		case 1:
			name, err = x.Text(maxName)
		case 2:
			var s *raw.Cursor
			if s, err = x.Message(); err == nil {
				m.shape, err = shape(s)
			}
		case 3:
			var v int64
			v, err = x.Int()
			m.dtype = types[v]
		case 4:
			err = whole(x)
		}
		return err
	})
	if err == nil {
		if _, twice := f.meta[name]; twice {
			err = errors.New("is listed twice")
		}
	}
	if err == nil {
		_, err = raw.Elements(m.shape)
	}
	if err != nil {
		return fmt.Errorf("tensor %q at offset %d: %w", name, x.At, err)
	}
	f.meta[name] = m
	return nil
}

// shape reads TensorShapeProto.
func shape(c *raw.Cursor) ([]int, error) {
	var out []int
	err := wire.Each(c, func(x wire.Field) error {
		if x.Num != 2 {
			return nil
		}
		d, err := x.Message()
		if err != nil {
			return err
		}
		n := int64(0)
		err = wire.Each(d, func(x wire.Field) error {
			var err error
			if x.Num == 1 {
				n, err = x.Int()
			}
			return err
		})
		if err == nil && (n < 0 || n > raw.MaxElements || len(out) >= 8) {
			err = fmt.Errorf("axis %d has length %d, want at most 8 axes of 0..%d", len(out), n, raw.MaxElements)
		}
		out = append(out, int(n))
		return err
	})
	return out, err
}

// whole checks that a TensorSliceProto is all of its tensor: extents without start and length.
func whole(x wire.Field) error {
	c, err := x.Message()
	if err != nil {
		return err
	}
	return wire.Each(c, func(x wire.Field) error {
		e, err := x.Message()
		if err == nil && e.Remaining() > 0 {
			err = x.Bad(errors.New("the tensor is stored in several slices, which is not read: freeze the graph to a .pb"))
		}
		return err
	})
}

// slice reads SavedSlice.
func (f *reader) slice(c *raw.Cursor) error {
	at := c.Pos()
	var name string
	var data *raw.Cursor
	err := wire.Each(c, func(x wire.Field) error {
		var err error
		switch x.Num {
		case 1:
			name, err = x.Text(maxName)
		case 2:
			err = whole(x)
		case 3:
			data, err = x.Message()
		}
		return err
	})
	m, ok := f.meta[name]
	switch {
	case err != nil:
	case !ok:
		err = errors.New("is not listed in the checkpoint's first entry")
	case data == nil:
		err = errors.New("has no values")
	}
	if err != nil {
		return fmt.Errorf("tensor %q at offset %d: %w", name, at, err)
	}
	if f.seen[name] {
		return fmt.Errorf("tensor %q at offset %d is stored twice", name, at)
	}
	f.seen[name] = true
	t := raw.Tensor{Name: name, Shape: m.shape, DType: m.dtype, Offset: data.Pos()}
	if err := f.values(&t, data); err != nil {
		return fmt.Errorf("tensor %q at offset %d: %w", name, at, err)
	}
	f.out = append(f.out, t)
	return nil
}

// values finds the packed floats in a TensorProto.
func (f *reader) values(t *raw.Tensor, data *raw.Cursor) error {
	field := map[raw.DType]int{raw.F32: 5, raw.F64: 6}[t.DType]
	t.Load = func([]float32) error { return errors.New("its elements are not floats") }
	if field == 0 {
		return nil
	}
	var body *raw.Cursor
	err := wire.Each(data, func(x wire.Field) error {
		if x.Num != field {
			return nil
		}
		if x.Type != wire.Bytes || body != nil {
			return x.Bad(errors.New("its values are not packed in one piece"))
		}
		body = x.Body
		return nil
	})
	if err != nil {
		return err
	}
	n := t.Len()
	if body == nil || body.Remaining() != int64(n)*int64(t.DType.Size()) {
		return fmt.Errorf("has no or too few values, want %d for shape %v", n, t.Shape)
	}
	t.Offset = body.Pos()
	t.Load, err = raw.Dense(f.r, body.End(), t.Offset, n, t.DType)
	return err
}
