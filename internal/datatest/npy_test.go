package datatest_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/internal/npy"
)

// TestReadNPY reads what package dataset writes, and half precision put together by hand.
func TestReadNPY(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	want := [][]float32{{1, -2.5, 3}, {0, 65504, 1e-30}}
	if err := npy.Write(path, 2, 3, func(i int) []float32 { return want[i] }); err != nil {
		t.Fatal(err)
	}
	got := datatest.ReadNPY(t, path)
	if len(got) != 2 || len(got[0]) != 3 {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		for j := range want[i] {
			if got[i][j] != want[i][j] {
				t.Errorf("row %d, column %d: got %v, want %v", i, j, got[i][j], want[i][j])
			}
		}
	}
	head := "{'descr': '<f2', 'fortran_order': False, 'shape': (1, 5), }\n"
	file := "\x93NUMPY\x01\x00" + string(rune(len(head))) + "\x00" + head + "\x00\x3c\x00\xc5\x01\x00\xff\x7b\x00\x7c"
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	half := []float64{1, -5, math.Ldexp(1, -24), 65504, math.Inf(1)}
	for j, v := range datatest.ReadNPY(t, path)[0] {
		if float64(v) != half[j] {
			t.Errorf("half precision, column %d: got %v, want %v", j, v, half[j])
		}
	}
}
