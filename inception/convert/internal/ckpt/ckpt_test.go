package ckpt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/fuzztest"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/internal/fixture"
)

func list(b []byte) ([]raw.Tensor, error) { return Read(bytes.NewReader(b), int64(len(b)), nil) }

func TestRead(t *testing.T) {
	got, err := list(fixture.Read(t, "inception_v3.ckpt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 94*4+4 {
		t.Errorf("%d tensors, want %d", len(got), 94*4+4)
	}
	for _, x := range got {
		if x.Name == "global_step" && x.DType != raw.I64 {
			t.Errorf("global_step is %v", x.DType)
		}
		if x.Name == "InceptionV3/Conv2d_1a_3x3/weights" && (fmt.Sprint(x.Shape) != "[3 3 3 16]" || x.DType != raw.F32) {
			t.Errorf("the first kernel is %v of %v", x.Shape, x.DType)
		}
	}
}

// seal corrects the checksum of the block that starts at offset at and has n bytes.
func seal(b []byte, at, n int) {
	h := crc32.Checksum(b[at:at+n+1], castagnoli)
	binary.LittleEndian.PutUint32(b[at+n+1:], (h>>15|h<<17)+0xa282ead8)
}

// sheet is a checkpoint of one block with the given entries (key of one byte, value).
func sheet(values ...string) []byte {
	block := func(entries ...string) []byte {
		var b []byte
		for i, v := range entries {
			b = append(b, 0, 1, byte(len(v)), byte('a'+i))
			b = append(b, v...)
		}
		return append(b, 0, 0, 0, 0, 1, 0, 0, 0)
	}
	return wrap(block(values...))
}

// wrap makes a checkpoint of the bytes of its one data block.
func wrap(data []byte) []byte {
	out := append(append([]byte(nil), data...), 0, 0, 0, 0, 0)
	seal(out, 0, len(data))
	at := len(out)
	handle := binary.AppendUvarint([]byte{0}, uint64(len(data)))
	index := append([]byte{0, 1, byte(len(handle)), 'a'}, handle...)
	index = append(index, 0, 0, 0, 0, 1, 0, 0, 0)
	out = append(append(out, index...), 0, 0, 0, 0, 0)
	seal(out, at, len(index))
	foot := make([]byte, footer)
	copy(foot, binary.AppendUvarint(binary.AppendUvarint([]byte{0, 0}, uint64(at)), uint64(len(index))))
	binary.LittleEndian.PutUint64(foot[40:], magic)
	return append(out, foot...)
}

// The parts of a checkpoint of one tensor "w" of two floats.
const (
	meta   = "\x0a\x0d\x0a\x0b\x0a\x01w\x12\x04\x12\x02\x08\x02\x18\x01"
	values = "\x12\x0f\x0a\x01w\x1a\x0a\x2a\x08\x00\x00\x80\x3f\x00\x00\x00\x40"
)

func TestSmall(t *testing.T) {
	got, err := list(sheet(meta, values))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := got[0].Float32s(); err != nil || got[0].Name != "w" || v[0] != 1 || v[1] != 2 {
		t.Errorf("got %q %v, %v", got[0].Name, v, err)
	}
}

func TestRefused(t *testing.T) {
	good := fixture.Read(t, "inception_v3.ckpt")
	flipped := append([]byte(nil), good...)
	flipped[len(good)/2] ^= 1
	packed := sheet(meta, values)
	packed[len(meta)+len(values)+16] = 1 // kind of compression of the first block
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "does not end at offset"},
		{"truncated", good[:len(good)-100], "does not end at offset"},
		{"a bit flipped", flipped, "checksum"},
		{"compressed", packed, "compressed"},
		{"its first half is missing", good[len(good)/2:], ""},
		{"values missing", sheet(meta), "values of 0 tensors"},
		{"values twice", sheet(meta, values, values), `"w" at offset`},
		{"unlisted", sheet(meta, strings.Replace(values, "w", "v", 1)), `"v" at offset`},
		{"listed twice", sheet(meta+meta, values), "is not what a checkpoint holds"},
		{"a key that shares too much", wrap([]byte("\x00\x01\x00a\x05\x01\x00b\x00\x00\x00\x00\x01\x00\x00\x00")),
			"shares 5 bytes of a key of 1"},
		{"files missing", bundleOf(header, entryOf(0, 8, 0)), ".data files"},
		{"too few values", sheet(strings.Replace(meta, "\x08\x02", "\x08\x03", 1), values), "too few values"},
		{"no values", sheet(meta, "\x12\x03\x0a\x01w"), "has no values"},
		{"a slice", sheet(meta, "\x12\x17\x0a\x01w\x12\x06\x0a\x04\x08\x01\x10\x01\x1a\x0a\x2a\x08\x00\x00\x80\x3f\x00\x00\x00\x40"), "several slices"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := list(c.file); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

// FuzzRead fuzzes the contents of a data block; a fuzzer would never find the checksums around it.
func FuzzRead(f *testing.F) {
	good := sheet(meta, values)
	around := len(wrap(nil))
	fuzztest.Tensors(f, fuzztest.Limits{Elements: func(n int) int { return n + around }},
		func(block []byte) ([]raw.Tensor, error) { return list(wrap(block)) }, good[:len(good)-footer-22], nil,
		[]byte("\x00\x01\x03a\x12\x01x\x00\x00\x00\x00\x01\x00\x00\x00"))
}
