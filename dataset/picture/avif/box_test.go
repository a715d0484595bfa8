package avif

import (
	"math"
	"os"
	"testing"

	"github.com/c236555e/rehead/dataset/picture"
)

// TestConfig reads what the container says, with and without the decoder in the build.
func TestConfig(t *testing.T) {
	for name, want := range map[string]picture.Info{
		"plain.avif": {Width: 40, Height: 24, Orientation: 1}, "frames.avif": {Width: 40, Height: 24, Orientation: 1},
		"orientation2.avif": {Width: 40, Height: 24, Orientation: 2},
		"orientation5.avif": {Width: 40, Height: 24, Orientation: 5},
		"orientation6.avif": {Width: 40, Height: 24, Orientation: 6},
		"orientation7.avif": {Width: 40, Height: 24, Orientation: 7},
	} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := config(data)
		if err != nil || got != want || !match(data[:32]) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
	}
	if match([]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")) || match([]byte("ftyp")) {
		t.Error("got AVIF of something else")
	}
}

// FuzzConfig: no container makes its reader panic or claim what is no size.
func FuzzConfig(f *testing.F) {
	for _, name := range []string{"plain.avif", "alpha.avif", "orientation7.avif", "deep.avif", "frames.avif"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		match(data)
		if n := pixelBytes(data); n < 64 {
			t.Errorf("got %d bytes a pixel", n)
		}
		if info, err := config(data); err == nil && (info.Width < 1 || info.Height < 1 || info.Width > math.MaxInt32 ||
			info.Height > math.MaxInt32 || info.Orientation < 1 || info.Orientation > 8) {
			t.Errorf("got %+v", info)
		}
	})
}
