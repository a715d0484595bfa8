package tflite

import (
	"fmt"
	"io"
	"math"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// flat reads a FlatBuffer (flatbuffers.dev, "Internals") straight from a file. The first thing that
// is wrong is kept in err, and everything read after it is zero.
type flat struct {
	r    io.ReaderAt
	c    *raw.Cursor
	size int64
	left int64 // how many bytes of lists may still be read
	err  error
}

// newFlat reads a file of the given size. Tables may share a list, but a file that lets many of them
// share a long one could ask for its square, so lists are read to four times the file together.
func newFlat(r io.ReaderAt, size int64) *flat {
	return &flat{r: r, c: raw.NewCursor(r, 0, size), size: size, left: 4 * size}
}

// What bounds the lists of a model: tensors, operators, buffers; and its names.
const (
	maxVector = 1 << 16
	maxName   = 1 << 12
)

func (f *flat) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
}

// number reads n bytes at a place, little-endian.
func (f *flat) number(at int64, n int) uint64 {
	if f.err != nil {
		return 0
	}
	c, err := f.c.At(at, int64(n))
	if err != nil {
		f.err = err
		return 0
	}
	b, err := c.Bytes(int64(n))
	if err != nil {
		f.err = err
		return 0
	}
	v := uint64(0)
	for i := n - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

// table is a place in the file; 0 is none.
type table int64

// follow reads an offset that is relative to its own place.
func (f *flat) follow(at int64) int64 {
	o := int64(f.number(at, 4))
	if f.err == nil && (o == 0 || o > f.size-at) {
		f.fail("offset %d: points to byte %d of a file of %d", at, at+o, f.size)
	}
	return at + o
}

// field is where field number i of a table lies, 0 when it is left out.
func (f *flat) field(t table, i int) int64 {
	if t == 0 {
		return 0
	}
	v := int64(t) - int64(int32(f.number(int64(t), 4)))
	if f.err == nil && (v < 0 || v > f.size-4) {
		f.fail("offset %d: its vtable lies outside the file", t)
	}
	if at := 4 + 2*int64(i); at+2 <= int64(f.number(v, 2)) {
		if o := int64(f.number(v+at, 2)); o != 0 {
			return int64(t) + o
		}
	}
	return 0
}

// int is a number of n bytes in a table.
func (f *flat) int(t table, i, n int, missing int64) int64 {
	at := f.field(t, i)
	if at == 0 {
		return missing
	}
	v := f.number(at, n)
	shift := 64 - 8*n
	return int64(v<<shift) >> shift
}

func (f *flat) float(t table, i int, missing float64) float64 {
	at := f.field(t, i)
	if at == 0 {
		return missing
	}
	return float64(math.Float32frombits(uint32(f.number(at, 4))))
}

// child is a table in a table.
func (f *flat) child(t table, i int) table {
	at := f.field(t, i)
	if at == 0 {
		return 0
	}
	return table(f.follow(at))
}

// vector is a list in a table: where its elements begin and how many there are. Elements have n
// bytes; limit is the most that are allowed.
func (f *flat) vector(t table, i, n int, limit int64) (at, count int64) {
	at = f.field(t, i)
	if at == 0 {
		return 0, 0
	}
	at = f.follow(at)
	count = int64(f.number(at, 4))
	if at += 4; f.err == nil && (count > limit || count*int64(n) > f.size-at) {
		f.fail("offset %d: a list of %d elements, want at most %d that lie in the file", at, count, limit)
	}
	if f.err != nil {
		return 0, 0
	}
	return at, count
}

// list is a vector that is going to be read whole.
func (f *flat) list(t table, i, n int) (at, count int64) {
	at, count = f.vector(t, i, n, maxVector)
	if f.left -= count * int64(n); f.left < 0 {
		f.fail("offset %d: the lists of this file have more than four times its %d bytes together", at, f.size)
		return 0, 0
	}
	return at, count
}

func (f *flat) tables(t table, i int) []table {
	at, n := f.list(t, i, 4)
	var out []table
	for k := range n {
		out = append(out, table(f.follow(at+4*k)))
	}
	return out
}

func (f *flat) ints(t table, i, n int) []int64 {
	at, count := f.list(t, i, n)
	var out []int64
	for k := range count {
		v, shift := f.number(at+int64(n)*k, n), 64-8*n
		out = append(out, int64(v<<shift)>>shift)
	}
	return out
}

func (f *flat) floats(t table, i int) []float64 {
	at, count := f.list(t, i, 4)
	var out []float64
	for k := range count {
		out = append(out, float64(math.Float32frombits(uint32(f.number(at+4*k, 4)))))
	}
	return out
}

func (f *flat) text(t table, i int) string {
	at, n := f.list(t, i, 1)
	if f.err == nil && n > maxName {
		f.fail("offset %d: a name of %d bytes, want at most %d", at, n, maxName)
	}
	if n == 0 || f.err != nil {
		return ""
	}
	c, err := f.c.At(at, n)
	if err != nil {
		f.err = err
		return ""
	}
	b, err := c.Bytes(n)
	if err != nil {
		f.err = err
	}
	return string(b)
}
