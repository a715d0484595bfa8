// Package coreml reads Core ML models (the .proto files of coremltools): an ML program, whose weights
// lie in a file beside it, or a neural network. Operators are handed on under ONNX's names.
package coreml

import (
	"errors"
	"fmt"
	"io"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/convert/internal/wire"
)

const (
	maxName  = 1 << 12
	maxInts  = 64
	maxLabel = 1 << 20 // labels of a classifier
)

// Model is what a file holds.
type Model struct {
	*graph.Graph
	Rounded bool     // weights are quantised to few levels
	BGR     bool     // it takes pictures with blue first
	Labels  []string // of a classifier
}

// Is tells a Core ML model by its first bytes: the version, a small number, then the description,
// which begins with an input. ONNX begins alike, with a text in the description's place.
func Is(head []byte) bool {
	if len(head) < 8 || head[0] != 0x08 || head[1] == 0 || head[1] >= 0x40 || head[2] != 0x12 {
		return false
	}
	i := 3
	for i < 6 && head[i]&0x80 != 0 {
		i++
	}
	return head[i+1] == 0x0a
}

// Open opens a file below the model's folder and returns its size.
type Open func(name string) (io.ReaderAt, int64, error)

// reader reads one model.
type reader struct {
	Model
	open   Open
	beside map[string]blobs
	made   int
	inputs map[string]string   // of a neural network: an input -> the value that is scaled
	lists  map[string][]string // of an ML program: constants that are several texts
}

type blobs struct {
	r    io.ReaderAt
	size int64
}

// Read reads a model of the given size; open may be nil when there is nothing beside it.
func Read(r io.ReaderAt, size int64, open Open) (*Model, error) {
	f := &reader{Model: Model{Graph: graph.New("Core ML")}, open: open, beside: map[string]blobs{},
		inputs: map[string]string{}, lists: map[string][]string{}}
	kinds := 0
	err := wire.Each(raw.NewCursor(r, 0, size), func(x wire.Field) error {
		switch x.Num {
		case 2:
			return x.Each(f.description)
		case 403, 500:
			kinds++
			return f.network(x)
		case 502:
			kinds++
			return f.program(x)
		case 200, 201, 202:
			return errors.New("is a pipeline of several models: save the classifier alone")
		}
		return nil
	})
	if err == nil && kinds != 1 {
		err = errors.New("holds neither a neural network nor an ML program")
	}
	if err != nil {
		return nil, fmt.Errorf("in the Core ML model: %w", err)
	}
	return &f.Model, nil
}

// description reads ModelDescription: the inputs' types.
func (f *reader) description(x wire.Field) error {
	if x.Num != 1 {
		return nil
	}
	name := ""
	return x.Each(func(x wire.Field) (err error) {
		switch x.Num {
		case 1:
			name, err = x.Text(maxName)
		case 3:
			err = x.Each(func(x wire.Field) error { return f.kind(name, x) })
		}
		return err
	})
}

// kind reads FeatureType of an input: an image, or an array.
func (f *reader) kind(name string, x wire.Field) error {
	var dims []int64
	if x.Num != 4 && x.Num != 5 {
		return nil
	}
	image := x.Num == 4
	err := x.Each(func(x wire.Field) (err error) {
		switch {
		case image && x.Num <= 2, !image && x.Num == 1:
			dims, err = x.Ints(dims, maxInts)
		case image && x.Num == 3:
			f.BGR = f.BGR || x.Val == 30
		}
		return err
	})
	if f.Bytes[name] = image; len(dims) >= 2 && dims[len(dims)-1] == dims[len(dims)-2] {
		f.Sizes[name] = int(min(max(dims[len(dims)-1], 0), 1<<20))
	}
	return err
}

// name is a new name for a value.
func (f *reader) name(of string) string {
	f.made++
	return fmt.Sprintf("%s/made%d", of, f.made)
}

// floats adds a constant of numbers that are known.
func (f *reader) floats(of string, v ...float32) (string, error) {
	name := f.name(of)
	shape := []int{len(v)}
	if len(v) == 3 {
		shape = []int{3, 1, 1}
	}
	return name, f.AddConst(name, &graph.Const{Tensor: raw.Tensor{Name: name, Shape: shape, DType: raw.F32, Offset: -1,
		Load: func(dst []float32) error {
			copy(dst, v)
			return nil
		}}})
}
