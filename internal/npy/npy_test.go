package npy_test

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/npy"
)

func TestWriteNPY(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.npy")
	rows := [][]float32{{1, -2.5, 3}, {float32(math.Inf(1)), 0, 1e-40}}
	if err := npy.Write(path, 2, 3, func(i int) []float32 { return rows[i] }); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	header := "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
	if string(data[:8]) != "\x93NUMPY\x01\x00" || binary.LittleEndian.Uint16(data[8:]) != 118 || len(data) != 128+24 ||
		strings.TrimRight(string(data[10:127]), " ") != header || data[127] != '\n' {
		t.Errorf("got %q", data[:128])
	}
	for i, want := range []float32{1, -2.5, 3, float32(math.Inf(1)), 0, 1e-40} {
		if got := math.Float32frombits(binary.LittleEndian.Uint32(data[128+4*i:])); got != want {
			t.Errorf("value %d: got %v, want %v", i, got, want)
		}
	}
	// A failure leaves what was there, and nothing beside it.
	if err := npy.Write(path, 2, 3, func(i int) []float32 {
		return rows[i][i:]
	}); err == nil || !strings.Contains(err.Error(), "row 1") {
		t.Errorf("a short row: %v", err)
	}
	if again, err := os.ReadFile(path); err != nil || string(again) != string(data) {
		t.Error("a failed write changed the file")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("a failed write left %v", entries)
	}
	if err := npy.Write(filepath.Join(dir, "no", "a.npy"), 0, 3, nil); err == nil {
		t.Error("wrote into a folder that is not there")
	}
}

func TestNPYWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npy")
	w, err := npy.Create(path, 2)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if err := w.Append([]float32{float32(i), -1}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is there before Commit")
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := w.Append([]float32{1, 2}); err == nil {
		t.Error("appended after Commit")
	}
	data, err := os.ReadFile(path)
	if err != nil || len(data) != 128+8000 || !strings.Contains(string(data[:128]), "(1000, 2)") {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if _, err := npy.Create(path, 0); err == nil {
		t.Error("no columns accepted")
	}
}
