package flat

import (
	"bytes"
	"strings"
	"testing"
)

// at follows the offset at a place.
func at(b []byte, from int) int { return from + int(le.Uint32(b[from:])) }

// field is where a table's field lies, 0 when it is left out.
func field(b []byte, table, i int) int {
	list := table - int(int32(le.Uint32(b[table:])))
	if 4+2*i >= int(le.Uint16(b[list:])) {
		return 0
	}
	if o := int(le.Uint16(b[list+4+2*i:])); o != 0 {
		return table + o
	}
	return 0
}

// TestWrite walks a buffer as the format's documentation says.
func TestWrite(t *testing.T) {
	var b bytes.Buffer
	values := []float32{1, 2, 3}
	root := Table{byte(7), nil, uint32(9), "four", []int32{-1, 2}, []Table{{true}, {float32(1)}},
		&Floats{Len: 3, Values: func() []float32 { return values }}}
	if err := Write(&b, "TEST", root); err != nil {
		t.Fatal(err)
	}
	f := b.Bytes()
	top := at(f, 0)
	if string(f[4:8]) != "TEST" || top%4 != 0 {
		t.Fatalf("begins with % x", f[:8])
	}
	if field(f, top, 1) != 0 || f[field(f, top, 0)] != 7 || le.Uint32(f[field(f, top, 2):]) != 9 {
		t.Error("fields in place are not what was written")
	}
	text := at(f, field(f, top, 3))
	if n := le.Uint32(f[text:]); string(f[text+4:text+4+int(n)]) != "four" || f[text+8] != 0 {
		t.Error("the text is not there")
	}
	numbers := at(f, field(f, top, 4))
	if le.Uint32(f[numbers:]) != 2 || int32(le.Uint32(f[numbers+4:])) != -1 {
		t.Error("the numbers are not there")
	}
	tables := at(f, field(f, top, 5))
	if one := at(f, tables+4); f[field(f, one, 0)] != 1 {
		t.Error("the table in a list is not there")
	}
	floats := at(f, field(f, top, 6))
	if (floats+4)%16 != 0 || le.Uint32(f[floats:]) != 12 || !bytes.Equal(f[floats+4:], []byte{0, 0, 128, 63, 0, 0, 0, 64,
		0, 0, 64, 64}) {
		t.Errorf("the large vector at %d is % x", floats, f[floats:])
	}
}

func TestRefuses(t *testing.T) {
	short := &Floats{Len: 2, Values: func() []float32 { return nil }}
	huge := &Floats{Len: 1 << 29, Values: func() []float32 { return nil }}
	for want, root := range map[string]Table{"want 2": {short}, "cannot reach": {huge}, "cannot hold": {int64(1)}} {
		if err := Write(&bytes.Buffer{}, "TEST", root); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}
