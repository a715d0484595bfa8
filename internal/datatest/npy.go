package datatest

import (
	"testing"

	"github.com/c236555e/rehead/internal/npy"
)

// ReadNPY reads numpy's file of a two-dimensional array, and returns its rows.
func ReadNPY(t testing.TB, path string) [][]float32 {
	t.Helper()
	rows, err := npy.ReadRows(path)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
