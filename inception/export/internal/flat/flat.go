// Package flat writes FlatBuffers front to back: tables first and large vectors of numbers last, so
// that these are never copied into one buffer. It follows google.github.io/flatbuffers
// ("FlatBuffers internals"): offsets are 32 bits and point forward, a table begins with the distance
// to its list of fields, everything lies at a multiple of its own size.
package flat

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/c236555e/rehead/internal/safetensors"
)

// Table is a table's fields in the order of the schema; nil leaves one out. A field is a bool, a
// byte, an int32, a uint32 or a float32, which is stored in place, or one of string, []int32,
// []byte, Table, []Table and *Floats.
type Table []any

// Floats is a vector of bytes that holds float32 values, at a multiple of 16.
type Floats struct {
	Len    int
	Values func() []float32 // asked for once, while the vector is written
}

// builder holds what stands before the large vectors.
type builder struct {
	b    []byte
	late []late
	err  error
}

// late is a large vector with the place of the offset that points to it.
type late struct {
	floats *Floats
	from   int
}

var le = binary.LittleEndian

// limit is what offsets can reach.
const limit = math.MaxInt32

// Write writes a buffer with a root table and an identifier of four bytes.
func Write(w io.Writer, identifier string, root Table) error {
	b := &builder{b: append(make([]byte, 4), identifier...)}
	b.point(0, root)
	if b.err != nil {
		return b.err
	}
	end, starts := len(b.b), make([]int, len(b.late))
	for i, l := range b.late {
		starts[i] = align(end+4, 16) - 4
		le.PutUint32(b.b[l.from:], uint32(starts[i]-l.from))
		if end = starts[i] + 4 + 4*l.floats.Len; end > limit {
			return fmt.Errorf("flat: the file would have more than %d bytes, which its offsets cannot reach", limit)
		}
	}
	if _, err := w.Write(b.b); err != nil {
		return err
	}
	at := len(b.b)
	for i, l := range b.late {
		head := le.AppendUint32(make([]byte, starts[i]-at), uint32(4*l.floats.Len))
		if _, err := w.Write(head); err != nil {
			return err
		}
		values := l.floats.Values()
		if len(values) != l.floats.Len {
			return fmt.Errorf("flat: got %d values, want %d as announced", len(values), l.floats.Len)
		}
		if err := safetensors.WriteFloat32(w, values); err != nil {
			return err
		}
		at = starts[i] + 4 + 4*l.floats.Len
	}
	return nil
}

func align(n, to int) int { return (n + to - 1) / to * to }

// pad makes the next n bytes end at a multiple of `to` before what follows them.
func (b *builder) pad(n, to int) {
	b.b = append(b.b, make([]byte, align(len(b.b)+n, to)-n-len(b.b))...)
}

// point writes a value that is not stored in place and lets the offset at from point to it.
func (b *builder) point(from int, v any) {
	at := 0
	switch v := v.(type) {
	case string:
		at = b.vector(len(v), []byte(v))
		b.b = append(b.b, 0)
	case []byte:
		at = b.vector(len(v), v)
	case []int32:
		var raw []byte
		for _, x := range v {
			raw = le.AppendUint32(raw, uint32(x))
		}
		at = b.vector(len(v), raw)
	case []Table:
		at = b.vector(len(v), make([]byte, 4*len(v)))
		for i, t := range v {
			b.point(at+4+4*i, t)
		}
	case Table:
		at = b.table(v)
	case *Floats:
		b.late = append(b.late, late{v, from})
		return
	default:
		b.err = fmt.Errorf("flat: a field is a %T, which tables cannot hold", v)
		return
	}
	le.PutUint32(b.b[from:], uint32(at-from))
}

// vector writes a vector of n elements and returns its place.
func (b *builder) vector(n int, raw []byte) int {
	b.pad(0, 4)
	at := len(b.b)
	b.b = append(le.AppendUint32(b.b, uint32(n)), raw...)
	return at
}

// inline is a field that is stored in its table: its bytes, or nil for one that is pointed to.
func inline(v any) []byte {
	switch v := v.(type) {
	case bool:
		if v {
			return []byte{1}
		}
		return []byte{0}
	case byte:
		return []byte{v}
	case int32:
		return le.AppendUint32(nil, uint32(v))
	case uint32:
		return le.AppendUint32(nil, v)
	case float32:
		return le.AppendUint32(nil, math.Float32bits(v))
	}
	return nil
}

// table writes a table, its list of fields in front, and returns its place.
func (b *builder) table(t Table) int {
	fields, body := make([]byte, 2*len(t)), make([]byte, 4)
	for _, size := range []int{4, 1} { // wide fields first: all of them are aligned then
		for i, v := range t {
			raw := inline(v)
			if v == nil || raw == nil && size == 1 || raw != nil && len(raw) != size {
				continue
			}
			le.PutUint16(fields[2*i:], uint16(len(body)))
			if raw == nil {
				raw = make([]byte, 4)
			}
			body = append(body, raw...)
		}
	}
	list := le.AppendUint16(le.AppendUint16(nil, uint16(4+len(fields))), uint16(len(body)))
	list = append(list, fields...)
	b.pad(len(list), 4)
	at := len(b.b) + len(list)
	le.PutUint32(body, uint32(len(list)))
	b.b = append(append(b.b, list...), body...)
	for i, v := range t {
		if v != nil && inline(v) == nil {
			b.point(at+int(le.Uint16(fields[2*i:])), v)
		}
	}
	return at
}
