package picture

import (
	"image"
	"image/color"
	"testing"
)

// A picture that has the network's size already is fed pixel for pixel under every geometry and
// filter.
func TestPreparedPictureIsFedAsItIs(t *testing.T) {
	const size = 23
	img := image.NewNRGBA(image.Rect(0, 0, size, size))
	for y := range size {
		for x := range size {
			img.SetNRGBA(x, y, color.NRGBA{uint8(x * 11), uint8(y * 7), uint8(x * y), 255})
		}
	}
	for _, r := range []Recipe{
		{Geometry: Squash, Filter: TF1Bilinear}, {Geometry: Squash, Filter: Bilinear},
		{Geometry: Crop, Resize: 31, Filter: Bilinear}, {Geometry: Crop, Resize: 31, Filter: TF1Bilinear},
		{Geometry: Central, Fraction: 0.875, Filter: Bicubic}, {Geometry: Central, Fraction: 0.875, Filter: TF1Bilinear},
	} {
		r.Size, r.Mean, r.Std = size, [3]float32{1, 2, 3}, [3]float32{1, 2, 4}
		dst := make([]float32, 3*size*size)
		if err := r.Apply(img, 1, dst); err != nil {
			t.Fatal(err)
		}
		for i := range size * size {
			c := img.NRGBAAt(i%size, i/size)
			for ch, v := range [3]uint8{c.R, c.G, c.B} {
				if got, want := dst[ch*size*size+i], (float32(v)-r.Mean[ch])/r.Std[ch]; got != want {
					t.Fatalf("%s, %s: channel %d of pixel %d is %g, want %g", r.Geometry, r.Filter, ch, i, got, want)
				}
			}
		}
	}
}
