//go:build amd64 || arm64

package cuda_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/cuda/internal/kernels"
	"github.com/c236555e/rehead/nn/internal/cutest"
)

// TestLevels uploads pictures as bytes, a quarter of what their numbers take, and gets the same bits. A
// picture with a number between the levels goes with its batch as it is.
func TestLevels(t *testing.T) {
	n := newNetwork(t)
	r := rand.New(rand.NewPCG(1, 2))
	levels := make([][256]float32, 3)
	for c := range levels {
		for v := range levels[c] {
			levels[c][v] = (float32(v) - 127.5 - float32(c)) / 51.3
		}
	}
	const few = 9 // a batch of 32 with room to spare
	pixels := make([]float32, few*3*20)
	for i := range pixels {
		pixels[i] = levels[i/20%3][r.IntN(256)]
	}
	between := slices.Clone(pixels)
	between[5*60+33] += 1e-3
	for _, p := range kernels.Precisions() {
		t.Run(p.Name, func(t *testing.T) {
			d := &cutest.Driver{GPUs: 1}
			use(t, d)
			run := func(levels [][256]float32, pixels []float32) ([]float32, int) {
				program, err := nn.Compile(nn.Config{Device: "cuda", Kernel: p.Name, Levels: levels}, n.input, n.output)
				if err != nil {
					t.Fatal(err)
				}
				before, out := d.Uploaded(0), make([]float32, few*n.values)
				if err := program.Run(context.Background(), few, pixels, out); err != nil {
					t.Fatal(err)
				}
				uploaded := d.Uploaded(0) - before
				if err := program.Close(); err != nil {
					t.Fatal(err)
				}
				return out, uploaded
			}
			for name, c := range map[string]struct {
				pixels []float32
				bytes  int
			}{"levels": {pixels, len(pixels)}, "between": {between, 4 * len(pixels)}} {
				want, all := run(nil, c.pixels)
				got, bytes := run(levels, c.pixels)
				if !slices.Equal(got, want) {
					t.Errorf("%s: got other numbers than without levels", name)
				}
				if all != 4*len(pixels) || bytes != c.bytes {
					t.Errorf("%s: uploaded %d and %d bytes, want %d and %d", name, all, bytes, 4*len(pixels), c.bytes)
				}
			}
		})
	}
}
