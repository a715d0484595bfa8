package train

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/c236555e/rehead/dataset/datatest"
)

// flowers returns the bottlenecks that retrain.py itself computed for a set of flower photographs: "all" (3,670) or
// "photos" (700).
func flowers(t testing.TB, set string) (Examples, []string) {
	t.Helper()
	npy := map[string]string{"all": "all-float16.npy", "photos": "photos-float32.npy"}[set]
	rows := readNPY(t, datatest.Shared(t, "data", "flowers-bottlenecks", npy))
	f, err := os.Open(datatest.Shared(t, "data", "flowers-bottlenecks", set+".csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	ex := Examples{Rows: rows, Labels: make([]int, len(rows))}
	files := make([]string, len(rows))
	var labels []string
	for _, r := range records[1:] {
		labels = append(labels, r[1])
	}
	slices.Sort(labels)
	labels = slices.Compact(labels)
	for _, r := range records[1:] {
		i, err := strconv.Atoi(r[0])
		if err != nil {
			t.Fatal(err)
		}
		ex.Labels[i], files[i] = slices.Index(labels, r[1]), r[2]
	}
	ex.Classes = len(labels)
	return ex, files
}

// readNPY reads a two-dimensional array of float16 or float32.
func readNPY(t testing.TB, path string) [][]float32 {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(data, []byte("\x93NUMPY\x01\x00")) {
		t.Fatalf("%s: not an .npy of version 1", path)
	}
	end := 10 + int(binary.LittleEndian.Uint16(data[8:]))
	m := regexp.MustCompile(`'descr': '<f([24])', 'fortran_order': False, 'shape': \((\d+), (\d+)\)`).FindSubmatch(data[10:end])
	if m == nil {
		t.Fatalf("%s: header %q", path, data[10:end])
	}
	size, _ := strconv.Atoi(string(m[1]))
	n, _ := strconv.Atoi(string(m[2]))
	cols, _ := strconv.Atoi(string(m[3]))
	rows, body := make([][]float32, n), data[end:]
	for i := range rows {
		rows[i] = make([]float32, cols)
		for j := range rows[i] {
			at := (i*cols + j) * size
			if size == 2 {
				rows[i][j] = half(binary.LittleEndian.Uint16(body[at:]))
			} else {
				rows[i][j] = math.Float32frombits(binary.LittleEndian.Uint32(body[at:]))
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
