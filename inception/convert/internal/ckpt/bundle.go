package ckpt

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/convert/internal/tfproto"
	"github.com/c236555e/rehead/inception/convert/internal/wire"
)

// maxShards bounds the files that hold a checkpoint's values.
const maxShards = 1 << 10

// bundle reads a table of the second version.
type bundle struct {
	shards []*shard
	out    []raw.Tensor
	open   Shard
	header bool
	last   string
}

// shard is one file of values.
type shard struct {
	r    io.ReaderAt
	size int64
}

func readBundle(t table, open Shard) ([]raw.Tensor, error) {
	if open == nil {
		return nil, errors.New("keeps its values in .data files beside it, which are not here")
	}
	f := &bundle{open: open}
	if err := t.each(f.entry); err != nil {
		return nil, err
	}
	return f.out, raw.Disjoint(f.out)
}

// entry reads BundleHeaderProto, which the empty key has, or BundleEntryProto.
func (f *bundle) entry(key string, value *raw.Cursor) error {
	if !f.header {
		f.header = true
		return f.head(value)
	}
	at := value.Pos()
	if key <= f.last {
		return fmt.Errorf("tensor %q at offset %d stands behind %q, want names that are all different, in order", key, at,
			f.last)
	}
	f.last = key
	t, err := f.tensor(value)
	if err != nil {
		return fmt.Errorf("tensor %q at offset %d: %w", key, at, err)
	}
	t.Name = key
	f.out = append(f.out, t)
	return nil
}

// head reads the number of files and the byte order.
func (f *bundle) head(c *raw.Cursor) error {
	n := int64(0)
	err := wire.Each(c, func(x wire.Field) (err error) {
		switch x.Num {
		case 1:
			n, err = x.Int()
		case 2:
			var order int64
			if order, err = x.Int(); err == nil && order != 0 {
				err = x.Bad(errors.New("its numbers are stored big-endian: save the checkpoint on another machine"))
			}
		}
		return err
	})
	if err == nil && (n < 1 || n > maxShards) {
		err = fmt.Errorf("has %d files of values, want 1..%d", n, maxShards)
	}
	if err == nil {
		f.shards = make([]*shard, n)
	}
	return err
}

// shard opens a file of values once.
func (f *bundle) shard(i int64) (*shard, error) {
	if i < 0 || i >= int64(len(f.shards)) {
		return nil, fmt.Errorf("lies in file %d of %d", i, len(f.shards))
	}
	if f.shards[i] == nil {
		r, size, err := f.open(int(i), len(f.shards))
		if err != nil {
			return nil, err
		}
		f.shards[i] = &shard{r, size}
	}
	return f.shards[i], nil
}

// tensor reads BundleEntryProto.
func (f *bundle) tensor(c *raw.Cursor) (raw.Tensor, error) {
	t := raw.Tensor{Offset: -1}
	var in, off, size int64
	var sum uint32
	err := wire.Each(c, func(x wire.Field) (err error) {
		switch x.Num {
		case 1:
			var v int64
			v, err = x.Int()
			t.DType = tfproto.DType(v)
		case 2:
			t.Shape, err = tfproto.Shape(x)
		case 3:
			in, err = x.Int()
		case 4:
			off, err = x.Int()
		case 5:
			size, err = x.Int()
		case 6:
			sum = uint32(x.Val)
		case 7:
			err = x.Bad(errSlices)
		}
		return err
	})
	if err != nil || !t.DType.Float() {
		t.Load = raw.NotFloat
		return t, err
	}
	s, err := f.shard(in)
	if err != nil {
		return t, err
	}
	n := t.Len()
	if want := int64(n) * int64(t.DType.Size()); size != want {
		return t, fmt.Errorf("has %d bytes, want %d for shape %v of %v", size, want, t.Shape, t.DType)
	}
	t.Offset, t.Span, t.File = off, size, int(in)
	load, err := raw.Dense(s.r, s.size, off, n, t.DType)
	if err != nil {
		return t, fmt.Errorf("file %d of values: %w", in, err)
	}
	t.Load = func(dst []float32) error {
		if err := s.verify(off, size, sum); err != nil {
			return err
		}
		return load(dst)
	}
	return t, nil
}

// verify compares a tensor's bytes with their checksum.
func (s *shard) verify(off, n int64, want uint32) error {
	h := crc32.New(castagnoli)
	if _, err := io.Copy(h, io.NewSectionReader(s.r, off, n)); err != nil {
		return err
	}
	if got := masked(h.Sum32()); got != want {
		return fmt.Errorf("its %d bytes have checksum %08x, want %08x: the file of values is damaged, or "+
			"belongs to another index", n, got, want)
	}
	return nil
}
