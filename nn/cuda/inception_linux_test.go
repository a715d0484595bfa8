//go:build amd64 || arm64

package cuda_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/nn"
)

// gpuTolerance bounds how far a bottleneck on a GPU is from the CPU's, as the norm of the difference
// over the norm, by the kernels' precision: float32 sums in another order; the others round every
// factor on the way to 11 or 8 bits.
var gpuTolerance = map[string]float64{"float32": 1e-4, "tf32": 5e-3, "float16": 5e-3, "bfloat16": 2e-2}

// TestInception embeds pictures with a narrow network on GPUs that are interpreted: the kernels, the
// executor and its calls are those of real ones. A bottleneck does not depend on its batch, bit for
// bit.
func TestInception(t *testing.T) {
	if testing.Short() {
		t.Skip("interprets whole networks")
	}
	const pictures = 3
	w, err := inception.Random(inception.RandomConfig{Width: 0.1, Size: inception.MinSize})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(8, 9))
	pixels := make([]float32, pictures*3*inception.MinSize*inception.MinSize)
	for i := range pixels {
		pixels[i] = r.Float32()*2 - 1
	}
	embed := func(t *testing.T, cfg nn.Config, n int, pixels []float32) []float32 {
		t.Helper()
		trunk, err := inception.NewTrunk(w, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer trunk.Close()
		out := make([]float32, n*trunk.Features())
		if err := trunk.Embed(context.Background(), n, pixels, out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	want := embed(t, nn.Config{Device: "cpu"}, pictures, pixels)
	size, features := len(pixels)/pictures, len(want)/pictures
	for kernel, most := range gpuTolerance {
		t.Run(kernel, func(t *testing.T) {
			useOne(t)
			cfg := nn.Config{Device: "cuda", Kernel: kernel}
			got := embed(t, cfg, pictures, pixels)
			worst := 0.0
			for i := range pictures {
				d := numeric.Distance(got[i*features:][:features], want[i*features:][:features])
				if !(d <= most) {
					t.Errorf("picture %d: the bottleneck is %.2g of its norm from the CPU's, want at most %g", i, d, most)
				}
				worst = math.Max(worst, d)
			}
			if alone := embed(t, cfg, 1, pixels[size:2*size]); !slices.Equal(alone, got[features:2*features]) {
				t.Error("the bottleneck alone is another than in a batch")
			}
			t.Logf("at most %.2g of the norm apart", worst)
		})
	}
}
