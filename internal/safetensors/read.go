package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"
)

// maxHeader is the longest header in bytes that New reads. A header of 10,000 tensors takes about
// one of its sixteen mebibytes.
const maxHeader = 16 << 20

// New reads and checks the header of the size bytes behind r. name is for messages. Every error
// about the content is a *FormatError.
func New(name string, r io.ReaderAt, size int64) (*File, error) {
	f := &File{Name: name, index: map[string]int{}, r: r}
	if r == nil {
		return nil, f.bad("", 0, "there is no file")
	}
	if size < 8 {
		return nil, f.bad("", 0, "the file has %d bytes, too few for a safetensors file: fetch or write it again", size)
	}
	var length [8]byte
	if err := readFull(r, length[:], 0); err != nil {
		return nil, f.unreadable("", 0, err)
	}
	n := binary.LittleEndian.Uint64(length[:])
	switch {
	case n > maxHeader:
		return nil, f.bad("", 0, "the header claims %d bytes, want at most %d: this is not a safetensors "+
			"file, or a damaged one",
			n, maxHeader)
	case int64(n) > size-8:
		return nil, f.bad("", 0, "the header claims %d bytes but the file ends after %d: fetch or write it again", n, size-8)
	}
	header := make([]byte, n)
	if err := readFull(r, header, 8); err != nil {
		return nil, f.unreadable("", 8, err)
	}
	if err := f.parse(header); err != nil {
		return nil, err
	}
	if err := f.validate(8+int64(n), size); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) bad(tensor string, offset int64, format string, args ...any) error {
	return &FormatError{File: f.Name, Tensor: tensor, Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

func (f *File) unreadable(tensor string, offset int64, err error) error {
	return &FormatError{File: f.Name, Tensor: tensor, Offset: offset, Reason: "cannot be read", Err: err}
}

// readFull is ReadAt for all of p; a reader may say io.EOF beside the last byte.
func readFull(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parse fills Metadata and Tensors, with offsets still counted from the end of the header.
func (f *File) parse(header []byte) error {
	if len(header) == 0 || header[0] != '{' {
		return f.bad("", 8, "the header does not begin with '{': this is not a safetensors file")
	}
	if !utf8.Valid(header) {
		return f.bad("", 8, "the header is not valid UTF-8: write the file again")
	}
	p := parser{f: f, dec: json.NewDecoder(bytes.NewReader(header))}
	p.dec.UseNumber()
	err := p.object("", func(name string) error {
		if name == "__metadata__" {
			return p.metadata()
		}
		t, err := p.tensor(name)
		f.Tensors = append(f.Tensors, t)
		return err
	})
	if err != nil {
		return err
	}
	if end := p.dec.InputOffset(); len(bytes.TrimRight(header[end:], " \t\r\n")) > 0 {
		return f.bad("", 8+end, "something follows the header's JSON: write the file again")
	}
	return nil
}

// parser reads the header token by token, so that what it holds is bounded by what it has accepted.
type parser struct {
	f   *File
	dec *json.Decoder
}

func (p *parser) bad(tensor, format string, args ...any) error {
	return p.f.bad(tensor, 8+p.dec.InputOffset(), "header: "+format, args...)
}

func (p *parser) token(tensor string) (json.Token, error) {
	t, err := p.dec.Token()
	if err != nil {
		return nil, p.bad(tensor, "damaged JSON (%v): fetch or write the file again", err)
	}
	return t, nil
}

// delim wants the next token to be d.
func (p *parser) delim(tensor string, d json.Delim) error {
	t, err := p.token(tensor)
	if err == nil && t != d {
		err = p.bad(tensor, "got %v, want %q", t, d.String())
	}
	return err
}

// object reads a whole object whose keys are all different; each reads the value of a key.
func (p *parser) object(tensor string, each func(key string) error) error {
	if err := p.delim(tensor, '{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for p.dec.More() {
		t, err := p.token(tensor)
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok || key == "" {
			return p.bad(tensor, "got the key %v, want a name", t)
		}
		if seen[key] {
			return p.bad(tensor, "the key %q is there twice", key)
		}
		seen[key] = true
		if err := each(key); err != nil {
			return err
		}
	}
	return p.delim(tensor, '}')
}

func (p *parser) text(tensor, key string) (string, error) {
	t, err := p.token(tensor)
	if err != nil {
		return "", err
	}
	s, ok := t.(string)
	if !ok {
		return "", p.bad(tensor, "%s: got %v, want a string", key, t)
	}
	return s, nil
}

func (p *parser) metadata() error {
	p.f.Metadata = map[string]string{}
	return p.object("", func(key string) error {
		s, err := p.text("", "__metadata__."+key)
		p.f.Metadata[key] = s
		return err
	})
}

// numbers reads an array of at most limit whole numbers from 0.
func (p *parser) numbers(tensor, key string, limit int) ([]int64, error) {
	if err := p.delim(tensor, '['); err != nil {
		return nil, err
	}
	list := []int64{}
	for p.dec.More() {
		t, err := p.token(tensor)
		if err != nil {
			return nil, err
		}
		number, ok := t.(json.Number)
		v, err := strconv.ParseInt(string(number), 10, 64)
		if !ok || err != nil || v < 0 || v > math.MaxInt {
			return nil, p.bad(tensor, "%s: got %v, want a whole number from 0", key, t)
		}
		if len(list) == limit {
			return nil, p.bad(tensor, "%s: got more than %d numbers", key, limit)
		}
		list = append(list, v)
	}
	return list, p.delim(tensor, ']')
}

// maxAxes bounds the rank of a tensor.
const maxAxes = 32

func (p *parser) tensor(name string) (Info, error) {
	t := Info{Name: name, Offset: -1}
	err := p.object(name, func(key string) error {
		switch key {
		case "dtype":
			s, err := p.text(name, key)
			if t.DType = DType(s); err == nil && t.DType.Size() == 0 {
				err = p.bad(name, "dtype %q is unknown", s)
			}
			return err
		case "shape":
			dims, err := p.numbers(name, key, maxAxes)
			t.Shape = make([]int, len(dims))
			for i, d := range dims {
				t.Shape[i] = int(d)
			}
			return err
		case "data_offsets":
			at, err := p.numbers(name, key, 2)
			if err == nil && (len(at) != 2 || at[1] < at[0]) {
				err = p.bad(name, "data_offsets: got %v, want a begin and an end that is not before it", at)
			}
			if err == nil {
				t.Offset, t.Bytes = at[0], at[1]-at[0]
			}
			return err
		}
		return p.bad(name, "the field %q is unknown, want dtype, shape and data_offsets", key)
	})
	if err == nil && (t.DType == "" || t.Shape == nil || t.Offset < 0) {
		err = p.bad(name, "want all of dtype, shape and data_offsets")
	}
	return t, err
}

// validate sorts the tensors by their data, turns offsets into places in the file, and checks that
// every tensor has the size that its shape asks for and that together they cover the data: no gap,
// no overlap, nothing beyond the end.
func (f *File) validate(start, size int64) error {
	slices.SortStableFunc(f.Tensors, func(a, b Info) int {
		if a.Offset != b.Offset {
			return compare(a.Offset, b.Offset)
		}
		return compare(a.Bytes, b.Bytes) // an empty tensor comes before the one that begins at the same byte
	})
	end := start
	for i := range f.Tensors {
		t := &f.Tensors[i]
		want := int64(t.DType.Size())
		for _, d := range t.Shape {
			if d > 0 && want > math.MaxInt64/int64(d) {
				return f.bad(t.Name, start, "shape %v is too large to count", t.Shape)
			}
			want *= int64(d)
		}
		if t.Offset > size-start || t.Bytes > size-start-t.Offset {
			return f.bad(t.Name, size, "its data end %d bytes into the data, but the file holds only %d: "+
				"fetch or write it again", t.Offset+t.Bytes, size-start)
		}
		t.Offset += start
		switch {
		case t.Offset < end:
			return f.bad(t.Name, t.Offset, "its data overlap those of the tensor before it, which end at byte %d", end)
		case t.Offset > end:
			return f.bad(t.Name, t.Offset, "there is a gap before its data, which begins at byte %d", end)
		case t.Bytes != want:
			return f.bad(t.Name, t.Offset, "got %d bytes of data, want %d for %s %v", t.Bytes, want, t.DType, t.Shape)
		}
		end += t.Bytes
		f.index[t.Name] = i
	}
	if end != size {
		return f.bad("", end, "%d bytes follow the last tensor: fetch or write the file again", size-end)
	}
	return nil
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Bytes reads a tensor's raw data.
func (f *File) Bytes(t Info) ([]byte, error) {
	data := make([]byte, t.Bytes)
	if err := readFull(f.r, data, t.Offset); err != nil {
		return nil, f.unreadable(t.Name, t.Offset, err)
	}
	return data, nil
}

// chunks holds the buffers between file and values: small enough to stay in a core's cache while
// they are read, checked, converted and hashed.
var chunks = sync.Pool{New: func() any { return new([1 << 17]byte) }}

// Float32 reads a tensor of type F32, F16, BF16 or F64 into dst, which holds t.Elements() values. A
// value that is not finite, also after narrowing F64, is a *FormatError with its offset. tee, which
// may be nil, is given the values as little-endian float32, in order.
func (f *File) Float32(t Info, dst []float32, tee io.Writer) error {
	if len(dst) != t.Elements() {
		return fmt.Errorf("safetensors: tensor %q: got room for %d values, want %d", t.Name, len(dst), t.Elements())
	}
	width := t.DType.Size()
	decode := decoders[t.DType]
	if decode == nil {
		return f.bad(t.Name, t.Offset, "got dtype %s, want F32, F16, BF16 or F64", t.DType)
	}
	chunk, scratch := chunks.Get().(*[1 << 17]byte), chunks.Get().(*[1 << 17]byte)
	defer chunks.Put(chunk)
	defer chunks.Put(scratch)
	step := len(chunk) / max(width, 4)
	for done := 0; done < len(dst); done += step {
		part := dst[done:min(done+step, len(dst))]
		at := t.Offset + int64(done)*int64(width)
		raw := chunk[:len(part)*width]
		if err := readFull(f.r, raw, at); err != nil {
			return f.unreadable(t.Name, at, err)
		}
		if i := decode(part, raw); i >= 0 {
			return f.bad(t.Name, at+int64(i)*int64(width), "value %d is %v, want a finite float32", done+i, part[i])
		}
		if tee == nil {
			continue
		}
		if t.DType != F32 {
			raw = PutFloat32(scratch[:0], part)
		}
		if _, err := tee.Write(raw); err != nil {
			return err
		}
	}
	return nil
}
