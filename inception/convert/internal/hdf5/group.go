package hdf5

import (
	"errors"
	"fmt"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// group walks the members of a symbol table.
func (f *reader) group(name string, c *raw.Cursor, depth int) error {
	var table struct{ Tree, Heap uint64 }
	if err := c.Decode(&table); err != nil {
		return err
	}
	names, err := f.heap(table.Heap)
	if err != nil {
		return fmt.Errorf("group %q: %w", name, err)
	}
	return f.members(table.Tree, -1, func(node *raw.Cursor) error {
		return f.symbols(node, func(link, addr uint64, cache uint32) error {
			member, err := text(names, link)
			if err != nil {
				return fmt.Errorf("group %q: %w", name, err)
			}
			if name != "" {
				member = name + "/" + member
			}
			if cache == 2 {
				return fmt.Errorf("%q is a symbolic link, want a group or a dataset", member)
			}
			return f.object(member, addr, depth+1)
		})
	})
}

// heap returns the data segment of a local heap.
func (f *reader) heap(addr uint64) (*raw.Cursor, error) {
	c, err := f.at(addr, 32, "a local heap")
	if err != nil {
		return nil, err
	}
	var h struct {
		Signature     [4]byte
		Version       byte
		_             [3]byte
		Size, _, Data uint64
	}
	if err := c.Decode(&h); err != nil {
		return nil, err
	}
	if string(h.Signature[:]) != "HEAP" || h.Version != 0 {
		return nil, fmt.Errorf("no local heap of version 0 at offset %d", addr)
	}
	if h.Size > uint64(f.size) {
		return nil, fmt.Errorf("local heap at offset %d has %d bytes in a file of %d", addr, h.Size, f.size)
	}
	return f.at(h.Data, int64(h.Size), "a local heap")
}

// text reads the name at an offset of a heap.
func text(heap *raw.Cursor, off uint64) (string, error) {
	if off >= uint64(heap.Remaining()) {
		return "", fmt.Errorf("a name at offset %d of a heap of %d bytes", off, heap.Remaining())
	}
	c, err := heap.At(heap.Pos()+int64(off), heap.Remaining()-int64(off))
	if err != nil {
		return "", err
	}
	var s []byte
	for len(s) < 1024 {
		b, err := c.Byte()
		if err != nil {
			return "", err
		}
		if b == 0 {
			if len(s) == 0 {
				return "", errors.New("a member of a group has no name")
			}
			return string(s), nil
		}
		s = append(s, b)
	}
	return "", errors.New("a member's name is longer than 1024 bytes")
}

// members walks a group's B-tree and hands on each leaf. level is what the node must have, -1 at
// the root.
func (f *reader) members(addr uint64, level int, leaf func(*raw.Cursor) error) error {
	if err := f.once(addr, "tree node"); err != nil {
		return err
	}
	n, lv, c, err := f.node(addr, 0, level)
	if err != nil {
		return err
	}
	for range n {
		var entry struct{ Key, Child uint64 }
		err := c.Decode(&entry)
		if err != nil {
			return err
		}
		if lv > 0 {
			err = f.members(entry.Child, lv-1, leaf)
		} else if err = f.once(entry.Child, "symbol table"); err == nil {
			var s *raw.Cursor
			if s, err = f.at(entry.Child, 8, "a symbol table"); err == nil {
				err = leaf(s)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// node reads the head of a B-tree node of the given type and returns its entries, its level and a
// cursor at its keys.
func (f *reader) node(addr uint64, kind byte, level int) (int, int, *raw.Cursor, error) {
	c, err := f.at(addr, 24, "a tree node")
	if err != nil {
		return 0, 0, nil, err
	}
	var h struct {
		Signature   [4]byte
		Kind, Level byte
		Entries     uint16
	}
	if err := c.Decode(&h); err != nil {
		return 0, 0, nil, err
	}
	lv := int(h.Level)
	if string(h.Signature[:]) != "TREE" || h.Kind != kind || lv > maxTree || level >= 0 && lv != level {
		return 0, 0, nil, fmt.Errorf("no tree node of type %d and level %d at offset %d", kind, max(level, 0), addr)
	}
	c, err = f.at(addr+24, f.size-int64(addr)-24, "a tree node")
	return int(h.Entries), lv, c, err
}

// symbols reads a symbol table node.
func (f *reader) symbols(c *raw.Cursor, each func(link, addr uint64, cache uint32) error) error {
	at := c.Pos()
	var h struct {
		Signature  [4]byte
		Version, _ byte
		Entries    uint16
	}
	if err := c.Decode(&h); err != nil {
		return err
	}
	if string(h.Signature[:]) != "SNOD" || h.Version != 1 {
		return fmt.Errorf("no symbol table of version 1 at offset %d", at)
	}
	c, err := f.at(uint64(at)+8, int64(h.Entries)*40, "a symbol table")
	if err != nil {
		return err
	}
	for range h.Entries {
		var entry struct {
			Link, Addr uint64
			Cache      uint32
			_          [20]byte
		}
		if err := c.Decode(&entry); err != nil {
			return err
		}
		if err := each(entry.Link, entry.Addr, entry.Cache); err != nil {
			return err
		}
	}
	return nil
}
