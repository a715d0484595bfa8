package picture_test

import (
	"image"
	"math"
	"testing"

	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/picture"
)

// TestTF1Known: TensorFlow 1's answer for [[1,2],[3,4]] enlarged to 4x4 without align_corners.
func TestTF1Known(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 2, 2))
	copy(img.Pix, []uint8{1, 2, 3, 4})
	got := apply(t, picturetest.Recipe(4, picture.TF1Bilinear), img, 1)
	picturetest.Near(t, got[:16], []float32{1, 1.5, 2, 2, 2, 2.5, 3, 3, 3, 3.5, 4, 4, 3, 3.5, 4, 4}, 0)
}

// TestAgainstSlowReference: the legacy bilinear to the precision of a float32 coordinate (300 *
// 2^-24 pixels, 255 levels apart at most); imaging's filters to the rounding of its two passes, 1/2
// each, the first of which the second amplifies by at most 1.3.
func TestAgainstSlowReference(t *testing.T) {
	for filter, tolerance := range map[string]float64{picture.TF1Bilinear: 1e-2, picture.Bilinear: 1.01,
		picture.Bicubic: 1.2, picture.Lanczos: 1.3} {
		for _, size := range [][2]int{{90, 61}, {17, 23}, {41, 11}, {300, 44}} {
			img := picturetest.Noise(size[0], size[1], 4)
			for _, r := range geometries(41, filter) {
				got := apply(t, r, img, 1)
				from, w, h, x0, y0 := img, 41, 41, 0, 0
				switch r.Geometry {
				case picture.Crop:
					if size[0] > size[1] {
						w, h = r.Resize*size[0]/size[1], r.Resize
					} else {
						w, h = r.Resize, r.Resize*size[1]/size[0]
					}
					x0, y0 = int(math.RoundToEven(float64(w-41)/2)), int(math.RoundToEven(float64(h-41)/2))
				case picture.Central:
					cutX, cutY := int(float64(size[0])*0.125/2), int(float64(size[1])*0.125/2)
					from = image.NewNRGBA(image.Rect(0, 0, size[0]-2*cutX, size[1]-2*cutY))
					for y := range from.Rect.Dy() {
						copy(from.Pix[y*from.Stride:][:from.Stride], img.Pix[(y+cutY)*img.Stride+4*cutX:])
					}
				}
				for c := range 3 {
					want := slow(from, c, w, h, filter)
					for i := range 41 * 41 {
						v := min(max(want[(y0+i/41)*w+x0+i%41], 0), 255)
						if g := float64(got[c*41*41+i]); !(math.Abs(g-v) <= tolerance) {
							t.Fatalf("%s %s %v channel %d value %d: got %v, want %v within %v", filter, r.Geometry, size, c, i, g, v,
								tolerance)
						}
					}
				}
			}
		}
	}
}

// TestChroma: chroma that was halved is interpolated as libjpeg does: a step of Cb from 100 to 140
// between two chroma pixels is seen by the four columns around it as 100, 110, 130, 140.
func TestChroma(t *testing.T) {
	for _, ratio := range []image.YCbCrSubsampleRatio{image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio422} {
		img := image.NewYCbCr(image.Rect(0, 0, 8, 8), ratio)
		for i := range img.Y {
			img.Y[i] = 100
		}
		for i := range img.Cb {
			img.Cb[i], img.Cr[i] = 100, 128
			if i%img.CStride >= 2 {
				img.Cb[i] = 140
			}
		}
		got := apply(t, picturetest.Recipe(8, picture.Nearest), img, 1)
		for x, cb := range []float64{100, 100, 100, 110, 130, 140, 140, 140} {
			if want := 100 + 1.772*(cb-128); math.Abs(float64(got[2*64+24+x])-want) > 0.51 {
				t.Errorf("%v: blue of column %d is %v, want %v", ratio, x, got[2*64+24+x], want)
			}
		}
	}
	whole := image.NewYCbCr(image.Rect(0, 0, 31, 22), image.YCbCrSubsampleRatio420)
	for i := range whole.Y {
		whole.Y[i] = uint8(i * 7)
	}
	for i := range whole.Cb {
		whole.Cb[i], whole.Cr[i] = uint8(i*5), uint8(i*11)
	}
	// the full-size picture through tf1-bilinear is the conversion itself, for every start of a
	// sub-picture
	for y := range 3 {
		sub := whole.SubImage(image.Rect(y, y, y+16, y+16))
		for _, v := range apply(t, picturetest.Recipe(16, picture.TF1Bilinear), sub, 1) {
			if v != float32(math.Trunc(float64(v))) || v < 0 || v > 255 {
				t.Fatalf("got %v, want a whole number in 0..255", v)
			}
		}
	}
}
