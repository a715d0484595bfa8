package raw

import (
	"encoding/binary"
	"fmt"
	"io"
)

// window is how many bytes a Cursor keeps.
const window = 64 << 10

// Cursor reads a section of a file in order through a small window that its sub-cursors share.
// Skipping costs nothing, so megabytes of values between two headers are never read. Every method
// that would leave the section returns an error that wraps io.ErrUnexpectedEOF and says where.
type Cursor struct {
	pos, end int64
	w        *win
}

type win struct {
	r   io.ReaderAt
	off int64
	buf []byte // bytes off..off+len(buf)
}

// NewCursor returns a cursor over bytes off..end of r.
func NewCursor(r io.ReaderAt, off, end int64) *Cursor {
	return &Cursor{pos: off, end: end, w: &win{r: r}}
}

// Pos is the offset in the file of the next byte; End that behind the last.
func (c *Cursor) Pos() int64 { return c.pos }

// End is the offset in the file behind the cursor's last byte.
func (c *Cursor) End() int64 { return c.end }

// Remaining is the number of bytes left.
func (c *Cursor) Remaining() int64 { return c.end - c.pos }

// Reader is the file below.
func (c *Cursor) Reader() io.ReaderAt { return c.w.r }

func (c *Cursor) need(n int64) error {
	if n < 0 || n > c.end-c.pos {
		return fmt.Errorf("offset %d: want %d bytes, %d are left: %w", c.pos, n, c.end-c.pos, io.ErrUnexpectedEOF)
	}
	return nil
}

// fill makes the window start at the position and returns its bytes up to the end of the section.
func (c *Cursor) fill(n int) ([]byte, error) {
	w := c.w
	if c.pos < w.off || c.pos+int64(n) > w.off+int64(len(w.buf)) {
		if cap(w.buf) == 0 {
			w.buf = make([]byte, window)
		}
		b := w.buf[:cap(w.buf)]
		k, err := w.r.ReadAt(b, c.pos)
		w.off, w.buf = c.pos, b[:k]
		if k < n {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("offset %d: %w", c.pos+int64(k), err)
		}
	}
	b := w.buf[c.pos-w.off:]
	if left := c.end - c.pos; int64(len(b)) > left {
		b = b[:left]
	}
	return b, nil
}

// Skip moves n bytes on.
func (c *Cursor) Skip(n int64) error {
	if err := c.need(n); err != nil {
		return err
	}
	c.pos += n
	return nil
}

// Sub cuts off the next n bytes as a cursor of their own and skips them here.
func (c *Cursor) Sub(n int64) (*Cursor, error) {
	if err := c.need(n); err != nil {
		return nil, err
	}
	s := &Cursor{pos: c.pos, end: c.pos + n, w: c.w}
	c.pos += n
	return s, nil
}

// At returns a cursor over bytes off..off+n of the same file, which must lie inside 0..End.
func (c *Cursor) At(off, n int64) (*Cursor, error) {
	if off < 0 || n < 0 || off > c.end || n > c.end-off {
		return nil, fmt.Errorf("offset %d: want %d bytes, the file ends at %d: %w", off, n, c.end, io.ErrUnexpectedEOF)
	}
	return &Cursor{pos: off, end: off + n, w: c.w}, nil
}

// Byte reads one byte.
func (c *Cursor) Byte() (byte, error) {
	if err := c.need(1); err != nil {
		return 0, err
	}
	b, err := c.fill(1)
	if err != nil {
		return 0, err
	}
	c.pos++
	return b[0], nil
}

// Bytes reads n bytes into a new slice.
func (c *Cursor) Bytes(n int64) ([]byte, error) {
	if err := c.need(n); err != nil {
		return nil, err
	}
	out := make([]byte, n)
	if n <= window/2 {
		b, err := c.fill(int(n))
		if err != nil {
			return nil, err
		}
		copy(out, b)
	} else if err := ReadFull(c.w.r, out, c.pos); err != nil {
		return nil, err
	}
	c.pos += n
	return out, nil
}

// Line reads up to and including the next newline, which is not returned; limit is the most bytes
// it may have.
func (c *Cursor) Line(limit int) (string, error) {
	var out []byte
	for start := c.pos; len(out) <= limit; {
		b, err := c.Byte()
		if err != nil {
			return "", fmt.Errorf("line from offset %d has no end: %w", start, err)
		}
		if b == '\n' {
			return string(out), nil
		}
		out = append(out, b)
	}
	return "", fmt.Errorf("offset %d: a line is longer than %d bytes", c.pos, limit)
}

func (c *Cursor) fixed(n int) ([]byte, error) {
	if err := c.need(int64(n)); err != nil {
		return nil, err
	}
	b, err := c.fill(n)
	if err != nil {
		return nil, err
	}
	c.pos += int64(n)
	return b[:n], nil
}

// Decode reads what v points to, little-endian: a struct or a slice of numbers, as [binary.Decode]
// takes them.
func (c *Cursor) Decode(v any) error {
	b, err := c.Bytes(int64(binary.Size(v)))
	if err == nil {
		_, err = binary.Decode(b, binary.LittleEndian, v)
	}
	return err
}

// Uint16 reads a little-endian 16-bit number.
func (c *Cursor) Uint16() (uint16, error) {
	b, err := c.fixed(2)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint16(b), nil
}

// Uint32 reads a little-endian 32-bit number.
func (c *Cursor) Uint32() (uint32, error) {
	b, err := c.fixed(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

// Uint64 reads a little-endian 64-bit number.
func (c *Cursor) Uint64() (uint64, error) {
	b, err := c.fixed(8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

// Uvarint reads a protobuf variable-length number of at most ten bytes.
func (c *Cursor) Uvarint() (uint64, error) {
	start, v := c.pos, uint64(0)
	for shift := uint(0); shift < 64; shift += 7 {
		b, err := c.Byte()
		if err != nil {
			return 0, err
		}
		if shift == 63 && b > 1 {
			break
		}
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v, nil
		}
	}
	return 0, fmt.Errorf("offset %d: a variable-length number does not fit 64 bits", start)
}

// Ints returns the first integers of type I32 or I64 up to the cursor's end, at most limit of them;
// the cursor stays.
func (c *Cursor) Ints(d DType, limit int) ([]int64, error) {
	var out []int64
	for s := *c; s.Remaining() >= int64(d.Size()) && len(out) < limit; {
		if d == I32 {
			v, err := s.Uint32()
			if err != nil {
				return nil, err
			}
			out = append(out, int64(int32(v)))
			continue
		}
		v, err := s.Uint64()
		if err != nil {
			return nil, err
		}
		out = append(out, int64(v))
	}
	return out, nil
}
