package hdf5

import (
	"bytes"
	"fmt"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// attribute reads an attribute message (HDF5 file format, IV.A.2.m) and keeps its value when it is
// wanted and one text.
func (f *reader) attribute(object string, c *raw.Cursor) error {
	var h struct {
		Version, _        byte
		Name, Kind, Space uint16 // bytes
	}
	if err := c.Decode(&h); err != nil {
		return err
	}
	pad := func(n uint16) int64 { return int64(n) }
	switch h.Version {
	case 1:
		pad = func(n uint16) int64 { return (int64(n) + 7) / 8 * 8 }
	case 2:
	case 3:
		if err := c.Skip(1); err != nil { // the name's character set
			return err
		}
	default:
		return fmt.Errorf("has version %d, want 1 to 3", h.Version)
	}
	name, err := c.Sub(pad(h.Name))
	if err != nil {
		return err
	}
	text, err := name.Bytes(int64(min(h.Name, 256)))
	if err != nil {
		return err
	}
	key := string(bytes.TrimRight(text, "\x00"))
	kind, err := c.Sub(pad(h.Kind))
	if err != nil {
		return err
	}
	space, err := c.Sub(pad(h.Space))
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
	var k typeHead
	if err := kind.Decode(&k); err != nil {
		return "", false, err
	}
	data, n := value, int64(k.Size)
	switch k.Class & 0x0f {
	case 3:
	case 9:
		var late struct {
			Length uint32
			Addr   uint64
			Index  uint32
		}
		err := value.Decode(&late)
		if err != nil {
			return "", false, err
		}
		if n = int64(late.Length); n == 0 {
			return "", true, nil
		}
		if data, err = f.globalHeap(late.Addr, late.Index); err != nil {
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
	var h struct {
		Signature [4]byte
		Version   byte
		_         [3]byte
		Size      uint64
	}
	if err := c.Decode(&h); err != nil {
		return nil, err
	}
	if string(h.Signature[:]) != "GCOL" || h.Version != 1 || h.Size < 16 || h.Size > uint64(f.size) {
		return nil, fmt.Errorf("no global heap of version 1 at offset %d", addr)
	}
	if c, err = f.at(addr+16, int64(h.Size)-16, "a global heap"); err != nil {
		return nil, err
	}
	for c.Remaining() >= 16 {
		var o struct {
			Index uint16
			_     [6]byte
			Size  uint64
		}
		if err := c.Decode(&o); err != nil {
			return nil, err
		}
		if o.Index == 0 { // free space, which is last
			break
		}
		if o.Size > uint64(c.Remaining()) {
			return nil, fmt.Errorf("object %d of the global heap at offset %d has %d bytes, %d are left", o.Index, addr, o.Size,
				c.Remaining())
		}
		if uint32(o.Index) == index {
			return c.Sub(int64(o.Size))
		}
		if err := c.Skip(min((int64(o.Size)+7)/8*8, c.Remaining())); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("the global heap at offset %d has no object %d", addr, index)
}
