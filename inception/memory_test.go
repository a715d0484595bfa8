package inception

import (
	"context"
	"runtime"
	"testing"

	"github.com/c236555e/rehead/nn"
)

// TestMemoryOfClassifier: a classifier of the full width holds its weights once, packed, and what two
// pictures at once pass through: at most 190 MB.
func TestMemoryOfClassifier(t *testing.T) {
	if testing.Short() || runtime.GOARCH != "amd64" {
		t.Skip("packs 87 MB of weights, for the kernels of amd64")
	}
	before := heap()
	c := fullWidth(t)
	defer c.Close()
	packed := heap() - before
	if _, err := c.Classify(context.Background(), encodedInputs([][]byte{sketch(t, 0, 1), sketch(t, 1, 1)})...); err != nil {
		t.Fatal(err)
	}
	answered := heap() - before
	t.Logf("%.1f MB compiled, %.1f MB after two pictures (kernel %s)", packed/1e6, answered/1e6, c.Trunk().Program().Kernel())
	if most := 190e6; answered > most || packed < 87e6 {
		t.Errorf("got %.1f MB compiled and %.1f MB after two pictures, want 87 to 190", packed/1e6, answered/1e6)
	}
	if c.Model().Trunk != nil {
		t.Error("the classifier's model has a trunk, want none beside the packed one")
	}
}

// fullWidth compiles made-up weights and drops them.
func fullWidth(t *testing.T) *Classifier {
	t.Helper()
	w, err := Random(RandomConfig{Width: 1, Classes: 5})
	if err != nil {
		t.Fatal(err)
	}
	m, err := ModelFromWeights(w)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewClassifier(m, nn.Config{Threads: 2, Device: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// heap is what is in use once garbage is collected, in bytes.
func heap() float64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
