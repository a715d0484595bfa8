package datatest

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// npyHeader is how numpy describes a two-dimensional array, rows first, of 2- or 4-byte floats.
const npyHeader = `'descr': '<f([24])', 'fortran_order': False, 'shape': \((\d+), (\d+)\)`

// ReadNPY reads numpy's file of a two-dimensional array of float16 or float32, and returns its
// rows.
func ReadNPY(t testing.TB, path string) [][]float32 {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(data, []byte("\x93NUMPY\x01\x00")) || len(data) < 10 {
		t.Fatalf("%s: not an .npy of version 1", path)
	}
	end := min(10+int(binary.LittleEndian.Uint16(data[8:])), len(data))
	m := regexp.MustCompile(npyHeader).FindSubmatch(data[10:end])
	if m == nil {
		t.Fatalf("%s: got header %q, want a two-dimensional array of float16 or float32", path, data[10:end])
	}
	var v [3]int // bytes a value, rows, columns
	for i := range v {
		if v[i], err = strconv.Atoi(string(m[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	body := data[end:]
	if len(body) != v[0]*v[1]*v[2] {
		t.Fatalf("%s: got %d bytes of values, want %d", path, len(body), v[0]*v[1]*v[2])
	}
	rows := make([][]float32, v[1])
	for i := range rows {
		rows[i] = make([]float32, v[2])
		for j := range rows[i] {
			if v[0] == 2 {
				rows[i][j], body = half(binary.LittleEndian.Uint16(body)), body[2:]
			} else {
				rows[i][j], body = math.Float32frombits(binary.LittleEndian.Uint32(body)), body[4:]
			}
		}
	}
	return rows
}

// half widens a float16.
func half(h uint16) float32 {
	exp, frac := int(h>>10&31), float64(h&1023)
	v := math.Ldexp(1024+frac, exp-25)
	switch exp {
	case 0:
		v = math.Ldexp(frac, -24)
	case 31:
		v = math.Inf(1)
		if frac != 0 {
			v = math.NaN()
		}
	}
	if h>>15 != 0 {
		v = -v
	}
	return float32(v)
}
