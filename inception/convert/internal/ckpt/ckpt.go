// Package ckpt lists the tensors of a TensorFlow checkpoint of either version. The first is one
// file, a sorted table whose values are SavedTensorSlices messages
// (tensorflow/core/util/saved_tensor_slice.proto). The second is a table of BundleEntryProto
// messages (the .index file; tensorflow/core/protobuf/tensor_bundle.proto) beside files with the
// values (.data-00000-of-00001).
//
// Blocks must be stored plainly, as TensorFlow's writer does, and each tensor in one slice. Every
// block's checksum is verified, and in the second version every tensor's when it is read.
package ckpt

import (
	"errors"
	"fmt"
	"io"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/convert/internal/wire"
)

const maxName = 1 << 12

// Shard opens the file that holds a part of a checkpoint's values; it returns the file and its
// size. The file stays open as long as the tensors are read.
type Shard func(i, n int) (io.ReaderAt, int64, error)

// Read lists the tensors of a file of the given size, in the order of its table. shard opens the
// files beside an index of the second version.
func Read(r io.ReaderAt, size int64, shard Shard) ([]raw.Tensor, error) {
	if !Is(r, size) {
		return nil, fmt.Errorf("does not end at offset %d as a TensorFlow checkpoint does: it is truncated, or bytes follow "+
			"its table; fetch it again", size)
	}
	t := table{r, size}
	var out []raw.Tensor
	second, err := t.bundled()
	if err == nil && second {
		out, err = readBundle(t, shard)
	} else if err == nil {
		out, err = readSlices(t)
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	return out, nil
}

// errStop ends a walk over a table early.
var errStop = errors.New("stop")

// bundled reports whether the table is one of the second version: its first value then starts with
// a number, that of the files, and in the first version with a message.
func (t table) bundled() (bool, error) {
	is := false
	err := t.each(func(_ string, value *raw.Cursor) error {
		first := *value
		err := wire.Each(&first, func(x wire.Field) error {
			is = x.Type == wire.Varint
			return errStop
		})
		return errors.Join(err, errStop)
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	return is, err
}
