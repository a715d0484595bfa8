//go:build amd64 || arm64

package cuda_test

import (
	"flag"
	"fmt"
	"testing"

	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/nn/cuda"
	"github.com/c236555e/rehead/nn/internal/cu"
	"github.com/c236555e/rehead/nn/internal/cutest"
	"github.com/c236555e/rehead/nn/internal/device"
)

var realGPU = flag.Bool("gpu", false, "compute on this machine's GPU, not on one that is interpreted")

// useOne makes one GPU the device "cuda" until the test ends, this machine's own where the test was
// called with -gpu.
func useOne(t testing.TB) {
	t.Helper()
	if !*realGPU {
		use(t, &cutest.Driver{GPUs: 1})
	}
}

// useSeveral is useOne of n GPUs. It returns nothing where they are this machine's own, and skips the test
// where that has fewer.
func useSeveral(t testing.TB, n int) *cutest.Driver {
	t.Helper()
	if !*realGPU {
		d := &cutest.Driver{GPUs: n}
		use(t, d)
		return d
	}
	for i := range n {
		if err := (nn.Config{Device: fmt.Sprintf("cuda:%d", i)}).Probe(); err != nil {
			t.Skipf("wants %d GPUs: %v", n, err)
		}
	}
	return nil
}

// use makes the GPUs of d the device "cuda" until the test ends: a driver that runs the very kernels
// on the CPU, and is hostile. Nothing may be left on them then. Tests that use it do not run in
// parallel.
func use(t testing.TB, d *cutest.Driver) {
	t.Helper()
	for _, o := range device.Registered() {
		if o.Name() == "cuda" {
			device.Unregister(o)
			t.Cleanup(func() { device.Register(o) })
		}
	}
	gpus := cuda.New(func() (*cu.Driver, error) { return cutest.Open(t, d) })
	device.Register(gpus)
	t.Cleanup(func() { device.Unregister(gpus) })
	t.Cleanup(func() {
		if t.Failed() {
			for _, f := range d.Faults() {
				t.Logf("the GPU saw: %v", f)
			}
		}
	})
}
