package ckpt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/convert/internal/wire"
)

// ObjectGraph is the key under which TensorFlow 2's checkpoints keep what their other keys mean.
const ObjectGraph = "_CHECKPOINTABLE_OBJECT_GRAPH"

const (
	maxGraph   = 64 << 20
	maxObjects = 1 << 18
)

// Objects reads the object graph of a TensorFlow 2 checkpoint (TrackableObjectGraph of
// tensorflow/core/protobuf/trackable_object_graph.proto): the variables' own names, by the keys of
// their tensors.
func Objects(r io.ReaderAt, size int64, open Shard) (map[string]string, error) {
	t := table{r, size}
	f := &bundle{open: open}
	var text []byte
	err := t.each(func(key string, value *raw.Cursor) error {
		if !f.header {
			return f.entry(key, value)
		}
		if key != ObjectGraph {
			return nil
		}
		var err error
		if text, err = f.text(value); err != nil {
			return err
		}
		return errStop
	})
	if err != nil && !errors.Is(err, errStop) {
		return nil, fmt.Errorf("checkpoint: object graph: %w", err)
	}
	names := map[string]string{}
	objects := 0
	err = wire.Each(raw.NewCursor(strings.NewReader(string(text)), 0, int64(len(text))), func(x wire.Field) error {
		if objects++; objects > maxObjects {
			return fmt.Errorf("has more than %d objects", maxObjects)
		}
		if x.Num != 1 {
			return nil
		}
		return x.Each(func(x wire.Field) error {
			if x.Num != 2 {
				return nil
			}
			var name, key string
			err := x.Texts(maxName, map[int]*string{2: &name, 3: &key})
			if name != "" && key != "" {
				names[key] = name
			}
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("checkpoint: object graph: %w", err)
	}
	return names, nil
}

// text reads a tensor that is one string: its length, the length's checksum, and its bytes.
func (f *bundle) text(c *raw.Cursor) ([]byte, error) {
	var in, off, size int64
	err := wire.Each(c, func(x wire.Field) (err error) {
		switch x.Num {
		case 3:
			in, err = x.Int()
		case 4:
			off, err = x.Int()
		case 5:
			size, err = x.Int()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s, err := f.shard(in)
	if err != nil {
		return nil, err
	}
	if size < 0 || size > maxGraph || off < 0 || off > s.size || size > s.size-off {
		return nil, fmt.Errorf("lies at bytes %d..%d of a file of %d", off, off+size, s.size)
	}
	b := make([]byte, size)
	if err := raw.ReadFull(s.r, b, off); err != nil {
		return nil, err
	}
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)) || uint64(len(b)) != uint64(k)+4+n {
		return nil, fmt.Errorf("is not one text of %d bytes", size)
	}
	return b[k+4:], nil
}
