package convert

import (
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/internal/fixture"
	"github.com/c236555e/rehead/internal/opentest"
)

// TestOpensOnce: whether a model comes of it or an error, a file is opened once.
func TestOpensOnce(t *testing.T) {
	w, err := inception.Random(inception.RandomConfig{Width: fixtureWidth, Classes: 3})
	if err != nil {
		t.Fatal(err)
	}
	m, err := inception.ModelFromWeights(w)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	own, model := filepath.Join(dir, "own.safetensors"), filepath.Join(dir, "model.tar.gz")
	if err := w.Write(own, ""); err != nil {
		t.Fatal(err)
	}
	if err := m.Pack(model, inception.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(model, Options{}); err == nil || !strings.Contains(err.Error(), "is a packed model") {
		t.Errorf("a model as weights: got error %v", err)
	}
	for name, c := range map[string]struct {
		path string
		good bool // has a classifier
	}{
		"own": {own, true}, "own, packed": {gzipOf(t, own), true}, "model": {model, true},
		"checkpoint":         {fixture.File(t, "inception_v3.ckpt"), true},
		"pth":                {fixture.File(t, "torchvision.pth"), true},
		"hdf5":               {fixture.File(t, "keras.h5"), true},
		"safetensors":        {fixture.File(t, "timm.safetensors"), true},
		"without labels":     {fixture.File(t, "output_graph.pb"), false},
		"numbered":           {fixture.File(t, "slim.pb"), true},
		"without classifier": {fixture.File(t, "keras_notop.h5"), false},
		"of no kind":         {fixture.Write(t, "text", []byte("hello, world")), false},
		"broken archive":     {fixture.Write(t, "model.tar.gz", []byte("\x1f\x8b\x08 and no more")), false},
	} {
		t.Run(name, func(t *testing.T) {
			opened := opentest.Count(t, c.path, func() {
				if _, err := OpenModel(c.path, Options{}); (err == nil) != c.good {
					t.Errorf("got error %v, want one: %v", err, !c.good)
				}
			})
			if opened != 1 {
				t.Errorf("the file was opened %d times, want once", opened)
			}
		})
	}
}

// TestModelByPrefix: a checkpoint is a model by its prefix, as it is a weight file.
func TestModelByPrefix(t *testing.T) {
	const prefix = "inception_v3_v2"
	dir := fixture.Files(t, prefix+".index", prefix+".data-00000-of-00002", prefix+".data-00001-of-00002")
	if m, err := OpenModel(filepath.Join(dir, prefix), Options{}); err != nil || m.Head.Classes == 0 {
		t.Errorf("got error %v", err)
	}
	if _, err := OpenModel(filepath.Join(dir, "none"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: got error %v", err)
	}
}

// gzipOf packs a file beside it.
func gzipOf(t *testing.T, path string) string {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(path + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	z := gzip.NewWriter(out)
	if _, err := io.Copy(z, in); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}
