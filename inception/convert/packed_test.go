package convert

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/pth"
	"github.com/c236555e/rehead/inception/internal/fixture"
)

// TestPacked: the dense layers of PyTorch's dynamic quantisation have the weights that PyTorch computes with. See
// testdata/packed.py.
func TestPacked(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(fixture.Dir(t), "packed.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]struct {
		Weight [][]float64
		Bias   []float64
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	same := func(file string, weight, bias []float32) {
		t.Helper()
		var w []float64
		for _, row := range want[file].Weight {
			w = append(w, row...)
		}
		for k, got := range [][]float32{weight, bias} {
			to := [][]float64{w, want[file].Bias}[k]
			if len(got) != len(to) || len(got) == 0 {
				t.Fatalf("%s: got %d numbers, want %d", file, len(got), len(to))
			}
			for i, v := range to {
				if !(math.Abs(float64(got[i])-v) <= 1e-6*math.Abs(v)) {
					t.Fatalf("%s: number %d is %g, want %g", file, i, got[i], v)
				}
			}
		}
	}
	w, err := Load(fixture.File(t, "packed.pth"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	same("packed.pth", w.Tensors["fc.weight"].Data, w.Tensors["fc.bias"].Data)
	if !strings.Contains(w.Notes["doubt"], "the weights of fc are int8") {
		t.Errorf("got the doubt %q, want that the classifier's weights are int8", w.Notes["doubt"])
	}
	b := fixture.Read(t, "packed-rows.pth")
	f, err := pth.Read(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(f.Tensors) != 2 {
		t.Fatalf("got %+v, %v, want a weight and a bias", f, err)
	}
	rows, err := f.Tensors[0].Float32s()
	if err != nil {
		t.Fatal(err)
	}
	bias, err := f.Tensors[1].Float32s()
	if err != nil {
		t.Fatal(err)
	}
	same("packed-rows.pth", rows, bias)
}
