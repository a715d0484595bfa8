package cuda

import (
	"math"
	"slices"
	"testing"
)

// recipe are levels as pictures have them.
func recipe(mean, deviation float32) (l [256]float32) {
	for v := range l {
		l[v] = (float32(v) - mean) / deviation
	}
	return l
}

// TestEncode finds every byte of usual and of strange levels, and refuses what is none.
func TestEncode(t *testing.T) {
	for _, l := range [][256]float32{recipe(0, 1), recipe(127.5, 127.5), recipe(123.675, 58.395), recipe(1e6, 1e-6),
		recipe(-300, 1e6)} {
		of := levels{l, l}
		image, want := make([]float32, 512), make([]byte, 512)
		for i := range image {
			image[i], want[i] = l[i%256], byte(i)
		}
		got := make([]byte, len(image))
		distinct := l[254] < l[255] && l[0] < l[1]
		if !of.encode(got, image) || distinct && !slices.Equal(got, want) {
			t.Errorf("levels from %v to %v: got %v", l[0], l[255], got)
		}
		for _, v := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), math.MaxFloat32,
			-math.MaxFloat32, l[0] - (l[255] - l[0]), math.Nextafter32(l[255], 1e30)} {
			if image[300] = v; of.encode(got, image) {
				t.Errorf("levels from %v to %v: %v was taken for one", l[0], l[255], v)
			}
		}
	}
	if same := (levels{{}}); same.encode(make([]byte, 1), []float32{1}) || (levels{{}}).encode(make([]byte, 1), []float32{-1}) {
		t.Error("levels that are all 0: got a byte for another number")
	}
}

// BenchmarkEncode is a picture of 299 pixels a side.
func BenchmarkEncode(b *testing.B) {
	l := recipe(127.5, 127.5)
	of, image, to := levels{l, l, l}, make([]float32, 3*299*299), make([]byte, 3*299*299)
	for i := range image {
		image[i] = l[i*7%256]
	}
	for b.Loop() {
		if !of.encode(to, image) {
			b.Fatal("not of levels")
		}
	}
}
