package convert

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/internal/fixture"
	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/internal/numeric"
)

// TestTimmONNX: a network laid out as timm's modules are and exported by PyTorch in several ways is
// the network whose state dict lies beside it, and answers as PyTorch does. See testdata/timm.py.
func TestTimmONNX(t *testing.T) {
	if raceDetector || testing.Short() {
		t.Skip("a quarter of a minute of PyTorch")
	}
	dir := t.TempDir()
	datatest.Python(t, "torch, torchvision", filepath.Join(fixture.Dir(t), "timm.py"), dir)
	same, err := Load(filepath.Join(dir, "net.pth"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	features, logits := slices.Concat(datatest.ReadNPY(t, dir+"/features.npy")...),
		slices.Concat(datatest.ReadNPY(t, dir+"/logits.npy")...)
	for _, c := range []struct {
		file    string
		classes int
		tol     float64 // of a tensor's norm: float32 rounding, several times where the exporter folds
	}{
		{"timm-folded.onnx", fixtureClasses, 4e-7}, {"timm-unfolded.onnx", fixtureClasses, 1e-7},
		{"timm-fast.onnx", fixtureClasses, 4e-7},
		{"timm-1001.onnx", 1001, 4e-7}, {"timm-trunk.onnx", 0, 4e-7},
	} {
		t.Run(c.file, func(t *testing.T) {
			w, err := Load(filepath.Join(dir, c.file), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if w.Flavor != inception.Timm || w.Width != fixtureWidth || w.Classes != c.classes ||
				w.Recipe != inception.Resized(inception.Timm.Recipe(), fixtureSize) {
				t.Errorf("flavour %s, width %g, %d classes, recipe %+v", w.Flavor, w.Width, w.Classes, w.Recipe)
			}
			for name, x := range w.Tensors {
				if c.classes == 1001 && strings.HasPrefix(name, "fc.") {
					continue
				}
				if d := numeric.Distance(x.Data, same.Tensors[name].Data); !(d <= c.tol) {
					t.Errorf("%s is off by %.2g of its norm, want at most %g", name, d, c.tol)
				}
			}
			switch {
			case c.classes == fixtureClasses:
				f, l := run(t, w, fixtureSize, 2, pictures(2, fixtureSize), false, "ref")
				if df, dl := numeric.Distance(f, features), numeric.Distance(l, logits); !(df <= tolerance) || !(dl <= tolerance) {
					t.Errorf("bottlenecks differ from PyTorch's by %.2g, logits by %.2g, want at most %g", df, dl, tolerance)
				} else {
					t.Logf("bottlenecks differ from PyTorch's by %.2g, logits by %.2g", df, dl)
				}
			case c.classes == 1001:
				for i, name := range map[int]string{0: "background", 1: "tench", 1000: "toilet tissue"} {
					if len(w.Labels) != 1001 || w.Labels[i] != name {
						t.Fatalf("%d labels, want 1001 and number %d to be %q", len(w.Labels), i, name)
					}
				}
				if b := w.Tensors["fc.bias"].Data; b[0] != 0 || b[1000] != float32(1000)/1001 {
					t.Errorf("the classifier's rows changed places: biases %v and %v at the ends", b[0], b[1000])
				}
			}
		})
	}
}
