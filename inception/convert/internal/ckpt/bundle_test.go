package ckpt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/fuzztest"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/internal/fixture"
)

// header says that there is one file of values, little-endian.
const header = "\x08\x01\x1a\x02\x08\x01"

// pair is the file of values: two floats.
var pair = []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0x40}

// entryOf describes a tensor of two floats at off in file in, which claims size bytes.
func entryOf(off, size, in byte) string {
	sum := masked(crc32.Checksum(pair, castagnoli))
	return "\x08\x01\x12\x04\x12\x02\x08\x02\x18" + string([]byte{in}) + "\x20" + string([]byte{off}) + "\x28" +
		string([]byte{size}) + "\x35" +
		string(binary.LittleEndian.AppendUint32(nil, sum))
}

// bundleOf is an index whose tensors are called b, c, ...
func bundleOf(values ...string) []byte {
	b := []byte{0, 0, byte(len(values[0]))}
	b = append(b, values[0]...)
	for i, v := range values[1:] {
		b = append(b, 0, 1, byte(len(v)), byte('b'+i))
		b = append(b, v...)
	}
	return wrap(append(b, 0, 0, 0, 0, 1, 0, 0, 0))
}

// memory opens files of values that are in memory.
func memory(files ...[]byte) Shard {
	return func(i, n int) (io.ReaderAt, int64, error) {
		if n != len(files) {
			return nil, 0, fmt.Errorf("%d files, want %d", n, len(files))
		}
		return bytes.NewReader(files[i]), int64(len(files[i])), nil
	}
}

func bundled(index []byte, files ...[]byte) ([]raw.Tensor, error) {
	return Read(bytes.NewReader(index), int64(len(index)), memory(files...))
}

// TestBundle: the second version holds the same tensors as the first, and Adam's beside them.
func TestBundle(t *testing.T) {
	const name = "inception_v3_v2"
	second, err := bundled(fixture.Read(t, name+".index"), fixture.Read(t, name+".data-00000-of-00002"),
		fixture.Read(t, name+".data-00001-of-00002"))
	if err != nil {
		t.Fatal(err)
	}
	first, err := list(fixture.Read(t, "inception_v3.ckpt"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]raw.Tensor{}
	for _, x := range second {
		got[x.Name] = x
	}
	if len(got) != len(first)+1 {
		t.Errorf("%d tensors, want %d and Adam's", len(got), len(first))
	}
	for _, want := range first {
		x := got[want.Name]
		if fmt.Sprint(x.Shape, x.DType) != fmt.Sprint(want.Shape, want.DType) {
			t.Fatalf("%s is %v of %v, want %v of %v", want.Name, x.Shape, x.DType, want.Shape, want.DType)
		}
		if !want.DType.Float() {
			continue
		}
		a, err := x.Float32s()
		b, err2 := want.Float32s()
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		for i := range b {
			if a[i] != b[i] {
				t.Fatalf("%s[%d] is %g, want %g", want.Name, i, a[i], b[i])
			}
		}
	}
}

func TestBundleRefused(t *testing.T) {
	for _, c := range []struct {
		name, want string
		index      []byte
		values     []byte
	}{
		{"good", "", bundleOf(header, entryOf(0, 8, 0)), pair},
		{"truncated values", `tensor "b" at offset`, bundleOf(header, entryOf(0, 8, 0)), pair[:7]},
		{"values outside", "needs bytes 1..9", bundleOf(header, entryOf(1, 8, 0)), pair},
		{"another size", "has 4 bytes, want 8", bundleOf(header, entryOf(0, 4, 0)), pair},
		{"a file that is not there", "lies in file 3 of 1", bundleOf(header, entryOf(0, 8, 3)), pair},
		{"damaged values", "have checksum", bundleOf(header, entryOf(0, 8, 0)), []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0x41}},
		{"a slice", "several slices", bundleOf(header, entryOf(0, 8, 0)+"\x3a\x00"), pair},
		{"big-endian", "big-endian", bundleOf("\x08\x01\x10\x01", entryOf(0, 8, 0)), pair},
		{"no files", "has 0 files", bundleOf("\x08\x00", entryOf(0, 8, 0)), pair},
		{"overlapping values", `"c" at offset 0 overlaps tensor "b" at offset 0`, bundleOf(header, entryOf(0, 8, 0), entryOf(0, 8, 0)), pair},
		{"the same name twice", `stands behind "b"`, nil, pair},
	} {
		t.Run(c.name, func(t *testing.T) {
			index := c.index
			if c.name == "the same name twice" {
				e := entryOf(0, 8, 0)
				block := append([]byte{0, 0, byte(len(header))}, header...)
				for range 2 {
					block = append(append(block, 0, 1, byte(len(e)), 'b'), e...)
				}
				index = wrap(append(block, 0, 0, 0, 0, 1, 0, 0, 0))
			}
			got, err := bundled(index, c.values)
			for i := 0; err == nil && i < len(got); i++ {
				_, err = got[i].Float32s()
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

// FuzzBundle fuzzes the entries of an index; a fuzzer would never find the checksums around it.
func FuzzBundle(f *testing.F) {
	good := bundleOf(header, entryOf(0, 8, 0))
	fuzztest.Tensors(f, fuzztest.Limits{Elements: func(n int) int { return n + len(pair) }, Unread: true},
		func(block []byte) ([]raw.Tensor, error) { return bundled(wrap(block), pair) }, good[:len(good)-footer-22],
		[]byte("\x00\x00\x02\x08\x01\x00\x00\x00\x00\x01\x00\x00\x00"))
}

func FuzzObjects(f *testing.F) {
	fuzztest.Bounded(f, func(b []byte) error {
		if !Is(bytes.NewReader(b), int64(len(b))) {
			return nil
		}
		_, err := Objects(bytes.NewReader(b), int64(len(b)), func(int, int) (io.ReaderAt, int64, error) {
			return bytes.NewReader(b), int64(len(b)), nil
		})
		return err
	}, fixture.Read(f, "inception_v3_v2.index"))
}
