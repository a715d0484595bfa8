package inception_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/datatest"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/onnxruntime"
)

// TestONNXRuntimeBottlenecks holds what ONNX Runtime's CPU provider says of noise, the bottleneck and
// every statistic of every block, to what the CPU's kernels say: of two structures narrow, and of the
// whole network.
func TestONNXRuntimeBottlenecks(t *testing.T) {
	onnxruntime.Register(onnxruntime.Config{Library: datatest.ONNXRuntime(t)})
	configs := []inception.RandomConfig{}
	for _, flavor := range []inception.Flavor{inception.TF2015, inception.Torchvision} { // one counts borders, one does not
		configs = append(configs, inception.RandomConfig{Width: 0.25, Size: 107, Seed: 3, Flavor: flavor})
	}
	if !testing.Short() {
		configs = append(configs, inception.RandomConfig{Width: 1, Size: 299, Seed: 4})
	}
	for _, cfg := range configs {
		w, err := inception.Random(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, reads := range []*inception.Features{nil, inception.AllFeatures()} {
			t.Run(fmt.Sprintf("%s, width %g, %v", cfg.Flavor, cfg.Width, reads), func(t *testing.T) {
				want := embedded(t, w, reads, nn.Config{Device: "cpu"})
				for kernel, most := range map[string]float64{"float32": 1e-4, "float16": 5e-3} {
					got := embedded(t, w, reads, nn.Config{Device: "onnxruntime:cpu", Kernel: kernel})
					d := numeric.Distance(got, want)
					t.Logf("%s: off by %.1e of the norm", kernel, d)
					if !(d <= most) {
						t.Errorf("%s: off by %.2g of the norm, want at most %g", kernel, d, most)
					}
				}
			})
		}
	}
}

// embedded is what a trunk says of three pictures of noise.
func embedded(t *testing.T, w *inception.Weights, reads *inception.Features, cfg nn.Config) []float32 {
	t.Helper()
	trunk, err := inception.NewTrunkOf(w, reads, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer trunk.Close()
	if got := trunk.Program().Device(); got != cfg.Device {
		t.Fatalf("the network runs on %s, want %s", got, cfg.Device)
	}
	const n = 3
	rng := rand.New(rand.NewPCG(1, 2))
	pixels, out := make([]float32, n*3*trunk.Size()*trunk.Size()), make([]float32, n*trunk.Features())
	for i := range pixels {
		pixels[i] = 2*rng.Float32() - 1
	}
	if err := trunk.Embed(t.Context(), n, pixels, out); err != nil {
		t.Fatal(err)
	}
	return out
}
