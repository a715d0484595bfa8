package picture_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/internal/picturetest"
	"github.com/c236555e/rehead/dataset/picture"
)

// TestResizes holds every resize of another tool to what that tool made of ten pictures of odd
// sizes, some smaller than the output and some a strip: testdata/resize/make.py.
func TestResizes(t *testing.T) { resizes(t, filepath.Join("testdata", "resize")) }

func resizes(t *testing.T, dir string) {
	for _, way := range picture.Resizes() {
		t.Run(way.Name, func(t *testing.T) {
			sheet, err := os.ReadFile(filepath.Join(dir, way.Name+".png"))
			if os.IsNotExist(err) && (way.Name == way.Filter || way.Name == "keras") {
				t.Skip("held to its tool elsewhere: TestTF1Known, TestAgainstSlowReference, or by another name")
			}
			if err != nil {
				t.Fatal(err)
			}
			want, err := png.Decode(bytes.NewReader(sheet))
			if err != nil {
				t.Fatal(err)
			}
			n := want.Bounds().Dx()
			r, err := picturetest.Recipe(n, picture.Bilinear).WithResize(way.Name)
			if err != nil {
				t.Fatal(err)
			}
			for i := range want.Bounds().Dy() / n {
				data, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d.png", i)))
				if err != nil {
					t.Fatal(err)
				}
				img, _, err := picture.Decode(data, picture.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				if img.Bounds().Dx() == n && img.Bounds().Dy() == n {
					t.Fatal("a picture of the output's size tests nothing")
				}
				got := apply(t, r, img, 1)
				worst, sum := 0.0, 0.0
				for y := range n {
					for x := range n {
						red, green, blue, _ := want.At(x, i*n+y).RGBA()
						for c, v := range []uint32{red, green, blue} {
							g := math.Floor(min(max(float64(got[(c*n+y)*n+x]), 0), 255) + 0.5)
							d := math.Abs(g - float64(v>>8))
							worst, sum = max(worst, d), sum+d
						}
					}
				}
				if !(worst <= 1) {
					t.Errorf("picture %d, %v: off by %v levels, %.3f on average; want 1 at most", i, img.Bounds().Max, worst,
						sum/float64(3*n*n))
				}
			}
		})
	}
}

func TestWithResize(t *testing.T) {
	crop := picture.Recipe{Size: 9, Resize: 12, Geometry: picture.Crop, Filter: picture.Bilinear, Std: [3]float32{1, 1, 1}}
	if r, err := crop.WithResize("torch-bilinear"); err != nil || r.Geometry != picture.Crop || r.Resize != 12 ||
		r.Filter != picture.TorchBilinear {
		t.Errorf("a filter alone: got %+v, %v", r, err)
	}
	if r, err := crop.WithResize("keras"); err != nil || r.Geometry != picture.Squash || r.Resize != 0 {
		t.Errorf("a whole way: got %+v, %v", r, err)
	}
	if _, err := crop.WithResize("blackman"); err == nil || !strings.Contains(err.Error(), "tf-area") {
		t.Errorf("an unknown name: got %v, want one that lists what there is", err)
	}
	crop.Geometry, crop.Resize = picture.Pad, 0
	if err := crop.Validate(); err == nil {
		t.Error("black around the picture was taken with a filter that does not do it")
	}
}

// TestResizesKeepAColour: a picture of one colour stays that, whatever its shape, but for the black
// around it; the shapes are those that make an axis vanish or run long.
func TestResizesKeepAColour(t *testing.T) {
	for _, way := range picture.Resizes() {
		for _, size := range [][2]int{{1, 1}, {1, 700}, {65535, 1}, {2, 3}, {31, 30}, {1201, 7}} {
			img := image.NewGray(image.Rect(0, 0, size[0], size[1]))
			for i := range img.Pix {
				img.Pix[i] = 200
			}
			r, err := picturetest.Recipe(31, picture.Bilinear).WithResize(way.Name)
			if err != nil {
				t.Fatal(err)
			}
			lit := 0
			for i, v := range apply(t, r, img, 1) {
				black := r.Geometry == picture.Pad || r.Geometry == picture.PadBefore
				if d := math.Abs(float64(v) - 200); !(d < 0.01) && !(black && v >= 0 && v < 200) {
					t.Fatalf("%s %v: value %d is %v, want 200", way.Name, size, i, v)
				}
				if v > 0 {
					lit++
				}
			}
			if lit == 0 {
				t.Errorf("%s %v: all black", way.Name, size)
			}
		}
	}
}
