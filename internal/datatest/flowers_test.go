package datatest_test

import (
	"math"
	"testing"

	"github.com/c236555e/rehead/internal/datatest"
)

// TestFlowers: both sets hold retrain.py's vectors of the same network, so a photograph of both has
// nearly the same one.
func TestFlowers(t *testing.T) {
	all := map[string][]float32{}
	for _, f := range datatest.Flowers(t, "all") {
		all[f.Rel] = f.Vector
	}
	photos, met := datatest.Flowers(t, "photos"), 0
	if len(all) != 3670 || len(photos) != 700 {
		t.Fatalf("got %d and %d flowers, want 3670 and 700", len(all), len(photos))
	}
	for _, f := range photos {
		v, ok := all[f.Rel]
		if !ok {
			continue
		}
		met++
		for i, want := range v {
			// one set has half precision
			if got := f.Vector[i]; !(math.Abs(float64(got-want)) <= 5e-4*math.Abs(float64(want))+1e-6) {
				t.Fatalf("%s: value %d is %v in one set and %v in the other", f.Rel, i, got, want)
			}
		}
	}
	if met == 0 {
		t.Error("the sets share no photograph")
	}
}
