package coreml

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/convert/internal/wire"
)

// immediate is a TensorValue.
type immediate struct {
	body   *raw.Cursor // of floats, doubles and bytes
	floats []float32   // that come one by one
	ints   []int64
	texts  []string
	double bool
}

// value reads Value: a tensor, or texts.
func (f *reader) value(x wire.Field) (*graph.Const, []string, error) {
	k := &graph.Const{Tensor: raw.Tensor{Offset: x.At, Load: raw.NotFloat}}
	var im *immediate
	file, offset := "", uint64(0)
	err := x.Each(func(x wire.Field) (err error) {
		switch x.Num {
		case 2:
			k.DType, k.Shape, err = tensorType(x)
		case 3:
			im = &immediate{}
			err = x.Each(im.value)
		case 5:
			err = x.Each(func(x wire.Field) (err error) {
				if x.Num == 1 {
					file, err = x.Text(maxName)
				} else if x.Num == 2 {
					offset = x.Val
				}
				return err
			})
		}
		return err
	})
	switch {
	case err != nil:
		return nil, nil, err
	case im != nil && im.texts != nil:
		return nil, im.texts, nil
	}
	n, err := raw.Elements(k.Shape)
	if err != nil {
		return nil, nil, fmt.Errorf("value at offset %d: %w", x.At, err)
	}
	if file != "" {
		return k, nil, f.blob(k, file, offset)
	}
	if im == nil {
		return nil, nil, fmt.Errorf("value at offset %d has no numbers", x.At)
	}
	if err := im.fill(k, n); err != nil {
		return nil, nil, fmt.Errorf("value at offset %d: %w", x.At, err)
	}
	return k, nil, nil
}

// value reads ImmediateValue: a tensor, or a list of texts.
func (im *immediate) value(x wire.Field) error {
	switch x.Num {
	case 1:
		return x.Each(im.tensor)
	case 3: // a list of values
		return x.Each(func(x wire.Field) error {
			if x.Num != 1 {
				return nil
			}
			return x.Each(func(x wire.Field) error { // Value
				if x.Num != 3 {
					return nil
				}
				return x.Each(im.value)
			})
		})
	}
	return nil
}

// tensor reads TensorValue.
func (im *immediate) tensor(x wire.Field) error {
	kind := x.Num
	return x.Each(func(x wire.Field) (err error) {
		switch {
		case x.Num != 1:
		case kind == 4:
			var text string
			if text, err = x.Text(maxName); len(im.texts) >= maxLabel {
				err = errors.New("has too many texts")
			}
			im.texts = append(im.texts, text)
		case kind == 2 || kind == 3 || kind == 5:
			im.ints, err = x.Ints(im.ints, maxInts*maxInts)
		case x.Type == wire.Bytes && im.body == nil:
			im.body, im.double = x.Body, kind == 6
		case kind == 1 && im.body == nil:
			im.floats, err = x.Floats(im.floats, maxInts*maxInts)
		default:
			err = x.Bad(errors.New("values come in several pieces"))
		}
		return err
	})
}

// fill gives a constant its values.
func (im *immediate) fill(k *graph.Const, n int) error {
	switch {
	case im.body != nil && k.DType.Float():
		d := k.DType
		if im.double {
			d = raw.F64
		}
		if im.body.Remaining() != int64(n)*int64(d.Size()) {
			return fmt.Errorf("has %d bytes of values, want %d for shape %v of %v", im.body.Remaining(), n*d.Size(), k.Shape, d)
		}
		var err error
		k.DType, k.Offset = d, im.body.Pos()
		k.Load, err = raw.Dense(im.body.Reader(), im.body.End(), k.Offset, n, d)
		return err
	case len(im.floats) == n && k.DType == raw.F32:
		floats := im.floats
		k.Load = func(dst []float32) error {
			copy(dst, floats)
			return nil
		}
		return nil
	case len(im.ints) == n && !k.DType.Float():
		k.Ints = make([]int64, n)
		for i, v := range im.ints {
			k.Ints[i] = int64(int32(v)) // negative ones may be written with 32 bits or 64
			if k.DType == raw.I64 {
				k.Ints[i] = v
			}
		}
		return nil
	}
	return nil // of a kind that no weight has
}

// blobTypes are the element types of a record in weight.bin.
const (
	sentinel   = 0xDEADBEEF
	recordSize = 64
)

// blob gives a constant the values of a record in the file of weights.
func (f *reader) blob(k *graph.Const, file string, offset uint64) error {
	name, ok := strings.CutPrefix(file, "@model_path/")
	if !ok || path.Clean(name) != name {
		return fmt.Errorf("its weights lie in %q, want a file below @model_path", file)
	}
	b, ok := f.beside[name]
	if !ok {
		if f.open == nil || len(f.beside) > maxInts {
			return fmt.Errorf("its weights are in another file, %q, which cannot be opened from here: unpack the package "+
				"first", name)
		}
		var err error
		if b.r, b.size, err = f.open(name); err != nil {
			return fmt.Errorf("its weights are in another file, which belongs to the package: %w", err)
		}
		f.beside[name] = b
	}
	head := make([]byte, 24)
	if offset > uint64(b.size) || b.size-int64(offset) < recordSize {
		return fmt.Errorf("its weights are at offset %d of %q, which has %d bytes", offset, name, b.size)
	}
	if err := raw.ReadFull(b.r, head, int64(offset)); err != nil {
		return err
	}
	n, at := binary.LittleEndian.Uint64(head[8:]), binary.LittleEndian.Uint64(head[16:])
	want := uint64(k.Len()) * uint64(k.DType.Size())
	if binary.LittleEndian.Uint32(head) != sentinel || k.DType == raw.Invalid || n != want || at > uint64(b.size) ||
		n > uint64(b.size)-at {
		return fmt.Errorf("its record at offset %d of %q has %d bytes of values at %d, want %d for shape %v of %v in a "+
			"file of %d: it is cut short, or another model's", offset, name, n, at, want, k.Shape, k.DType, b.size)
	}
	k.Offset = int64(at)
	if !k.DType.Float() {
		k.Body = raw.NewCursor(b.r, int64(at), int64(at+n))
		return nil
	}
	var err error
	k.Load, err = raw.Dense(b.r, b.size, int64(at), k.Len(), k.DType)
	return err
}
