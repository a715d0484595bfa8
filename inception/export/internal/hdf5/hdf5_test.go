package hdf5

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func set(path string, shape ...int) Dataset {
	return Dataset{Path: path, Shape: shape, Values: func() []float32 { return []float32{1, 2, 3, 4} }}
}

// TestWrite: the length that the superblock announces is the file's, and the values are its end. What
// is between is read by convert's reader in the tests of export, and by h5py in .ci/peers.
func TestWrite(t *testing.T) {
	var sets []Dataset
	for i := range 2 * internal * 2 * leaf {
		sets = append(sets, set(fmt.Sprintf("layers/conv2d_%d/vars/0", i), 2, 2))
	}
	var b bytes.Buffer
	if err := Write(&b, sets); err != nil {
		t.Fatal(err)
	}
	if end := le.Uint64(b.Bytes()[40:]); end != uint64(b.Len()) {
		t.Errorf("the superblock says %d bytes, the file has %d", end, b.Len())
	}
	tail := b.Bytes()[b.Len()-16:]
	if !bytes.Equal(tail, []byte{0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 64, 64, 0, 0, 128, 64}) {
		t.Errorf("the file ends with % x, want 1, 2, 3, 4", tail)
	}
	var again bytes.Buffer
	if err := Write(&again, sets); err != nil || !bytes.Equal(again.Bytes(), b.Bytes()) {
		t.Errorf("written again the file differs (%v)", err)
	}
}

func TestRefuses(t *testing.T) {
	many := []Dataset{}
	for i := range 2*internal*2*leaf + 1 {
		many = append(many, set(fmt.Sprint("x", i), 4))
	}
	for _, c := range []struct {
		sets []Dataset
		want string
	}{
		{[]Dataset{set("a", 4), set("a", 4)}, "there already"},
		{[]Dataset{set("a", 4), set("a/b", 4)}, "want a path"},
		{[]Dataset{set("a//b", 4)}, "want a path"},
		{[]Dataset{set("a")}, "no values"},
		{[]Dataset{set("a", 0)}, "no values"},
		{[]Dataset{set("a", 5)}, "got 4 values, want 5"},
		{many, "at most 256"},
	} {
		if err := Write(&bytes.Buffer{}, c.sets); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d datasets, the last %q: got error %v, want %q", len(c.sets), c.sets[len(c.sets)-1].Path, err, c.want)
		}
	}
}
