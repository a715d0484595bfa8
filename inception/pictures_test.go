package inception

import (
	"bytes"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/safetensors"
)

// TestPicturesAreKept: saved and opened the digests are the same, and the same model saves to the
// same bytes.
func TestPicturesAreKept(t *testing.T) {
	for name, d := range map[string]*PictureDigests{
		"some":     {Images: 5, Train: []uint64{0, 1 << 63, 1<<64 - 1}, Test: []uint64{7}},
		"too many": {Images: MaxPictureDigests + 1},
		"none":     nil,
	} {
		m := small(t)
		m.Pictures = d
		dir, other := filepath.Join(t.TempDir(), "m"), filepath.Join(t.TempDir(), "m")
		mustSave(t, m, dir, SaveOptions{})
		again := mustOpen(t, dir)
		if !reflect.DeepEqual(again.Pictures, d) || d.Complete() != (name == "some") {
			t.Errorf("%s: got %+v", name, again.Pictures)
		}
		mustSave(t, again, other, SaveOptions{})
		if !reflect.DeepEqual(contents(t, dir), contents(t, other)) {
			t.Errorf("%s: saved again, the files differ", name)
		}
	}
}

// TestPicturesAreChecked: what no training writes is an error that says what is wrong.
func TestPicturesAreChecked(t *testing.T) {
	for want, d := range map[string]PictureDigests{
		"number 1 is not above": {Images: 2, Test: []uint64{3, 3}},
		"got 0 digests of 4":    {Images: 4},
		"got 2 digests of 1":    {Images: 1, Train: []uint64{1, 2}},
		"got 1 digests of 2":    {Images: MaxPictureDigests + 1, Train: []uint64{1}},
		"got 0 digests of 0":    {},
	} {
		if err := d.validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
	digests := func(name string) safetensors.Tensor {
		return safetensors.Tensor{Name: name, DType: safetensors.U8, Shape: []int{1, 8}, Data: make([]byte, 8)}
	}
	for want, c := range map[string]struct {
		images string
		spoil  func(l []safetensors.Tensor)
	}{
		"how many":       {"many", func([]safetensors.Tensor) {}},
		"not of digests": {"1", func(l []safetensors.Tensor) { l[2].Shape = []int{8} }},
		"is missing":     {"1", func(l []safetensors.Tensor) { l[0].Name = "trained" }},
		"8 bytes":        {"1", func(l []safetensors.Tensor) { l[1].Shape = []int{2, 4} }},
	} {
		list := []safetensors.Tensor{digests("train"), digests("validation"), digests("test")}
		c.spoil(list)
		var b bytes.Buffer
		if err := safetensors.Write(&b, map[string]string{"format": picturesFormat, "images": c.images}, list); err != nil {
			t.Fatal(err)
		}
		if err := new(Model).takePictures("p.safetensors", b.Bytes()); err == nil || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), "p.safetensors") {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
