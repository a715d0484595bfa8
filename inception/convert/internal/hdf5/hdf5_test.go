package hdf5

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/fuzztest"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/internal/fixture"
)

func list(b []byte) (map[string]raw.Tensor, error) {
	f, err := Read(bytes.NewReader(b), int64(len(b)))
	m := map[string]raw.Tensor{}
	if err != nil {
		return m, err
	}
	for _, t := range f.Tensors {
		m[t.Name] = t
	}
	return m, err
}

// TestKinds reads every kind of dataset that h5py wrote into kinds.h5.
func TestKinds(t *testing.T) {
	got, err := list(fixture.Read(t, "kinds.h5"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		shape []int
		dtype raw.DType
		value func(i int) float32
	}{
		{"plain", []int{5, 7, 11}, raw.F32, func(i int) float32 { return float32(i) }},
		{"double", []int{5, 7, 11}, raw.F64, func(i int) float32 { return float32(i) }},
		{"half", []int{5, 7, 11}, raw.F16, func(i int) float32 { return float32(i) / 7 }},
		{"scalar", []int{}, raw.F32, func(int) float32 { return 3 }},
		{"empty", []int{0, 3}, raw.F32, nil},
		{"chunked", []int{5, 7, 11}, raw.F32, func(i int) float32 { return float32(i) }},
		{"gzip", []int{5, 7, 11}, raw.F32, func(i int) float32 { return float32(i) }},
		{"shuffled", []int{5, 7, 11}, raw.F64, func(i int) float32 { return float32(i) }},
		{"many", []int{2000}, raw.F32, func(i int) float32 { return float32(i) }},
		{"compact", []int{4}, raw.F32, func(i int) float32 { return float32(i) }},
		{"deep/er/t399", []int{1}, raw.F32, func(int) float32 { return 399 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, ok := got[c.name]
			if !ok || fmt.Sprint(x.Shape) != fmt.Sprint(c.shape) || x.DType != c.dtype {
				t.Fatalf("got %v of %v (there: %v), want %v of %v", x.Shape, x.DType, ok, c.shape, c.dtype)
			}
			v, err := x.Float32s()
			if err != nil {
				t.Fatal(err)
			}
			tol := 0.0
			if x.DType == raw.F16 {
				tol = 1.0 / 2048 // 11 bits of mantissa, rounded
			}
			for i := range v {
				w := float64(c.value(i))
				if !(math.Abs(float64(v[i])-w) <= tol*w) {
					t.Fatalf("element %d is %g, want %g", i, v[i], w)
				}
			}
		})
	}
	for _, name := range []string{"integers", "text"} {
		if x, ok := got[name]; !ok || x.DType.Float() {
			t.Errorf("%s: got %v (there: %v), want no float", name, x.DType, ok)
		}
	}
	n := 0
	for name := range got {
		if strings.HasPrefix(name, "deep/er/") {
			n++
		}
	}
	if n != 400 {
		t.Errorf("%d members of a large group, want 400", n)
	}
}

func TestKeras(t *testing.T) {
	got, err := list(fixture.Read(t, "keras.h5"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 94*4+2 {
		t.Errorf("%d datasets, want %d", len(got), 94*4+2)
	}
	x := got["conv2d_1/conv2d_1/kernel:0"]
	if fmt.Sprint(x.Shape) != "[3 3 3 16]" || x.DType != raw.F32 {
		t.Errorf("the first kernel is %v of %v", x.Shape, x.DType)
	}
}

// TestRefused damages kinds.h5 in one place each.
func TestRefused(t *testing.T) {
	good := fixture.Read(t, "kinds.h5")
	find := func(s string) int {
		i := bytes.Index(good, []byte(s))
		if i < 0 {
			t.Fatalf("no %q in the fixture", s)
		}
		return i
	}
	put := func(at int, v ...byte) []byte {
		b := append([]byte(nil), good...)
		copy(b[at:], v)
		return b
	}
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"not HDF5", []byte(strings.Repeat("x", 100)), "does not start"},
		{"short", good[:20], "outside a file of 20"},
		{"truncated", good[:len(good)-1000], "it is truncated"},
		{"newer superblock", put(8, 3), "version 3"},
		{"short addresses", put(13, 4), "4 and lengths 8"},
		{"user block", put(24, 1), "base address"},
		{"root outside", put(64, 0xff, 0xff, 0xff), "outside a file"},
		{"newer object header", put(int(binary.LittleEndian.Uint64(good[64:])), 2), "version 2"},
		{"no tree", put(find("TREE"), 'X'), "no tree node"},
		{"no heap", put(find("HEAP"), 'X'), "no local heap"},
		{"no symbol table", put(find("SNOD"), 'X'), "no symbol table"},
		{"a circle", circle(t, good), "reached twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := list(c.file)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %d datasets and error %v, want one with %q", len(got), err, c.want)
			}
		})
	}
}

// circle makes the root's tree its own child.
func circle(t *testing.T, good []byte) []byte {
	t.Helper()
	b := append([]byte(nil), good...)
	root := binary.LittleEndian.Uint64(b[80:]) // cached in the superblock: the root group's tree
	if string(b[root:root+4]) != "TREE" {
		t.Fatalf("no tree at %d", root)
	}
	b[root+5] = 1 // level
	binary.LittleEndian.PutUint64(b[root+32:], root)
	return b
}

func FuzzRead(f *testing.F) {
	fuzztest.Tensors(f, fuzztest.Limits{Elements: func(n int) int { return maxInflate*n/2 + 1 }, Unread: true},
		func(b []byte) ([]raw.Tensor, error) {
			h, err := Read(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				return nil, err
			}
			for i, x := range h.Tensors { // values may be damaged, and their reading ends as well
				if i < 20 && x.DType.Float() && x.Len() < 1<<20 {
					_, _ = x.Float32s()
				}
			}
			return h.Tensors, nil
		}, fixture.Read(f, "kinds.h5"), fixture.Read(f, "kinds.h5")[:8000])
}
