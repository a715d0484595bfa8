// Package tfjs reads TensorFlow.js's model.json (format version of @tensorflow/tfjs 1 to 4): the
// topology, and the weights, which lie in shards beside it as they are or quantised.
// Source: tfjs-core/src/io/types.ts and weights_loader.ts.
package tfjs

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/internal/safetensors"
)

const (
	maxJSON    = 64 << 20
	maxShards  = 1 << 12
	maxTensors = 1 << 16
	piece      = 1 << 18 // bytes read at a time
)

// Open opens a file beside model.json and returns its size.
type Open func(name string) (io.ReaderAt, int64, error)

// Model is a model.json with its weights.
type Model struct {
	ModelConfig json.RawMessage // of a layers model: Keras's description
	Topology    json.RawMessage // of a graph model: the GraphDef as JSON
	Tensors     []raw.Tensor

	shards []io.ReaderAt // of each group
}

type document struct {
	Topology json.RawMessage `json:"modelTopology"`
	Manifest []group         `json:"weightsManifest"`
}

type group struct {
	Paths   []string `json:"paths"`
	Weights []weight `json:"weights"`
}

type weight struct {
	Name         string        `json:"name"`
	Shape        []int         `json:"shape"`
	DType        string        `json:"dtype"`
	Quantization *quantization `json:"quantization"`
}

type quantization struct {
	DType string  `json:"dtype"`
	Min   float64 `json:"min"`
	Scale float64 `json:"scale"`
}

// Read reads a model.json of the given size.
func Read(r io.ReaderAt, size int64, open Open) (*Model, error) {
	if size > maxJSON {
		return nil, fmt.Errorf("TensorFlow.js: model.json has %d bytes, want at most %d", size, maxJSON)
	}
	data := make([]byte, size)
	if err := raw.ReadFull(r, data, 0); err != nil {
		return nil, err
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("TensorFlow.js: model.json is damaged: %w", err)
	}
	if len(d.Topology) == 0 || len(d.Manifest) == 0 {
		return nil, errors.New("is JSON, but no model.json of TensorFlow.js: it has no modelTopology or no weightsManifest")
	}
	m := &Model{Topology: d.Topology}
	var t struct {
		Config json.RawMessage `json:"model_config"`
		Class  string          `json:"class_name"`
	}
	if err := json.Unmarshal(d.Topology, &t); err == nil {
		if m.ModelConfig = t.Config; t.Class != "" {
			m.ModelConfig = d.Topology
		}
	}
	for i, g := range d.Manifest {
		if err := m.group(g, i, open); err != nil {
			return nil, fmt.Errorf("TensorFlow.js: %w", err)
		}
	}
	return m, nil
}

// group lists the tensors of one run of shards.
func (m *Model) group(g group, number int, open Open) error {
	if len(g.Paths) > maxShards || len(m.Tensors)+len(g.Weights) > maxTensors {
		return fmt.Errorf("has %d shards and %d tensors in a group, want at most %d and %d", len(g.Paths), len(g.Weights),
			maxShards,
			maxTensors)
	}
	all := &joined{}
	for _, p := range g.Paths {
		if open == nil {
			return fmt.Errorf("its weights are in %q, which cannot be opened from here: unpack the model first", p)
		}
		r, size, err := open(p)
		if err != nil {
			return fmt.Errorf("its weights are not beside it: %w", err)
		}
		all.add(r, size)
	}
	m.shards = append(m.shards, all)
	at := int64(0)
	for _, w := range g.Weights {
		t := raw.Tensor{Name: w.Name, Shape: w.Shape, Offset: at, File: number}
		n, err := raw.Elements(w.Shape)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", w.Name, err)
		}
		var es int64
		if t.DType, t.Load, es, err = w.load(all, at); err != nil {
			return fmt.Errorf("tensor %q at offset %d of the shards: %w", w.Name, at, err)
		}
		t.Span = int64(n) * es
		if at += t.Span; at > all.size {
			return fmt.Errorf("tensor %q ends at byte %d of shards that have %d: one is missing or cut short", w.Name, at,
				all.size)
		}
		m.Tensors = append(m.Tensors, t)
	}
	return nil
}

// load says how a tensor's values are read, and the bytes of one.
func (w *weight) load(r io.ReaderAt, off int64) (raw.DType, func([]float32) error, int64, error) {
	stored := w.DType
	if w.Quantization != nil {
		stored = w.Quantization.DType
	}
	var es int
	var value func(b []byte) float32
	affine := func(q float64) float32 { return float32(q*w.Quantization.Scale + w.Quantization.Min) }
	switch {
	case w.DType == "float32" && stored == "float32":
		es, value = 4, nil
	case w.DType == "float32" && stored == "float16":
		es, value = 2, func(b []byte) float32 { return safetensors.FromHalf(binary.LittleEndian.Uint16(b)) }
	case w.DType == "float32" && stored == "uint8":
		es, value = 1, func(b []byte) float32 { return affine(float64(b[0])) }
	case w.DType == "float32" && stored == "uint16":
		es, value = 2, func(b []byte) float32 { return affine(float64(binary.LittleEndian.Uint16(b))) }
	case stored == "int32":
		return raw.I32, raw.NotFloat, 4, nil
	case stored == "bool" || stored == "uint8":
		return raw.U8, raw.NotFloat, 1, nil
	default:
		return raw.Invalid, nil, 0, fmt.Errorf("its elements are %s kept as %s, want float32 kept as float32, "+
			"float16, uint8 or uint16",
			w.DType, stored)
	}
	return raw.F32, func(dst []float32) error {
		per := piece / es
		buf := make([]byte, min(len(dst), per)*es)
		for i := 0; i < len(dst); i += per {
			part := dst[i:min(i+per, len(dst))]
			b := buf[:len(part)*es]
			if err := raw.ReadFull(r, b, off+int64(i*es)); err != nil {
				return err
			}
			if value == nil {
				if err := raw.Decode(part, b, raw.F32); err != nil {
					return err
				}
				continue
			}
			for j := range part {
				part[j] = value(b[j*es:])
			}
		}
		return nil
	}, int64(es), nil
}

// joined reads several files as one.
type joined struct {
	parts []part
	size  int64
}

type part struct {
	r         io.ReaderAt
	from, end int64
}

func (j *joined) add(r io.ReaderAt, size int64) {
	j.parts = append(j.parts, part{r, j.size, j.size + size})
	j.size += size
}

// ReadAt is io.ReaderAt's.
func (j *joined) ReadAt(b []byte, off int64) (n int, err error) {
	for _, p := range j.parts {
		if len(b) == 0 || off >= p.end || off < p.from {
			continue
		}
		k := int(min(int64(len(b)), p.end-off))
		got, err := p.r.ReadAt(b[:k], off-p.from)
		n += got
		if got < k {
			return n, err
		}
		b, off = b[k:], off+int64(k)
	}
	if len(b) > 0 {
		return n, io.EOF
	}
	return n, nil
}
