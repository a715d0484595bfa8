//go:build amd64 || arm64

// Package cudatest lets tests compute on GPUs that are not there: the device "cuda" of package cuda
// on a driver that runs the very kernels on the CPU, and is hostile. See nn/internal/cutest.
package cudatest

import (
	"flag"
	"testing"

	"github.com/c236555e/rehead/nn/cuda"
	"github.com/c236555e/rehead/nn/internal/cu"
	"github.com/c236555e/rehead/nn/internal/cutest"
	"github.com/c236555e/rehead/nn/internal/device"
)

// Driver is the driver and the GPUs that it finds.
type Driver = cutest.Driver

var real = flag.Bool("gpu", false, "compute on this machine's GPU, not on one that is interpreted")

// UseOne makes one GPU the device "cuda" until the test ends, this machine's own where the test was
// called with -gpu.
func UseOne(t testing.TB) {
	t.Helper()
	if !*real {
		Use(t, &Driver{GPUs: 1})
	}
}

// Use makes the GPUs of d the device "cuda" until the test ends. Nothing may be left on them then.
// Tests that use it do not run in parallel.
func Use(t testing.TB, d *Driver) {
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
