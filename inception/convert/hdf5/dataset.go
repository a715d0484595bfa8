package hdf5

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"

	"github.com/c236555e/rehead/inception/convert/raw"
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

// datatype reads an element type; anything but a little-endian IEEE float is Invalid.
func datatype(c *raw.Cursor) (raw.DType, error) {
	b, err := c.Bytes(8)
	if err != nil {
		return raw.Invalid, err
	}
	size := uint32(b[4]) | uint32(b[5])<<8 | uint32(b[6])<<16 | uint32(b[7])<<24
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
		if size == uint32(k.d.Size()) && p[0] == 0 && p[1] == 0 && p[2] == k.bits && p[3] == 0 && p[4] == k.expAt && p[5] == k.exp && p[6] == 0 && p[7] == k.mantissa && bias == k.bias {
			return k.d, nil
		}
	}
	return raw.Invalid, fmt.Errorf("its elements are floats of %d bytes in an unusual format, want float16, float32 or float64", size)
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

// chunks is a dataset in pieces of equal shape.
type chunks struct {
	f       *reader
	t       raw.Tensor
	dims    []int // of a chunk
	filters []uint16
	tree    uint64
}

// piece is one chunk in the file.
type piece struct {
	addr, size uint64
	skip       uint32 // mask of filters that were not applied
	at         []int  // of its first element
}

// chunked reads the layout and the filters; the tree is walked when the values are asked for.
func (f *reader) chunked(t *raw.Tensor, c, filters *raw.Cursor) error {
	rank, err := c.Byte()
	if err != nil {
		return err
	}
	if int(rank) != len(t.Shape)+1 || len(t.Shape) == 0 {
		return fmt.Errorf("its chunks have %d axes, want %d", rank-1, len(t.Shape))
	}
	k := &chunks{f: f, t: *t}
	if k.tree, err = c.Uint64(); err != nil {
		return err
	}
	if k.tree == undefined {
		return errors.New("was declared but never written")
	}
	if err := f.once(k.tree, "chunk tree"); err != nil {
		return err
	}
	for i, d := range t.Shape {
		n, err := c.Uint32()
		if err != nil {
			return err
		}
		if n == 0 || int64(n) > int64(d) {
			return fmt.Errorf("its chunks have length %d along axis %d, which has %d elements", n, i, d)
		}
		k.dims = append(k.dims, int(n))
	}
	es, err := c.Uint32()
	if err != nil {
		return err
	}
	if int(es) != t.DType.Size() {
		return fmt.Errorf("its chunks have elements of %d bytes, want %d", es, t.DType.Size())
	}
	if filters != nil {
		if k.filters, err = pipeline(filters); err != nil {
			return err
		}
	}
	t.Offset = int64(min(k.tree, uint64(f.size)))
	// A deflated byte can stand for about 1032, but weights hardly shrink: so much from so little are none.
	if int64(t.Len())*int64(t.DType.Size()) > maxInflate*f.size {
		return fmt.Errorf("shape %v cannot come from a file of %d bytes", t.Shape, f.size)
	}
	t.Load = k.load
	return nil
}

// maxInflate is how many bytes of values a byte of the file may stand for.
const maxInflate = 64

const (
	filterDeflate = 1
	filterShuffle = 2
)

