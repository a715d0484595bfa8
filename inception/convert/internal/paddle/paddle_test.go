package paddle

import (
	"bytes"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/fuzztest"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/internal/fixture"
)

// dict is a pickle of protocol 4 of one entry, "a", whose value the given instructions make.
func dict(value string) []byte {
	return []byte("\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}\x8c\x01a" + value + "s.")
}

// ndarray are the instructions that make an array of a shape, a type and bytes.
func ndarray(shape, kind, data string) string {
	return "\x8c\x16numpy._core.multiarray\x8c\x0c_reconstruct\x93\x8c\x05numpy\x8c\x07ndarray\x93K\x00\x85C\x01b\x87R(K\x01" +
		shape + "\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02" + kind + "\x89\x88\x87R(K\x03\x8c\x01<NNNJ\xff\xff\xff\xffJ\xff\xff" +
		"\xff\xffK\x00tb\x89C" + string(byte(len(data))) + data + "tb"
}

func TestRead(t *testing.T) {
	b := fixture.Read(t, "paddle.pdparams")
	if !Is(b) {
		t.Error("is not told by its first bytes")
	}
	tensors, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(tensors) != 472 {
		t.Fatalf("got %d tensors and %v, want 472", len(tensors), err)
	}
	one := dict(ndarray("K\x02\x85", "f4", "\x00\x00\x80\x3f\x00\x00\x00\x40"))
	tensors, err = Read(bytes.NewReader(one), int64(len(one)))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := tensors[0].Float32s(); err != nil || len(v) != 2 || v[0] != 1 || v[1] != 2 {
		t.Errorf("got %v and %v, want 1 and 2", v, err)
	}
	for want, b := range map[string][]byte{
		"has 8 bytes, want 3":  dict(ndarray("K\x03\x85", "f4", "\x00\x00\x80\x3f\x00\x00\x00\x40")),
		`of type "O8"`:         dict(ndarray("K\x02\x85", "O8", "\x00\x00\x80\x3f\x00\x00\x00\x40")),
		"has an axis of -1":    dict(ndarray("J\xff\xff\xff\xff\x85", "f4", "")),
		"names the Python obj": dict("\x8c\x02os\x8c\x06system\x93"),
		"want a NumPy array":   dict("K\x01"),
		"follow the pickle":    append(dict(ndarray("K\x00\x85", "f4", "")), 0),
		"has no arrays":        []byte("\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}."),
	} {
		if _, err := Read(bytes.NewReader(b), int64(len(b))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	fuzztest.Tensors(f, fuzztest.Limits{}, func(b []byte) ([]raw.Tensor, error) { return Read(bytes.NewReader(b), int64(len(b))) },
		dict(ndarray("K\x02\x85", "f4", "\x00\x00\x80\x3f\x00\x00\x00\x40")), fixture.Read(f, "paddle.pdparams")[:1<<12])
}
