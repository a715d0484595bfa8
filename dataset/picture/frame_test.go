package picture_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"testing"

	"github.com/c236555e/rehead/dataset/picture"
)

// TestFrame: what Frame says is where Apply takes the input from. Each pixel of the picture tells
// its place by its colour.
func TestFrame(t *testing.T) {
	const width, height = 240, 150
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.SetNRGBA(x, y, color.NRGBA{R: uint8(x), G: uint8(y), A: 255})
		}
	}
	recipes := map[string]picture.Recipe{
		"squash":  {Size: 60, Geometry: picture.Squash, Filter: picture.Bilinear},
		"crop":    {Size: 50, Resize: 75, Geometry: picture.Crop, Filter: picture.Bilinear},
		"central": {Size: 50, Fraction: 0.8, Geometry: picture.Central, Filter: picture.Nearest},
		"tf1":     {Size: 75, Geometry: picture.Squash, Filter: picture.TF1Bilinear},
	}
	for name, r := range recipes {
		for _, orientation := range []int{1, 6} {
			r.Std, r.Orient = [3]float32{1, 1, 1}, true
			dst := make([]float32, 3*r.Size*r.Size)
			if err := r.Apply(img, orientation, dst); err != nil {
				t.Fatal(err)
			}
			v := r.Frame(picture.Info{Width: width, Height: height, Orientation: orientation})
			if orientation == 6 && (v.Width != height || v.Height != width) {
				t.Errorf("%s: turned by a quarter the picture is %dx%d, want %dx%d", name, v.Width, v.Height, height, width)
			}
			for _, at := range [][2]int{{10, 10}, {r.Size - 12, 15}, {r.Size / 2, r.Size / 2}, {20, r.Size - 11}} {
				gotX, gotY := float64(dst[at[1]*r.Size+at[0]]), float64(dst[r.Size*r.Size+at[1]*r.Size+at[0]])
				x, y := v.X+(float64(at[0])+0.5)*v.ScaleX-0.5, v.Y+(float64(at[1])+0.5)*v.ScaleY-0.5
				if orientation == 6 { // upright (x,y) was stored at (y, height-1-x)
					x, y = y, height-1-x
				}
				// Half a pixel of the input for TensorFlow's corners, one of the picture for
				// rounding.
				if slack := max(v.ScaleX, v.ScaleY)/2 + 1; !(math.Abs(gotX-x) <= slack && math.Abs(gotY-y) <= slack) {
					t.Errorf("%s, orientation %d: input pixel %v shows (%g,%g), Frame says (%g,%g)", name, orientation, at, gotX,
						gotY, x, y)
				}
			}
		}
	}
}

func TestThumbnail(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 300, 200)) // transparent but for its left third
	for y := range 200 {
		for x := range 100 {
			img.SetNRGBA(x, y, color.NRGBA{R: 200, A: 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	small, info, err := picture.Recipe{}.Thumbnail(b.Bytes(), picture.Limits{}, 90)
	if err != nil || info.Format != "png" || small.Bounds() != image.Rect(0, 0, 90, 60) {
		t.Fatalf("got %v, %+v, %v", small.Bounds(), info, err)
	}
	if l, r := small.NRGBAAt(10, 30), small.NRGBAAt(80, 30); l != (color.NRGBA{200, 0, 0, 255}) ||
		r != (color.NRGBA{255, 255, 255, 255}) {
		t.Errorf("got %v on the left and %v on the right", l, r)
	}
	if same, _, err := (picture.Recipe{}).Thumbnail(b.Bytes(), picture.Limits{}, 300); err != nil ||
		same.Bounds() != img.Bounds() {
		t.Errorf("one that fits: %v, %v", same.Bounds(), err)
	}
	if _, _, err := (picture.Recipe{}).Thumbnail(b.Bytes(), picture.Limits{}, 0); err == nil {
		t.Error("a side of 0 was taken")
	}
	if _, _, err := (picture.Recipe{}).Thumbnail([]byte("no picture"), picture.Limits{}, 9); err == nil {
		t.Error("bytes that are not a picture were taken")
	}
}
