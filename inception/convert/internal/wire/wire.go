// Package wire reads protobuf messages field by field without knowing their types, straight from a
// file: large fields stay where they are. Source: protobuf.dev, "Encoding".
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// Type is how a field is encoded.
type Type uint8

// The encodings; groups (3 and 4) are refused.
const (
	Varint  Type = 0
	fixed64 Type = 1
	Bytes   Type = 2
	fixed32 Type = 5
)

// Field is one field of a message.
type Field struct {
	Num  int
	Type Type
	At   int64       // offset in the file of its first byte
	Val  uint64      // of a number
	Body *raw.Cursor // of bytes, strings, packed numbers and messages
}

// Each calls f for every field of the message at the cursor, in order, up to its end.
func Each(c *raw.Cursor, f func(Field) error) error {
	for c.Remaining() > 0 {
		x, err := next(c)
		if err != nil {
			return err
		}
		if err := f(x); err != nil {
			return err
		}
	}
	return nil
}

func next(c *raw.Cursor) (Field, error) {
	at := c.Pos()
	tag, err := c.Uvarint()
	if err != nil {
		return Field{}, err
	}
	x := Field{Num: int(tag >> 3 & math.MaxInt32), Type: Type(tag & 7), At: at}
	if x.Num == 0 || tag>>3 > 1<<29-1 {
		return Field{}, fmt.Errorf("offset %d: field number %d, want 1..%d: not a protobuf message of the expected kind",
			at, tag>>3, 1<<29-1)
	}
	switch x.Type {
	case Varint:
		x.Val, err = c.Uvarint()
	case fixed64:
		x.Val, err = c.Uint64()
	case fixed32:
		var v uint32
		v, err = c.Uint32()
		x.Val = uint64(v)
	case Bytes:
		var n uint64
		if n, err = c.Uvarint(); err == nil {
			if n > uint64(c.Remaining()) {
				return Field{}, fmt.Errorf("offset %d: field %d has %d bytes, but only %d are left: the file is truncated", at,
					x.Num, n, c.Remaining())
			}
			x.Body, err = c.Sub(int64(n))
		}
	default:
		err = fmt.Errorf("offset %d: field %d has wire type %d, want 0, 1, 2 or 5", at, x.Num, x.Type)
	}
	return x, err
}

// errType says that a field is encoded in another way than its message defines.
var errType = errors.New("is encoded in another way than expected")

// Bad wraps an error with the field's place.
func (x Field) Bad(err error) error { return fmt.Errorf("field %d at offset %d: %w", x.Num, x.At, err) }

// Text reads a string of at most limit bytes.
func (x Field) Text(limit int64) (string, error) {
	if x.Type != Bytes {
		return "", x.Bad(errType)
	}
	if n := x.Body.Remaining(); n > limit {
		return "", x.Bad(fmt.Errorf("a string of %d bytes, want at most %d", n, limit))
	}
	b, err := x.Body.Bytes(x.Body.Remaining())
	return string(b), err
}

// Message returns a cursor over an embedded message.
func (x Field) Message() (*raw.Cursor, error) {
	if x.Type != Bytes {
		return nil, x.Bad(errType)
	}
	return x.Body, nil
}

// Each calls f for every field of an embedded message, as the function Each does.
func (x Field) Each(f func(Field) error) error {
	c, err := x.Message()
	if err != nil {
		return err
	}
	return Each(c, f)
}

// Texts reads strings of an embedded message by their fields' numbers.
func (x Field) Texts(limit int64, to map[int]*string) error {
	return x.Each(func(x Field) (err error) {
		if s := to[x.Num]; s != nil {
			*s, err = x.Text(limit)
		}
		return err
	})
}

// Int reads a number.
func (x Field) Int() (int64, error) {
	if x.Type != Varint {
		return 0, x.Bad(errType)
	}
	return int64(x.Val), nil
}

// Float reads a float.
func (x Field) Float() (float64, error) {
	if x.Type != fixed32 {
		return 0, x.Bad(errType)
	}
	return float64(math.Float32frombits(uint32(x.Val))), nil
}

// Ints appends the numbers of a repeated field, packed or not, to dst; limit is the most that dst
// may have.
func (x Field) Ints(dst []int64, limit int) ([]int64, error) {
	if x.Type == Varint {
		dst = append(dst, int64(x.Val))
	} else if x.Type == Bytes {
		for x.Body.Remaining() > 0 && len(dst) <= limit {
			v, err := x.Body.Uvarint()
			if err != nil {
				return nil, x.Bad(err)
			}
			dst = append(dst, int64(v))
		}
	} else {
		return nil, x.Bad(errType)
	}
	if len(dst) > limit {
		return nil, x.Bad(fmt.Errorf("more than %d numbers", limit))
	}
	return dst, nil
}

// Floats appends the 32-bit floats of a repeated field, packed or not, to dst; limit is the most
// that dst may have.
func (x Field) Floats(dst []float32, limit int) ([]float32, error) {
	switch x.Type {
	case fixed32:
		dst = append(dst, math.Float32frombits(uint32(x.Val)))
	case Bytes:
		n := x.Body.Remaining()
		if n%4 != 0 || int64(len(dst))+n/4 > int64(limit) {
			return nil, x.Bad(fmt.Errorf("%d bytes of packed floats, want a multiple of 4 and at most %d floats", n, limit))
		}
		b, err := x.Body.Bytes(n)
		if err != nil {
			return nil, x.Bad(err)
		}
		for i := 0; i < len(b); i += 4 {
			dst = append(dst, math.Float32frombits(binary.LittleEndian.Uint32(b[i:])))
		}
	default:
		return nil, x.Bad(errType)
	}
	if len(dst) > limit {
		return nil, x.Bad(fmt.Errorf("more than %d numbers", limit))
	}
	return dst, nil
}
