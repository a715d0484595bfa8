package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/boundtest"
)

// file is a container with the given header and data bytes.
func file(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	b = append(b, header...)
	return append(b, make([]byte, data)...)
}

func read(b []byte) (*File, error) { return New("x.safetensors", bytes.NewReader(b), int64(len(b))) }

const entry = `"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`

func TestRejects(t *testing.T) {
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty file", nil, "too few"},
		{"seven bytes", make([]byte, 7), "too few"},
		{"header beyond the end", append(binary.LittleEndian.AppendUint64(nil, 9), make([]byte, 8)...), "ends after 8"},
		{"huge header", append(binary.LittleEndian.AppendUint64(nil, math.MaxUint64), '{'), "at most"},
		{"no header", file("", 0), "begin with"},
		{"header is a list", file("[]", 0), "begin with"},
		{"leading space", file(" {}", 0), "begin with"},
		{"bad UTF-8", file("{\"\xff\":1}", 0), "UTF-8"},
		{"cut JSON", file(`{"a":`, 0), "damaged JSON"},
		{"rest", file(`{}x`, 0), "follows the header"},
		{"two objects", file(`{}{}`, 0), "follows the header"},
		{"null", file(`{"a":null}`, 0), "want"},
		{"duplicate tensor", file("{"+entry+","+entry+"}", 8), "twice"},
		{"duplicate by escape", file("{"+entry+","+strings.Replace(entry, `"a"`, `"\u0061"`, 1)+"}", 8), "twice"},
		{"duplicate field", file(`{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8), "twice"},
		{"duplicate metadata", file(`{"__metadata__":{"k":"1","k":"2"}}`, 0), "twice"},
		{"metadata not text", file(`{"__metadata__":{"k":1}}`, 0), "want a string"},
		{"empty name", file(`{"":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8), "want a name"},
		{"unknown field", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}`, 8), "unknown"},
		{"unknown dtype", file(`{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,8]}}`, 8), "unknown"},
		{"no dtype", file(`{"a":{"shape":[2],"data_offsets":[0,8]}}`, 8), "want all of"},
		{"no shape", file(`{"a":{"dtype":"F32","data_offsets":[0,8]}}`, 8), "want all of"},
		{"no offsets", file(`{"a":{"dtype":"F32","shape":[2]}}`, 8), "want all of"},
		{"one offset", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[8]}}`, 8), "data_offsets"},
		{"three offsets", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}}`, 8), "more than 2"},
		{"backward", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}`, 8), "not before"},
		{"negative extent", file(`{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}`, 8), "whole number"},
		{"fraction", file(`{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}`, 8), "whole number"},
		{"extent as text", file(`{"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}}`, 8), "whole number"},
		{"too many axes", file(`{"a":{"dtype":"F32","shape":[`+strings.Repeat("1,", 32)+`2],"data_offsets":[0,8]}}`, 8), "more than 32"},
		{"overflow", file(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}`, 8), "too large"},
		{"wrong size", file(`{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}`, 8), "got 8 bytes of data, want 12"},
		{"beyond the end", file("{"+entry+"}", 7), "holds only 7"},
		{"far beyond the end", file(`{"a":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}}`, 8), "holds only 8"},
		{"rest of data", file("{"+entry+"}", 9), "1 bytes follow"},
		{"gap at the start", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`, 12), "gap"},
		{"gap", file("{"+entry+`,"b":{"dtype":"U8","shape":[1],"data_offsets":[9,10]}}`, 10), "gap"},
		{"overlap", file("{"+entry+`,"b":{"dtype":"U8","shape":[2],"data_offsets":[7,9]}}`, 9), "overlap"},
		{"twice the same data", file("{"+entry+`,"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8), "overlap"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := read(c.file)
			var format *FormatError
			if !errors.As(err, &format) {
				t.Fatalf("got %v, want a *FormatError", err)
			}
			if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "x.safetensors") {
				t.Fatalf("got %q, want the file's name and %q", err, c.want)
			}
		})
	}
}

func TestAccepts(t *testing.T) {
	f, err := read(file(`{"__metadata__":{"k":"v"},"b":{"dtype":"U8","shape":[1],"data_offsets":[8,9]},`+
		`"e":{"dtype":"F32","shape":[0,7],"data_offsets":[8,8]},`+entry+"}  ", 9))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tensor := range f.Tensors {
		names = append(names, tensor.Name)
	}
	if !slices.Equal(names, []string{"a", "e", "b"}) || f.Metadata["k"] != "v" {
		t.Fatalf("got tensors %v and metadata %v", names, f.Metadata)
	}
	if _, ok := f.Lookup("c"); ok {
		t.Fatal("a tensor that is not there was found")
	}
}

// TestTruncated: a file that is cut off or grows, at any place, is refused.
func TestTruncated(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, map[string]string{"k": "v"}, []Tensor{
		{Name: "x", DType: F32, Shape: []int{3}, Values: []float32{1, 2, 3}},
		{Name: "y", DType: F16, Shape: []int{2}, Values: []float32{4, 5}},
	}); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	if _, err := read(whole); err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := read(whole[:n]); err == nil {
			t.Fatalf("cut to %d of %d bytes, the file was accepted", n, len(whole))
		}
	}
	if _, err := read(append(slices.Clone(whole), 0)); err == nil {
		t.Fatal("a byte too many was accepted")
	}
}

func TestValues(t *testing.T) {
	values := []float32{0, float32(math.Copysign(0, -1)), 1, -2.5, 65504, 1.0 / (1 << 24), 3e-6, 0.333}
	var b bytes.Buffer
	if err := Write(&b, nil, []Tensor{
		{Name: "half", DType: F16, Shape: []int{2, 4}, Values: values},
		{Name: "full", DType: F32, Shape: []int{8}, Values: values},
		{Name: "raw", DType: U8, Shape: []int{3}, Data: []byte{1, 2, 3}},
	}); err != nil {
		t.Fatal(err)
	}
	f, err := read(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"full", "half"} {
		info, _ := f.Lookup(name)
		got := make([]float32, 8)
		var tee bytes.Buffer
		if err := f.Float32(info, got, &tee); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(tee.Bytes(), PutFloat32(nil, got)) {
			t.Errorf("%s: the tee saw other values than were returned", name)
		}
		for i, v := range values {
			limit := 0.0
			if name == "half" { // half a unit in the last of 11 places, or of the smallest subnormal
				limit = max(math.Abs(float64(v))/(1<<11), 1.0/(1<<25))
			}
			if !(math.Abs(float64(got[i]-v)) <= limit) || math.Signbit(float64(got[i])) != math.Signbit(float64(v)) {
				t.Errorf("%s[%d]: got %v, want %v within %g", name, i, got[i], v, limit)
			}
		}
	}
	info, _ := f.Lookup("raw")
	if raw, err := f.Bytes(info); err != nil || !bytes.Equal(raw, []byte{1, 2, 3}) {
		t.Errorf("raw: got %v, %v", raw, err)
	}
	if err := f.Float32(info, make([]float32, 3), nil); err == nil {
		t.Error("U8 was read as float32")
	}
	if err := f.Float32(info, make([]float32, 4), nil); err == nil {
		t.Error("a destination of the wrong length was accepted")
	}
}

// TestWide reads the types that only other tools write.
func TestWide(t *testing.T) {
	data := binary.LittleEndian.AppendUint64(nil, math.Float64bits(1.5))
	data = binary.LittleEndian.AppendUint16(data, 0xc040) // bfloat16 -3
	b := file(`{"d":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[1],"data_offsets":[8,10]}}`, 0)
	f, err := read(append(b, data...))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float32{"d": 1.5, "b": -3} {
		info, _ := f.Lookup(name)
		got := make([]float32, 1)
		if err := f.Float32(info, got, nil); err != nil || got[0] != want {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
}

// TestNotFinite puts an odd value at every place around the seams of the reader's chunks.
func TestNotFinite(t *testing.T) {
	const n = 1<<15 + 9 // a float32 chunk is 1<<15 values
	for _, dtype := range []DType{F32, F16} {
		for _, at := range []int{0, 7, 1<<15 - 1, 1 << 15, n - 1} {
			var b bytes.Buffer
			if err := Write(&b, nil, []Tensor{{Name: "w", DType: dtype, Shape: []int{n},
				Values: make([]float32, n)}}); err != nil {
				t.Fatal(err)
			}
			raw := b.Bytes()
			size := dtype.Size()
			start := len(raw) - n*size
			for _, odd := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				if dtype == F32 {
					binary.LittleEndian.PutUint32(raw[start+at*4:], math.Float32bits(float32(odd)))
				} else {
					h := uint16(0x7c00)
					if math.IsNaN(odd) {
						h = 0x7e00
					}
					binary.LittleEndian.PutUint16(raw[start+at*2:], h)
				}
				f, err := read(raw)
				if err != nil {
					t.Fatal(err)
				}
				info, _ := f.Lookup("w")
				err = f.Float32(info, make([]float32, n), nil)
				var format *FormatError
				if !errors.As(err, &format) || format.Tensor != "w" || format.Offset != int64(start+at*size) {
					t.Fatalf("%s %v at %d: got %v, want a FormatError at byte %d", dtype, odd, at, err, start+at*size)
				}
			}
		}
	}
}

// TestHalf goes through every half there is, and through the ties between neighbours.
func TestHalf(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		v := FromHalf(h)
		got, ok := Half(v)
		finite := h&0x7c00 != 0x7c00
		if ok != finite || finite && got != h {
			t.Fatalf("half %#04x is %v, which became %#04x, %v", h, v, got, ok)
		}
		if !finite || h&0x7fff == 0x7bff {
			continue
		}
		tie := float32((float64(v) + float64(FromHalf(h+1))) / 2)
		even := h + h&1
		if got, ok := Half(tie); !ok || got != even {
			t.Fatalf("%v lies between %#04x and %#04x: got %#04x, want the even one", tie, h, h+1, got)
		}
	}
	for _, v := range []float32{65520, 1e30, float32(math.Inf(1)), float32(math.NaN()), -65520} {
		if _, ok := Half(v); ok {
			t.Errorf("%v was taken for a finite half", v)
		}
	}
}

// TestDecodeHalves: an array of halves decodes as each half does alone, and its first infinity or
// NaN is found.
func TestDecodeHalves(t *testing.T) {
	raw, got := make([]byte, 2<<16), make([]float32, 1<<16)
	for i := range got {
		binary.LittleEndian.PutUint16(raw[2*i:], uint16(i))
	}
	if at := decoders[F16](got, raw); at != 0x7c00 {
		t.Errorf("the first value that is not finite is at %#x, want 0x7c00", at)
	}
	for i, v := range got {
		if want := FromHalf(uint16(i)); math.Float32bits(v) != math.Float32bits(want) {
			t.Fatalf("half %#04x decodes to %v, want %v", i, v, want)
		}
	}
	if at := decoders[F16](got[:0x7c00], raw); at != -1 {
		t.Errorf("value %#x is said not to be finite", at)
	}
}

func TestWriteRejects(t *testing.T) {
	one := []float32{1}
	for _, c := range []struct {
		want    string
		tensors []Tensor
	}{
		{"all different", []Tensor{{Name: "a", DType: F32, Shape: []int{1}, Values: one},
			{Name: "a", DType: F32, Shape: []int{1}, Values: one}}},
		{"not empty", []Tensor{{DType: F32, Shape: []int{1}, Values: one}}},
		{"not empty", []Tensor{{Name: "__metadata__", DType: F32, Shape: []int{1}, Values: one}}},
		{"unknown", []Tensor{{Name: "a", DType: "F4", Shape: []int{1}, Values: one}}},
		{"want F32 or F16", []Tensor{{Name: "a", DType: F64, Shape: []int{1}, Values: one}}},
		{"got 4 bytes, want 8", []Tensor{{Name: "a", DType: F32, Shape: []int{2}, Values: one}}},
		{"out of range", []Tensor{{Name: "a", DType: F32, Shape: []int{-1}, Values: one}}},
		{"finite", []Tensor{{Name: "a", DType: F32, Shape: []int{1}, Values: []float32{float32(math.NaN())}}}},
		{"float16 cannot hold", []Tensor{{Name: "a", DType: F16, Shape: []int{1}, Values: []float32{1e6}}}},
	} {
		var b bytes.Buffer
		if err := Write(&b, nil, c.tensors); err == nil || !strings.Contains(err.Error(), c.want) || b.Len() > 0 {
			t.Errorf("got %v and %d bytes, want %q and none", err, b.Len(), c.want)
		}
	}
}

// FuzzNew: no input makes the reader fail in another way than by a FormatError, and what it accepts
// it can write and read again.
func FuzzNew(f *testing.F) {
	f.Add(file("{"+entry+"}", 8))
	f.Add(file(`{"__metadata__":{"format":"pt"},`+entry+`,"b":{"dtype":"F16","shape":[1,2],"data_offsets":[8,12]}} `, 12))
	f.Add(file(`{"e":{"dtype":"I64","shape":[0],"data_offsets":[0,0]}}`, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer boundtest.Reader(t, len(data))()
		file, err := read(data)
		if err != nil {
			var format *FormatError
			if !errors.As(err, &format) {
				t.Fatalf("got %v, want a *FormatError", err)
			}
			return
		}
		tensors := make([]Tensor, len(file.Tensors))
		for i, info := range file.Tensors {
			raw, err := file.Bytes(info)
			if err != nil {
				t.Fatalf("tensor %q: %v", info.Name, err)
			}
			tensors[i] = Tensor{Name: info.Name, DType: info.DType, Shape: info.Shape, Data: raw}
		}
		var first, second bytes.Buffer
		if err := Write(&first, file.Metadata, tensors); err != nil {
			if strings.Contains(err.Error(), "out of range") || strings.Contains(err.Error(), "__metadata__") {
				return // the writer is stricter about extents of empty tensors
			}
			t.Fatal(err)
		}
		again, err := read(first.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for i, info := range again.Tensors {
			raw, err := again.Bytes(info)
			if err != nil {
				t.Fatal(err)
			}
			tensors[i] = Tensor{Name: info.Name, DType: info.DType, Shape: info.Shape, Data: raw}
		}
		if err := Write(&second, again.Metadata, tensors); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Fatalf("written twice, the file is not the same: %v", err)
		}
	})
}

func ExampleWrite() {
	var b bytes.Buffer
	err := Write(&b, map[string]string{"format": "demo"},
		[]Tensor{{Name: "w", DType: F32, Shape: []int{2}, Values: []float32{1, 2}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := New("demo", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		fmt.Println(err)
		return
	}
	w, _ := f.Lookup("w")
	values := make([]float32, w.Elements())
	fmt.Println(f.Metadata["format"], w.Shape, f.Float32(w, values, nil), values)
	// Output: demo [2] <nil> [1 2]
}
