package raw

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestDisjoint(t *testing.T) {
	at := func(name string, off, span int64, file int) Tensor {
		return Tensor{Name: name, Offset: off, Span: span, File: file}
	}
	for want, ts := range map[string][]Tensor{
		"": {at("a", 8, 8, 0), at("b", 0, 8, 0), at("c", 4, 8, 1), at("empty", 10, 0, 0)},
		`tensor "b" at offset 7 overlaps tensor "a" at offset 0`: {at("b", 7, 1, 0), at("a", 0, 8, 0)},
		`tensor "b" at offset 0 overlaps tensor "a"`:             {at("b", 0, 8, 0), at("a", 0, 8, 0)},
	} {
		if err := Disjoint(ts); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// TestCursor: a cursor never leaves its section, and says where it would.
func TestCursor(t *testing.T) {
	b := make([]byte, 3*window)
	for i := range b {
		b[i] = byte(i % 251)
	}
	c := NewCursor(bytes.NewReader(b), 10, int64(len(b))-10)
	if err := c.Skip(2*window - 3); err != nil {
		t.Fatal(err)
	}
	at := c.Pos()
	v, err := c.Uint64()
	if want := uint64(0); err != nil || v == want || byte(v) != b[at] || byte(v>>56) != b[at+7] {
		t.Errorf("at %d: got %x, %v", at, v, err)
	}
	sub, err := c.Sub(4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sub.Uint64(); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "offset ") {
		t.Errorf("8 bytes of 4: got error %v", err)
	}
	if _, err := c.Bytes(c.Remaining() + 1); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("past the end: got error %v", err)
	}
	if _, err := NewCursor(bytes.NewReader(bytes.Repeat([]byte{0xff}, 11)), 0, 11).Uvarint(); err == nil ||
		!strings.Contains(err.Error(), "64 bits") {
		t.Errorf("a number of 77 bits: got error %v", err)
	}
}
