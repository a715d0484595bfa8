package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Tensor is one tensor to be written.
type Tensor struct {
	Name   string
	DType  DType
	Shape  []int
	Data   []byte    // raw little-endian data of the given type; only read
	Values []float32 // instead of Data, for F32 and F16: rounded to nearest even
}

func (t Tensor) bytes() int64 {
	if t.Values != nil {
		return int64(len(t.Values)) * int64(t.DType.Size())
	}
	return int64(len(t.Data))
}

// Write writes the tensors with their metadata, in an order of its own, so that equal contents give
// equal bytes: wider elements first, which aligns all of them, then by name. Values that are not
// finite, or too large for F16, are errors.
func Write(w io.Writer, metadata map[string]string, tensors []Tensor) error {
	tensors = slices.Clone(tensors)
	slices.SortFunc(tensors, func(a, b Tensor) int {
		if d := b.DType.Size() - a.DType.Size(); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	header, err := header(metadata, tensors)
	if err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, t := range tensors {
		if t.Values == nil {
			_, err = w.Write(t.Data)
		} else {
			err = writeValues(w, t)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// header checks the tensors and returns everything before their data.
func header(metadata map[string]string, tensors []Tensor) ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, 8))
	b.WriteByte('{')
	if len(metadata) > 0 {
		b.WriteString(`"__metadata__":`)
		b.Write(plainJSON(metadata))
	}
	offset := int64(0)
	for i, t := range tensors {
		if err := t.check(); err != nil {
			return nil, err
		}
		if t.Name == "" || t.Name == "__metadata__" || i > 0 && tensors[i-1].Name == t.Name {
			return nil, fmt.Errorf("safetensors: a tensor is called %q, want names that are all different and not empty", t.Name)
		}
		if b.Len() > 9 {
			b.WriteByte(',')
		}
		shape := t.Shape
		if shape == nil {
			shape = []int{}
		}
		b.Write(plainJSON(t.Name))
		end := offset + t.bytes()
		fmt.Fprintf(&b, `:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, t.DType, plainJSON(shape), offset, end)
		offset = end
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len()-8 > maxHeader {
		return nil, fmt.Errorf("safetensors: the header takes %d bytes, want at most %d: write fewer "+
			"tensors or less metadata", b.Len()-8, maxHeader)
	}
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(b.Len()-8))
	return b.Bytes(), nil
}

// plainJSON encodes strings, string maps and ints, which cannot fail.
func plainJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // only types that always encode, into memory
	return bytes.TrimRight(b.Bytes(), "\n")
}

func (t Tensor) check() error {
	if t.DType.Size() == 0 {
		return fmt.Errorf("safetensors: tensor %q: dtype %q is unknown", t.Name, t.DType)
	}
	if t.Values != nil && (t.Data != nil || t.DType != F32 && t.DType != F16) {
		return fmt.Errorf("safetensors: tensor %q: got values for %s, want F32 or F16 and no raw data beside them", t.Name,
			t.DType)
	}
	elements := int64(1)
	for _, d := range t.Shape {
		if d < 0 || d > 0 && elements > 1<<50/int64(d) {
			return fmt.Errorf("safetensors: tensor %q: shape %v is out of range", t.Name, t.Shape)
		}
		elements *= int64(d)
	}
	if want := elements * int64(t.DType.Size()); want != t.bytes() {
		return fmt.Errorf("safetensors: tensor %q: got %d bytes, want %d for %s %v", t.Name, t.bytes(), want, t.DType,
			t.Shape)
	}
	if i := NotFinite(t.Values); i >= 0 {
		return fmt.Errorf("safetensors: tensor %q: value %d is %v, want finite values", t.Name, i, t.Values[i])
	}
	if t.DType == F16 {
		for i, v := range t.Values {
			if _, ok := Half(v); !ok {
				return fmt.Errorf("safetensors: tensor %q: value %d is %v, which float16 cannot hold: write float32", t.Name, i, v)
			}
		}
	}
	return nil
}

// WriteFloat32 writes the values as little-endian float32.
func WriteFloat32(w io.Writer, values []float32) error {
	return writeValues(w, Tensor{DType: F32, Values: values})
}

func writeValues(w io.Writer, t Tensor) error {
	chunk := chunks.Get().(*[1 << 17]byte)
	defer chunks.Put(chunk)
	for part := range slices.Chunk(t.Values, len(chunk)/4) {
		raw := chunk[:0]
		if t.DType == F32 {
			raw = PutFloat32(raw, part)
		} else {
			for _, v := range part {
				h, _ := Half(v) // checked in Tensor.check
				raw = binary.LittleEndian.AppendUint16(raw, h)
			}
		}
		if _, err := w.Write(raw); err != nil {
			return err
		}
	}
	return nil
}
