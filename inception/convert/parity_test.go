package convert

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/internal/fixture"
	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/internal/numeric"
)

// TestParityTorch makes full-width networks with the peers' reference.py and holds bottlenecks and
// logits to torchvision's, for one picture and three, by the program and by the tape machine.
func TestParityTorch(t *testing.T) {
	script := datatest.Shared(t, "peers", "reference.py")
	if raceDetector || testing.Short() {
		t.Skip("half a minute; the narrow networks do it every time")
	}
	full := os.Getenv("REHEAD_PARITY") == "full"
	for _, seed := range []string{"1", "2", "3"} {
		t.Run("seed "+seed, func(t *testing.T) {
			if seed != "1" && !full {
				t.Skip("one seed is enough unless REHEAD_PARITY=full")
			}
			dir := t.TempDir()
			datatest.Python(t, "torch, torchvision, numpy, PIL", script, dir, seed, "3")
			w, err := Load(dir+"/weights.pth", Options{})
			if err != nil {
				t.Fatal(err)
			}
			if w.Flavor != inception.Torchvision || w.Width != 1 || w.Classes != 1000 {
				t.Fatalf("flavour %s, width %g, %d classes", w.Flavor, w.Width, w.Classes)
			}
			pixels, features, logits := reference(t, dir, 3)
			per := 3 * 299 * 299
			for _, n := range []int{1, 3} {
				for _, machine := range []bool{false, true} {
					if machine && !full {
						continue // half a minute; the narrow networks do it every time
					}
					f, l := run(t, w, 299, n, pixels[:n*per], machine, "")
					df, dl := numeric.Distance(f, features[:n*2048]), numeric.Distance(l, logits[:n*1000])
					t.Logf("batch %d, tape machine %v: bottlenecks %.2g, logits %.2g", n, machine, df, dl)
					if !(df <= tolerance) || !(dl <= tolerance) {
						t.Errorf("batch %d, tape machine %v: bottlenecks differ by %.2g, logits by %.2g, want at most %g", n, machine, df,
							dl, tolerance)
					}
				}
			}
			if seed != "1" {
				return
			}
			datatest.Python(t, "torch, torchvision, h5py", filepath.Join(fixture.Dir(t), "full.py"), dir)
			for _, name := range []string{"net.onnx", "net.h5"} {
				w, err := Load(filepath.Join(dir, name), Options{Flavor: inception.Torchvision})
				if err != nil {
					t.Fatal(err)
				}
				f, l := run(t, w, 299, 1, pixels[:per], false, "")
				df, dl := numeric.Distance(f, features[:2048]), numeric.Distance(l, logits[:1000])
				t.Logf("%s: bottlenecks %.2g, logits %.2g", name, df, dl)
				if !(df <= tolerance) || !(dl <= tolerance) {
					t.Errorf("%s: bottlenecks differ by %.2g, logits by %.2g, want at most %g", name, df, dl, tolerance)
				}
			}
		})
	}
}

// reference reads what reference.py wrote for n pictures.
func reference(t *testing.T, dir string, n int) (pixels, features, logits []float32) {
	t.Helper()
	r := inception.Torchvision.Recipe()
	r.Geometry, r.Resize = "squash", 0 // the pictures have the network's size
	per := 3 * 299 * 299
	pixels = make([]float32, n*per)
	for i := range n {
		b, err := os.ReadFile(dir + "/input" + string(rune('0'+i)) + ".png")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Load(b, picture.Limits{}, pixels[i*per:(i+1)*per]); err != nil {
			t.Fatal(err)
		}
	}
	return pixels, slices.Concat(datatest.ReadNPY(t, dir+"/features.npy")...),
		slices.Concat(datatest.ReadNPY(t, dir+"/logits.npy")...)
}