// pipeline lists the filters in the order in which they were applied.
func pipeline(c *raw.Cursor) ([]uint16, error) {
	b, err := c.Bytes(2)
	if err != nil {
		return nil, err
	}
	if b[0] != 1 && b[0] != 2 || b[1] > 32 {
		return nil, fmt.Errorf("its filter pipeline has version %d and %d filters, want version 1 or 2", b[0], b[1])
	}
	if b[0] == 1 {
		if err := c.Skip(6); err != nil {
			return nil, err
		}
	}
	var out []uint16
	for range b[1] {
		id, err := c.Uint16()
		if err != nil {
			return nil, err
		}
		if id != filterDeflate && id != filterShuffle {
			return nil, fmt.Errorf("is packed by filter %d, want deflate or shuffle: save the weights again without it", id)
		}
		name := uint16(0)
		if b[0] == 1 {
			if name, err = c.Uint16(); err != nil {
				return nil, err
			}
		}
		if err := c.Skip(2); err != nil { // flags
			return nil, err
		}
		values, err := c.Uint16()
		if err != nil {
			return nil, err
		}
		n := int64(name) + 4*int64(values)
		if b[0] == 1 && values%2 == 1 {
			n += 4
		}
		if err := c.Skip(n); err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, nil
}

// load reads every chunk and puts it in its place. Chunks must cover the dataset exactly once.
func (k *chunks) load(dst []float32) error {
	covered := 0
	seen := map[uint64]bool{}
	starts, at := map[string]bool{}, map[uint64]bool{}
	err := k.walk(k.tree, -1, seen, func(p piece) error {
		key := fmt.Sprint(p.at)
		if starts[key] || at[p.addr] {
			return fmt.Errorf("two chunks start at element %v, or at offset %d of the file", p.at, p.addr)
		}
		starts[key], at[p.addr] = true, true
		n, err := k.piece(p, dst)
		covered += n
		return err
	})
	if err != nil {
		return err
	}
	if covered != len(dst) {
		return fmt.Errorf("its chunks hold %d of its %d elements", covered, len(dst))
	}
	return nil
}

// walk visits the chunks of a B-tree.
func (k *chunks) walk(addr uint64, level int, seen map[uint64]bool, each func(piece) error) error {
	if seen[addr] || len(seen) > maxObjects {
		return fmt.Errorf("chunk tree at offset %d is reached twice", addr)
	}
	seen[addr] = true
	f := &reader{r: k.f.r, size: k.f.size, all: raw.NewCursor(k.f.r, 0, k.f.size)} // a window of its own: Load may run anywhere
	n, lv, c, err := f.node(addr, 1, level)
	if err != nil {
		return err
	}
	for range n {
		var p piece
		size, err := c.Uint32()
		if err != nil {
			return err
		}
		if p.skip, err = c.Uint32(); err != nil {
			return err
		}
		p.size = uint64(size)
		for i := range len(k.dims) + 1 {
			v, err := c.Uint64()
			if err != nil {
				return err
			}
			if i < len(k.dims) {
				if v >= uint64(k.t.Shape[i]) || v%uint64(k.dims[i]) != 0 {
					if lv == 0 {
						return fmt.Errorf("a chunk starts at %d of axis %d, which has %d elements in chunks of %d", v, i, k.t.Shape[i], k.dims[i])
					}
					v = 0
				}
				p.at = append(p.at, int(v))
			}
		}
		if p.addr, err = c.Uint64(); err != nil {
			return err
		}
		if lv > 0 {
			err = k.walk(p.addr, lv-1, seen, each)
		} else {
			err = each(p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// piece unpacks one chunk, copies what lies inside the dataset and returns the number of elements.
func (k *chunks) piece(p piece, dst []float32) (int, error) {
	c, err := k.f.at(p.addr, int64(p.size), "a chunk")
	if err != nil {
		return 0, err
	}
	b := make([]byte, p.size)
	if err := raw.ReadFull(k.f.r, b, c.Pos()); err != nil {
		return 0, err
	}
	es, n := k.t.DType.Size(), 1
	for _, d := range k.dims {
		n *= d
	}
	for i := len(k.filters) - 1; i >= 0; i-- {
		if p.skip&(1<<i) != 0 {
			continue
		}
		if k.filters[i] == filterShuffle {
			b = unshuffle(b, es)
			continue
		}
		if b, err = inflate(b, n*es); err != nil {
			return 0, fmt.Errorf("chunk at offset %d: %w", p.addr, err)
		}
	}
	if len(b) != n*es {
		return 0, fmt.Errorf("chunk at offset %d has %d bytes, want %d", p.addr, len(b), n*es)
	}
	vals := make([]float32, n)
	if err := raw.Decode(vals, b, k.t.DType); err != nil {
		return 0, err
	}
	return k.place(p.at, vals, dst), nil
}

// place copies the rows of a chunk that lie inside the dataset.
func (k *chunks) place(at []int, vals, dst []float32) int {
	last := len(k.dims) - 1
	run := min(k.dims[last], k.t.Shape[last]-at[last])
	idx := make([]int, last)
	for copied := 0; ; {
		to, from, inside := 0, 0, true
		for a := range idx {
			inside = inside && at[a]+idx[a] < k.t.Shape[a]
			to = to*k.t.Shape[a] + at[a] + idx[a]
			from = from*k.dims[a] + idx[a]
		}
		if inside {
			copy(dst[to*k.t.Shape[last]+at[last]:][:run], vals[from*k.dims[last]:][:run])
			copied += run
		}
		a := last - 1
		for ; a >= 0; a-- {
			if idx[a]++; idx[a] < k.dims[a] {
				break
			}
			idx[a] = 0
		}
		if a < 0 {
			return copied
		}
	}
}

// unshuffle undoes the filter that stores the first bytes of all elements, then the second ones, and so on.
func unshuffle(b []byte, es int) []byte {
	n := len(b) / es
	out := make([]byte, len(b))
	for j := range es {
		for i := range n {
			out[i*es+j] = b[j*n+i]
		}
	}
	copy(out[n*es:], b[n*es:])
	return out
}

// inflate unpacks exactly n bytes.
func inflate(b []byte, n int) ([]byte, error) {
	z, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(z, int64(n)+1))
	if err != nil {
		return nil, err
	}
	if len(out) != n {
		return nil, fmt.Errorf("unpacks to %d bytes or more, want %d", len(out), n)
	}
	return out, nil
}
