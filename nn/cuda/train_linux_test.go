//go:build amd64 || arm64

package cuda_test

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/internal/cutest"
	"github.com/c236555e/rehead/train"
)

// training is a small folder and what is trained on it.
type training struct {
	dir string
	w   *inception.Weights
}

func newTraining(t *testing.T) training {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shapes")
	if err := draw.Folder(dir, 2, 4, 1); err != nil {
		t.Fatal(err)
	}
	w, err := inception.Random(inception.RandomConfig{Width: 0.1, Size: inception.MinSize, Flavor: inception.Torchvision})
	if err != nil {
		t.Fatal(err)
	}
	return training{dir, w}
}

// run trains on a device: a device named head solves for the head; from so many products on, the network's
// does unasked.
func (tr training) run(t *testing.T, device, head string, batch int, from float64, cache string) *train.Result {
	t.Helper()
	f, err := dataset.Scan(tr.dir, dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := train.Run(context.Background(), f, tr.w, train.Config{
		EmbedConfig: train.EmbedConfig{Engine: nn.Config{Device: device}, Batch: batch, CacheDir: cache}, HeadDevice: head,
		HeadDeviceProducts: from, Features: train.FeaturesLast, Split: dataset.SplitConfig{Validation: -1, Test: -1}})
	if err == nil {
		err = r.Finish() // lets go of the network on the GPU
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// same compares a model with the CPU's: its loss within 1e-5, its answers within a thousandth.
func same(t *testing.T, got, want *train.Result) {
	t.Helper()
	if !(math.Abs(got.Fit.Loss-want.Fit.Loss) <= 1e-5*want.Fit.Loss) || !got.Fit.Converged {
		t.Errorf("got loss %.9g, converged %t; want %.9g", got.Fit.Loss, got.Fit.Converged, want.Fit.Loss)
	}
	for i, p := range got.Pictures {
		w := want.Pictures[i]
		if p.Path != w.Path || p.Predicted != w.Predicted || !(math.Abs(p.Probability-w.Probability) <= 1e-3) {
			t.Errorf("got %+v, want %+v", p, w)
		}
	}
	t.Logf("loss %.9g, on the CPU %.9g", got.Fit.Loss, want.Fit.Loss)
}

// TestTrain trains a classifier from pictures to its answers, network and head on the GPU, and on two: the
// CPU's model, and both GPUs' is the one's to the bit.
func TestTrain(t *testing.T) {
	if testing.Short() {
		t.Skip("interprets whole networks")
	}
	tr := newTraining(t)
	cache := filepath.Join(t.TempDir(), "cache")
	want := tr.run(t, "cpu", "", 1, 0, cache)
	var heads [][]float32
	for _, try := range []struct {
		device string
		gpus   int
	}{{"cuda", 1}, {"cuda:0,cuda:1", 2}} {
		t.Run(try.device, func(t *testing.T) {
			d := useSeveral(t, try.gpus)
			got := tr.run(t, try.device, "", try.gpus, 1, "")
			if got.Embedded != 8 || got.Fit.Device != "cuda:0" || !slices.Contains(got.Notes, "the head was solved on cuda:0") {
				t.Errorf("got %d pictures embedded, the head solved on %s, notes %q", got.Embedded, got.Fit.Device, got.Notes)
			}
			if d != nil && (d.Launched(0) < 4*got.Fit.Evaluations || d.Launched(try.gpus-1) == 0) {
				t.Errorf("got %d kernels on the first GPU and %d on the last", d.Launched(0), d.Launched(try.gpus-1))
			}
			same(t, got, want)
			heads = append(heads, got.Model.Head.W)
		})
	}
	if len(heads) == 2 && !slices.Equal(heads[0], heads[1]) {
		t.Error("two GPUs gave another head than one")
	}
}

// TestTrainRule solves for a head on the CPU where the GPU has too little to do, with bottlenecks that are
// there already.
func TestTrainRule(t *testing.T) {
	tr := newTraining(t)
	cache := filepath.Join(t.TempDir(), "cache")
	want := tr.run(t, "cpu", "", 1, 0, cache)
	for name, try := range map[string]struct {
		from float64
		note string
	}{
		"too small": {1e9, ""},
		"gains":     {1, "the head was solved on cuda:0"},
	} {
		t.Run(name, func(t *testing.T) {
			use(t, &cutest.Driver{GPUs: 1})
			got := tr.run(t, "cuda", "", 1, try.from, cache)
			var notes []string
			for _, n := range got.Notes {
				if strings.HasPrefix(n, "the head was solved") {
					notes = append(notes, n)
				}
			}
			if said := strings.Join(notes, "; "); !strings.HasPrefix(said, try.note) || (said == "") != (try.note == "") {
				t.Errorf("got notes %q, want %q", notes, try.note)
			}
			same(t, got, want)
		})
	}
}

// TestTrainAsksFirst names GPUs that are not there: Run says so before it looks at a picture.
func TestTrainAsksFirst(t *testing.T) {
	use(t, &cutest.Driver{GPUs: 1})
	w := newTraining(t).w
	gone := &dataset.Folder{Root: filepath.Join(t.TempDir(), "none"), Labels: []string{"a", "b"}}
	for want, cfg := range map[string]train.Config{
		`device "cuda:7" cannot be used here: cuda: GPU 7: this machine has 1`: {
			EmbedConfig: train.EmbedConfig{Engine: nn.Config{Device: "cuda:7"}}},
		`HeadDevice: nn: device "cuda:1" cannot be used here`: {HeadDevice: "cuda:1"},
		`device "cuda" does not compute with int8, want device cpu`: {
			Precision: nn.Int8, EmbedConfig: train.EmbedConfig{Engine: nn.Config{Device: "cuda"}}},
	} {
		if _, err := train.Run(context.Background(), gone, w, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
