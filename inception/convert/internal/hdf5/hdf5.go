package hdf5

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

const signature = "\x89HDF\r\n\x1a\n"

// Is tells an HDF5 file by its first bytes.
func Is(head []byte) bool { return bytes.HasPrefix(head, []byte(signature)) }

const (
	maxDepth   = 16      // of groups
	maxObjects = 1 << 16 // groups and datasets; a Keras InceptionV3 has about 900
	maxTree    = 32      // levels of a B-tree
	undefined  = ^uint64(0)
)

type reader struct {
	r    io.ReaderAt
	size int64
	all  *raw.Cursor
	seen map[uint64]bool // objects and tree nodes
	out  []raw.Tensor

	names  map[string]bool
	groups []string
	texts  map[string]string
	left   int64 // bytes that attributes may still have
}

// File is what a file holds.
type File struct {
	Tensors []raw.Tensor
	Groups  []string          // paths of the groups, empty ones too
	Texts   map[string]string // attributes that are one text and among those below, under "PATH@NAME"
}

// wanted are the attributes that are read.
var wanted = map[string]bool{"model_config": true, "keras_version": true, "training_config": true, "name": true}

// maxTexts bounds the attributes of a file; a model's JSON has some hundred kilobytes.
const maxTexts = 64 << 20

// Read lists the datasets of a file of the given size, by their paths without a leading slash, in
// the order of the groups' trees (by name).
func Read(r io.ReaderAt, size int64) (*File, error) {
	f := &reader{r: r, size: size, all: raw.NewCursor(r, 0, size), seen: map[uint64]bool{}, names: map[string]bool{},
		texts: map[string]string{}, left: maxTexts}
	root, err := f.superblock()
	if err != nil {
		return nil, err
	}
	if err := f.object("", root, 0); err != nil {
		return nil, err
	}
	return &File{Tensors: f.out, Groups: f.groups, Texts: f.texts}, raw.Disjoint(f.out)
}

// at returns a cursor over n bytes at addr.
func (f *reader) at(addr uint64, n int64, what string) (*raw.Cursor, error) {
	if addr > uint64(f.size) || uint64(n) > uint64(f.size)-addr {
		return nil, fmt.Errorf("%s at offset %d with %d bytes lies outside a file of %d: it is truncated or damaged", what,
			addr, n, f.size)
	}
	return f.all.At(int64(addr), n)
}

// once marks an address and fails when it was visited before.
func (f *reader) once(addr uint64, what string) error {
	if f.seen[addr] {
		return fmt.Errorf("%s at offset %d is reached twice: links go in a circle or overlap", what, addr)
	}
	if len(f.seen) >= maxObjects {
		return fmt.Errorf("has more than %d objects, which no weight file has", maxObjects)
	}
	f.seen[addr] = true
	return nil
}

// superblock returns the address of the root group's object header.
func (f *reader) superblock() (uint64, error) {
	c, err := f.at(0, 24, "the superblock")
	if err != nil {
		return 0, err
	}
	b, err := c.Bytes(24)
	if err != nil {
		return 0, err
	}
	if !Is(b) {
		return 0, errors.New("does not start as an HDF5 file")
	}
	skip := int64(24)
	switch v := b[8]; v {
	case 0:
	case 1:
		skip = 28
	default:
		return 0, fmt.Errorf("HDF5 superblock has version %d, want 0 or 1: save the weights again "+
			"with h5py's default libver", v)
	}
	if b[13] != 8 || b[14] != 8 {
		return 0, fmt.Errorf("HDF5 addresses have %d and lengths %d bytes, want 8", b[13], b[14])
	}
	if c, err = f.at(uint64(skip), 4*8+16, "the superblock"); err != nil {
		return 0, err
	}
	var v struct{ Base, FreeSpace, End, Driver, Name, Root uint64 }
	if err := c.Decode(&v); err != nil {
		return 0, err
	}
	if v.Base != 0 {
		return 0, fmt.Errorf("HDF5 base address is %d, want 0: the file has a user block", v.Base)
	}
	if v.End < uint64(f.size) {
		return 0, fmt.Errorf("offset %d: %d bytes follow the end that the HDF5 header gives: fetch the file again", v.End,
			uint64(f.size)-v.End)
	}
	if v.End > uint64(f.size) {
		return 0, fmt.Errorf("file ends at offset %d, but its HDF5 header says %d: it is truncated; fetch it again",
			f.size, v.End)
	}
	return v.Root, nil
}

// message is one message of an object header.
type message struct {
	kind uint16
	body *raw.Cursor
}

