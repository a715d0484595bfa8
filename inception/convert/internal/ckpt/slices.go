package ckpt

import (
	"errors"
	"fmt"
	"io"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/convert/internal/tfproto"
	"github.com/c236555e/rehead/inception/convert/internal/wire"
)

// slices reads a table of the first version.
type slices struct {
	r    io.ReaderAt
	out  []raw.Tensor
	meta map[string]info
	seen map[string]bool
}

// info is what the first entry of the table says about a tensor.
type info struct {
	shape []int
	dtype raw.DType
}

func readSlices(t table) ([]raw.Tensor, error) {
	f := &slices{r: t.r, seen: map[string]bool{}}
	if err := t.each(f.entry); err != nil {
		return nil, err
	}
	if f.meta == nil || len(f.out) != len(f.meta) {
		return nil, fmt.Errorf("has the values of %d tensors, but its first entry lists %d", len(f.out), len(f.meta))
	}
	return f.out, nil
}

// entry reads SavedTensorSlices: the first has the list of tensors, the others a tensor's values
// each.
func (f *slices) entry(_ string, value *raw.Cursor) error {
	return wire.Each(value, func(x wire.Field) error {
		switch {
		case x.Num == 1 && f.meta == nil:
			f.meta = map[string]info{}
			return x.Each(f.list)
		case x.Num == 2:
			return f.slice(x)
		}
		return x.Bad(errors.New("is not what a checkpoint holds there"))
	})
}

// list reads the SavedSliceMeta messages.
func (f *slices) list(x wire.Field) error {
	if x.Num != 1 {
		return nil
	}
	c, err := x.Message()
	if err != nil {
		return err
	}
	var name string
	var m info
	err = wire.Each(c, func(x wire.Field) (err error) {
		switch x.Num {
		case 1:
			name, err = x.Text(maxName)
		case 2:
			m.shape, err = tfproto.Shape(x)
		case 3:
			var v int64
			v, err = x.Int()
			m.dtype = tfproto.DType(v)
		case 4:
			err = whole(x)
		}
		return err
	})
	if err == nil {
		if _, twice := f.meta[name]; twice {
			err = errors.New("is listed twice")
		}
	}
	if err != nil {
		return fmt.Errorf("tensor %q at offset %d: %w", name, x.At, err)
	}
	f.meta[name] = m
	return nil
}

// whole checks that a TensorSliceProto is all of its tensor: extents without start and length.
func whole(x wire.Field) error {
	return x.Each(func(x wire.Field) error {
		e, err := x.Message()
		if err == nil && e.Remaining() > 0 {
			err = x.Bad(errSlices)
		}
		return err
	})
}

var errSlices = errors.New("the tensor is stored in several slices, which is not read: freeze the graph to a .pb")

// slice reads SavedSlice.
func (f *slices) slice(x wire.Field) error {
	c, err := x.Message()
	if err != nil {
		return err
	}
	at := c.Pos()
	var name string
	var data *raw.Cursor
	err = wire.Each(c, func(x wire.Field) (err error) {
		switch x.Num {
		case 1:
			name, err = x.Text(maxName)
		case 2:
			err = whole(x)
		case 3:
			data, err = x.Message()
		}
		return err
	})
	m, ok := f.meta[name]
	switch {
	case err != nil:
	case !ok:
		err = errors.New("is not listed in the checkpoint's first entry")
	case data == nil:
		err = errors.New("has no values")
	case f.seen[name]:
		err = errors.New("is stored twice")
	}
	t := raw.Tensor{Name: name, Shape: m.shape, DType: m.dtype, Offset: at}
	if err == nil {
		err = f.values(&t, data)
	}
	if err != nil {
		return fmt.Errorf("tensor %q at offset %d: %w", name, at, err)
	}
	f.seen[name] = true
	f.out = append(f.out, t)
	return nil
}

// values finds the packed floats in a TensorProto.
func (f *slices) values(t *raw.Tensor, data *raw.Cursor) error {
	field := map[raw.DType]int{raw.F32: 5, raw.F64: 6}[t.DType]
	if field == 0 {
		t.Load = raw.NotFloat
		return nil
	}
	var body *raw.Cursor
	err := wire.Each(data, func(x wire.Field) error {
		if x.Num != field {
			return nil
		}
		if x.Type != wire.Bytes || body != nil {
			return x.Bad(errors.New("its values are not packed in one piece"))
		}
		body = x.Body
		return nil
	})
	if err != nil {
		return err
	}
	n := t.Len()
	if body == nil || body.Remaining() != int64(n)*int64(t.DType.Size()) {
		return fmt.Errorf("has too few values, want %d for shape %v", n, t.Shape)
	}
	t.Offset = body.Pos()
	t.Load, err = raw.Dense(f.r, body.End(), t.Offset, n, t.DType)
	return err
}
