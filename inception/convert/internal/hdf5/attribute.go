package hdf5

import (
	"bytes"
	"fmt"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// attribute reads an attribute message (HDF5 file format, IV.A.2.m) and keeps its value when it is
// wanted and one text.
func (f *reader) attribute(object string, c *raw.Cursor) error {
	b, err := c.Bytes(8)
	if err != nil {
		return err
	}
	version := b[0]
	size := func(i int) int64 { return int64(b[i]) | int64(b[i+1])<<8 }
	pad := func(n int64) int64 { return n }
	switch version {
	case 1:
		pad = func(n int64) int64 { return (n + 7) / 8 * 8 }
	case 2:
	case 3:
		if err := c.Skip(1); err != nil { // the name's character set
			return err
		}
	default:
		return fmt.Errorf("has version %d, want 1 to 3", version)
	}
	name, err := c.Sub(pad(size(2)))
	if err != nil {
		return err
	}
	text, err := name.Bytes(min(size(2), 256))
	if err != nil {
		return err
	}
	key := string(bytes.TrimRight(text, "\x00"))
	kind, err := c.Sub(pad(size(4)))
	if err != nil {
		return err
	}
	space, err := c.Sub(pad(size(6)))
	if err != nil || !wanted[key] {
		return err
	}
	if shape, err := dataspace(space); err != nil || len(shape) != 0 {
		return err // a list of texts, of no use here
	}
	value, ok, err := f.text(kind, c)
	if ok && err == nil {
		f.texts[object+"@"+key] = value
	}
	return err
}

// text reads a value that is one string: of fixed length, or of variable length in a global heap.
func (f *reader) text(kind, value *raw.Cursor) (string, bool, error) {
	b, err := kind.Bytes(8)
	if err != nil {
		return "", false, err
	}
	var data *raw.Cursor
	n := int64(b[4]) | int64(b[5])<<8 | int64(b[6])<<16 | int64(b[7])<<24
	switch b[0] & 0x0f {
	case 3:
		data = value
	case 9:
		length, err := value.Uint32()
		if err != nil {
			return "", false, err
		}
		addr, err := value.Uint64()
		if err != nil {
			return "", false, err
		}
		index, err := value.Uint32()
		if err != nil {
			return "", false, err
		}
		if n = int64(length); n == 0 {
			return "", true, nil
		}
		if data, err = f.globalHeap(addr, index); err != nil {
			return "", false, err
		}
	default:
		return "", false, nil
	}
	if f.left -= n; f.left < 0 {
		return "", false, fmt.Errorf("the file's attributes have more than %d bytes", maxTexts)
	}
	text, err := data.Bytes(n)
	return string(bytes.TrimRight(text, "\x00")), true, err
}

// globalHeap returns the data of an object of a global heap collection.
func (f *reader) globalHeap(addr uint64, index uint32) (*raw.Cursor, error) {
	c, err := f.at(addr, 16, "a global heap")
	if err != nil {
		return nil, err
	}
	b, err := c.Bytes(8)
	if err != nil {
		return nil, err
	}
	size, err := c.Uint64()
	if err != nil {
		return nil, err
	}
	if string(b[:4]) != "GCOL" || b[4] != 1 || size < 16 || size > uint64(f.size) {
		return nil, fmt.Errorf("no global heap of version 1 at offset %d", addr)
	}
	if c, err = f.at(addr+16, int64(size)-16, "a global heap"); err != nil {
		return nil, err
	}
	for c.Remaining() >= 16 {
		at, err := c.Uint16()
		if err != nil {
			return nil, err
		}
		if err := c.Skip(6); err != nil {
			return nil, err
		}
		n, err := c.Uint64()
		if err != nil {
			return nil, err
		}
		if at == 0 { // free space, which is last
			break
		}
		if n > uint64(c.Remaining()) {
			return nil, fmt.Errorf("object %d of the global heap at offset %d has %d bytes, %d are left", at, addr, n,
				c.Remaining())
		}
		if uint32(at) == index {
			return c.Sub(int64(n))
		}
		if err := c.Skip(min((int64(n)+7)/8*8, c.Remaining())); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("the global heap at offset %d has no object %d", addr, index)
}
