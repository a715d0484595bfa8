//go:build amd64 || arm64

package cuda_test

import (
	"testing"

	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/cuda/internal/kernels"
	"github.com/c236555e/rehead/nn/internal/nntest"
)

// tolerances are what a few layers of a precision keep of the largest value.
var tolerances = map[string]nntest.Tolerance{
	"float32": nntest.Float32, "tf32": {Rel: 4e-3}, "float16": {Rel: 6e-3}, "bfloat16": {Rel: 5e-2},
}

// TestSuite runs the graphs that every device passes, in every precision, and what a Program promises
// beyond right numbers.
func TestSuite(t *testing.T) {
	if testing.Short() {
		t.Skip("interprets thousands of launches")
	}
	for _, p := range kernels.Precisions() {
		t.Run(p.Name, func(t *testing.T) {
			useOne(t)
			cfg := nn.Config{Device: "cuda", Kernel: p.Name}
			if p.Name == "float32" {
				nntest.TestProgram(t, cfg, tolerances[p.Name])
				return
			}
			nntest.Test(t, nntest.OnProgram(cfg), tolerances[p.Name])
		})
	}
}

// TestOpenClose compiles, runs and closes a network again and again: what is left behind each time
// would fill a GPU.
func TestOpenClose(t *testing.T) {
	useOne(t)
	n := newNetwork(t)
	for range 3 {
		got, err := n.run(t, "cuda")
		if err != nil {
			t.Fatal(err)
		}
		n.near(t, got)
	}
}
