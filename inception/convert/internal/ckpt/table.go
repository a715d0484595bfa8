package ckpt

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

const (
	footer    = 48
	magic     = 0xdb4775248b80fb57
	trailer   = 5 // kind of compression and checksum behind each block
	maxBlocks = 1 << 16
)

// Is tells a checkpoint by the number at its end.
func Is(r io.ReaderAt, size int64) bool {
	var b [8]byte
	return size >= footer && raw.ReadFull(r, b[:], size-8) == nil && binary.LittleEndian.Uint64(b[:]) == magic
}

// Begins reports whether head starts as a checkpoint does: with the empty key, which shares nothing
// with the key before it, and a value that is a message of tensors (first version) or starts with
// the number of files (second). Little else begins so, but only the end is a proof: a file that
// merely begins like a checkpoint is one that was cut short.
func Begins(head []byte) bool {
	if len(head) < 8 || head[0] != 0 || head[1] != 0 {
		return false
	}
	n, k := binary.Uvarint(head[2:])
	return k > 0 && k <= 5 && n > 0 && len(head) > 2+k && (head[2+k] == 0x0a || head[2+k] == 0x08)
}

// table is a sorted table (tensorflow/core/lib/io/table_format.txt, which is LevelDB's) in a file.
type table struct {
	r    io.ReaderAt
	size int64
}

// each calls f for the table's entries in their order. Keys are whole; values stay in the file.
func (t table) each(f func(key string, value *raw.Cursor) error) error {
	c := raw.NewCursor(t.r, t.size-footer, t.size-8)
	var h [4]uint64 // offset and size of the meta index and of the index
	for i := range h {
		var err error
		if h[i], err = c.Uvarint(); err != nil {
			return fmt.Errorf("footer: %w", err)
		}
	}
	blocks, end := 0, uint64(0)
	return t.block(h[2], h[3], func(_ string, value *raw.Cursor) error {
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
		return t.block(at, n, f)
	})
}

// block checks a block and calls each for its entries.
func (t table) block(at, n uint64, each func(key string, value *raw.Cursor) error) error {
	if at > uint64(t.size) || n > uint64(t.size)-at || uint64(t.size)-at-n < trailer || n < 4 {
		return fmt.Errorf("block at offset %d with %d bytes lies outside a file of %d", at, n, t.size)
	}
	if err := t.verify(int64(at), int64(n)); err != nil {
		return err
	}
	restarts, err := raw.NewCursor(t.r, int64(at+n-4), int64(at+n)).Uint32()
	if err != nil {
		return err
	}
	if uint64(restarts) > (n-4)/4 {
		return fmt.Errorf("block at offset %d has %d restart points in %d bytes", at, restarts, n)
	}
	c := raw.NewCursor(t.r, int64(at), int64(at+n)-4-4*int64(restarts))
	var key []byte
	for c.Remaining() > 0 {
		var value *raw.Cursor
		if key, value, err = entry(c, key); err != nil {
			return err
		}
		if err := each(string(key), value); err != nil {
			return err
		}
	}
	return nil
}

// entry reads the next entry of a block; last is the key before it, whose beginning the key may
// share.
func entry(c *raw.Cursor, last []byte) (key []byte, value *raw.Cursor, err error) {
	at := c.Pos()
	var v [3]uint64 // shared and own bytes of the key, bytes of the value
	for i := range v {
		if v[i], err = c.Uvarint(); err != nil {
			return nil, nil, err
		}
	}
	left := uint64(c.Remaining())
	if v[0] > uint64(len(last)) || v[1] > left || v[2] > left-v[1] || v[0]+v[1] > maxName {
		return nil, nil, fmt.Errorf("entry at offset %d shares %d bytes of a key of %d and has %d and %d of "+
			"its own, but %d are left", at, v[0], len(last), v[1], v[2], left)
	}
	own, err := c.Bytes(int64(v[1]))
	if err != nil {
		return nil, nil, err
	}
	value, err = c.Sub(int64(v[2]))
	return append(last[:v[0]:v[0]], own...), value, err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is how LevelDB and TensorFlow store a checksum.
func masked(sum uint32) uint32 { return (sum>>15 | sum<<17) + 0xa282ead8 }

// verify compares a block with the checksum behind it.
func (t table) verify(at, n int64) error {
	h := crc32.New(castagnoli)
	if _, err := io.Copy(h, io.NewSectionReader(t.r, at, n+1)); err != nil { // the kind of compression is part of it
		return err
	}
	c := raw.NewCursor(t.r, at+n, at+n+trailer)
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
	if got := masked(h.Sum32()); got != want {
		return fmt.Errorf("block at offset %d has checksum %08x, want %08x: the file is damaged", at, got, want)
	}
	return nil
}
