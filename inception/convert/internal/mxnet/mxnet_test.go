package mxnet

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/fuzztest"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/internal/fixture"
)

// file writes a list of arrays, each given from its version on, and names.
func file(arrays [][]byte, names ...string) []byte {
	b := binary.LittleEndian.AppendUint64(nil, magic)
	b = binary.LittleEndian.AppendUint64(b, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(arrays)))
	for _, a := range arrays {
		b = append(b, a...)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(len(names)))
	for _, n := range names {
		b = append(binary.LittleEndian.AppendUint64(b, uint64(len(n))), n...)
	}
	return b
}

// words joins little-endian numbers of 32 bits.
func words(v ...uint32) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}

// two is an array [2] of float32 in each version of the header.
var two = map[string][]byte{
	"first":   words(1, 2, 1, 0, 0, 0x3f800000, 0x40000000),
	"wide":    words(version1, 1, 2, 0, 1, 0, 0, 0x3f800000, 0x40000000),
	"storage": words(version2, 0, 1, 2, 0, 1, 0, 0, 0x3f800000, 0x40000000),
	"numpy":   words(version3, 0, 1, 2, 0, 1, 0, 0, 0x3f800000, 0x40000000),
}

func TestRead(t *testing.T) {
	for name, a := range two {
		b := file([][]byte{a}, "w")
		got, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil || len(got) != 1 || got[0].Name != "w" || got[0].Len() != 2 || got[0].DType != raw.F32 {
			t.Errorf("%s: got %+v, %v", name, got, err)
			continue
		}
		if v, err := got[0].Float32s(); err != nil || v[0] != 1 || v[1] != 2 {
			t.Errorf("%s: got values %v, %v, want 1 and 2", name, v, err)
		}
		for n := range b {
			if _, err := Read(bytes.NewReader(b[:n]), int64(n)); err == nil {
				t.Errorf("%s: cut to %d bytes: want an error", name, n)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	a := two["storage"]
	sparse := append(words(version2, 1), a[8:]...)
	for want, b := range map[string][]byte{
		"a name for each": file([][]byte{a}),
		"there twice":     file([][]byte{a, a}, "w", "w"),
		"sparse":          file([][]byte{sparse}, "w"),
		"never given":     file([][]byte{words(version2, 0, 0)}, "w"),
		"unknown type":    file([][]byte{words(1, 2, 1, 0, 99, 0, 0)}, "w"),
		"at most 8":       file([][]byte{words(9, 2, 1, 0, 0, 0, 0)}, "w"),
		"longer than any": file([][]byte{words(version1, 1, 0, 1<<30, 1, 0, 0)}, "w"),
		"follow the last": append(file([][]byte{a}, "w"), 0),
	} {
		if _, err := Read(bytes.NewReader(b), int64(len(b))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	seeds := [][]byte{fixture.Read(f, "mxnet.params")[:1<<12]}
	for _, a := range two {
		seeds = append(seeds, file([][]byte{a, a}, "w", "b"))
	}
	fuzztest.Tensors(f, fuzztest.Limits{}, func(b []byte) ([]raw.Tensor, error) { return Read(bytes.NewReader(b), int64(len(b))) },
		seeds...)
}
