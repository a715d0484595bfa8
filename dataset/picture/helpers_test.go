package picture_test

import (
	"image"
	"os"
	"path/filepath"
	"testing"

	"github.com/c236555e/rehead/dataset/picture"
)

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var filters = []string{picture.TF1Bilinear, picture.Bilinear, picture.Bicubic, picture.Lanczos, picture.Nearest}

func apply(t testing.TB, r picture.Recipe, img image.Image, orientation int) []float32 {
	t.Helper()
	dst := make([]float32, 3*r.Size*r.Size)
	if err := r.Apply(img, orientation, dst); err != nil {
		t.Fatal(err)
	}
	return dst
}
