package datatest

import (
	"encoding/csv"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"testing"
)

// Flower is a photograph of TensorFlow's flowers with the bottleneck that retrain.py itself
// computed for it.
type Flower struct {
	Label  string
	File   string    // its name
	Rel    string    // label/file
	Path   string    // Rel below data/flowers, where the 700 of "photos" lie
	Vector []float32 // 2,048 values of Inception-2015-12-05
}

// Flowers returns the photographs of a set, "all" (3,670) or "photos" (700). Where they are missing
// the test is skipped.
func Flowers(t testing.TB, set string) []Flower {
	t.Helper()
	npy := map[string]string{"all": "all-float16.npy", "photos": "photos-float32.npy"}[set]
	if npy == "" {
		t.Fatalf("no flowers are called %q: want all or photos", set)
	}
	vectors := ReadNPY(t, Shared(t, "data", "flowers-bottlenecks", npy))
	f, err := os.Open(Shared(t, "data", "flowers-bottlenecks", set+".csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // only read
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	out := make([]Flower, len(vectors))
	if len(records) != len(out)+1 {
		t.Fatalf("%s: got %d rows, want a title and %d", f.Name(), len(records), len(out))
	}
	for _, r := range records[1:] { // row, label, file
		i, err := strconv.Atoi(r[0])
		if err != nil || i < 0 || i >= len(out) || out[i].Vector != nil {
			t.Fatalf("%s: got row %q, want each of 0..%d once", f.Name(), r[0], len(out)-1)
		}
		rel := r[1] + "/" + path.Base(r[2])
		out[i] = Flower{r[1], r[2], rel, filepath.Join(Folder(t), "data", "flowers", filepath.FromSlash(rel)), vectors[i]}
	}
	return out
}