// The kinds of message that matter here.
const (
	msgDataspace    = 0x01
	msgLinkInfo     = 0x02
	msgDatatype     = 0x03
	msgLink         = 0x06
	msgExternal     = 0x07
	msgLayout       = 0x08
	msgFilters      = 0x0b
	msgAttribute    = 0x0c
	msgContinuation = 0x10
	msgSymbolTable  = 0x11
)

// header reads the messages of an object header of version 1, continuations included.
func (f *reader) header(addr uint64) ([]message, error) {
	c, err := f.at(addr, 16, "an object header")
	if err != nil {
		return nil, err
	}
	var h struct {
		Version, _ byte
		Messages   uint16
		_, Size    uint32 // of the first block of messages
	}
	if err := c.Decode(&h); err != nil {
		return nil, err
	}
	if h.Version != 1 {
		return nil, fmt.Errorf("object header at offset %d has version %d, want 1: save the weights again "+
			"with h5py's default libver", addr, h.Version)
	}
	left := h.Messages
	block, err := f.at(addr+16, int64(h.Size), "an object header")
	if err != nil {
		return nil, err
	}
	var out []message
	for blocks := []*raw.Cursor{block}; len(blocks) > 0 && left > 0; blocks = blocks[1:] {
		for c := blocks[0]; left > 0 && c.Remaining() >= 8; left-- {
			m, flags, err := oneMessage(c)
			if err != nil {
				return nil, err
			}
			switch m.kind {
			case msgContinuation:
				next, err := f.continuation(m.body)
				if err != nil {
					return nil, err
				}
				blocks = append(blocks, next)
			case msgDataspace, msgDatatype, msgLayout, msgFilters, msgSymbolTable:
				if flags&2 != 0 {
					return nil, fmt.Errorf("object header at offset %d shares a message of type %d, which weight files never do", addr,
						m.kind)
				}
				out = append(out, m)
			case msgAttribute:
				if flags&2 == 0 {
					out = append(out, m)
				}
			case msgLinkInfo, msgLink, msgExternal:
				out = append(out, m)
			}
		}
	}
	return out, nil
}

func oneMessage(c *raw.Cursor) (message, byte, error) {
	var h struct {
		Kind, Size uint16
		Flags      byte
		_          [3]byte
	}
	if err := c.Decode(&h); err != nil {
		return message{}, 0, err
	}
	body, err := c.Sub(int64(h.Size))
	return message{h.Kind, body}, h.Flags, err
}

// place says where in the file something lies.
type place struct{ Addr, Size uint64 }

func (f *reader) continuation(c *raw.Cursor) (*raw.Cursor, error) {
	var p place
	if err := c.Decode(&p); err != nil {
		return nil, err
	}
	if p.Size > uint64(f.size) {
		return nil, fmt.Errorf("continuation of an object header has %d bytes in a file of %d", p.Size, f.size)
	}
	if err := f.once(p.Addr, "continuation of an object header"); err != nil {
		return nil, err
	}
	return f.at(p.Addr, int64(p.Size), "continuation of an object header")
}

// object reads a group or a dataset.
func (f *reader) object(name string, addr uint64, depth int) error {
	if err := f.once(addr, fmt.Sprintf("object %q", name)); err != nil {
		return err
	}
	msgs, err := f.header(addr)
	if err != nil {
		return fmt.Errorf("object %q: %w", name, err)
	}
	for _, m := range msgs {
		if m.kind == msgAttribute {
			if err := f.attribute(name, m.body); err != nil {
				return fmt.Errorf("object %q: an attribute: %w", name, err)
			}
		}
	}
	data := false
	for _, m := range msgs {
		switch m.kind {
		case msgSymbolTable:
			f.groups = append(f.groups, name)
			if depth >= maxDepth {
				return fmt.Errorf("group %q lies more than %d deep", name, maxDepth)
			}
			return f.group(name, m.body, depth)
		case msgLinkInfo, msgLink:
			return fmt.Errorf("group %q has links of the newer kind: save the weights again with h5py's default libver", name)
		case msgLayout:
			data = true
		}
	}
	if !data {
		return nil // a named type or an empty dataset
	}
	t, err := f.dataset(name, msgs)
	if err != nil {
		return fmt.Errorf("tensor %q at offset %d: %w", name, addr, err)
	}
	if f.names[name] {
		return fmt.Errorf("tensor %q at offset %d is there twice", name, addr)
	}
	f.names[name] = true
	f.out = append(f.out, t)
	return nil
}
