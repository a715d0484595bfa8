// Package cuda finds NVIDIA GPUs and registers them as the device "cuda". It
// has no kernels for them: a Program cannot run there, Probe says so, and
// "auto" takes the CPU. Nothing here has met a GPU.
//
// The package is imported for that alone and exports nothing.
package cuda

import (
	"fmt"
	"sync"

	"github.com/c236555e/rehead/nn/internal/cu"
	"github.com/c236555e/rehead/nn/internal/device"
	"github.com/c236555e/rehead/nn/internal/ir"
)

func init() { device.Register(newGPUs("libcuda.so.1")) }

// gpus is the GPUs of this machine. It is safe for concurrent use.
type gpus struct {
	open func() (*cu.Driver, error) // once, when first asked for
}

// newGPUs is the GPUs that the driver's library of that name finds.
func newGPUs(library string) *gpus {
	return &gpus{sync.OnceValues(func() (*cu.Driver, error) { return cu.Open(library) })}
}

// Name returns "cuda".
func (*gpus) Name() string { return "cuda" }

// Kernels returns none.
func (*gpus) Kernels() []string { return nil }

// Probe says why the GPU of that number cannot be used.
func (d *gpus) Probe(unit int) error {
	driver, err := d.open()
	if err != nil {
		return err
	}
	info, err := driver.Info(unit)
	if err != nil {
		return err
	}
	return fmt.Errorf("cuda: found %s, but this version has no kernels for GPUs; use --device cpu", describe(driver, info))
}

// Units describes the GPUs there are.
func (d *gpus) Units() []string {
	driver, err := d.open()
	if err != nil {
		return nil
	}
	count, err := driver.Count()
	if err != nil {
		return nil
	}
	var units []string
	for i := range count {
		if info, err := driver.Info(i); err == nil {
			units = append(units, fmt.Sprintf("cuda:%d %s", i, describe(driver, info)))
		}
	}
	return units
}

// describe is a GPU in words.
func describe(driver *cu.Driver, i cu.Info) string {
	return fmt.Sprintf("%s (compute capability %d.%d, %d multiprocessors, %.1f GB, driver for CUDA %s)",
		i.Name, i.Major, i.Minor, i.SMs, float64(i.Memory)/1e9, driver.Version())
}

// Compile returns what Probe does.
func (d *gpus) Compile(_ *ir.Net, unit int, _ device.Config) (device.Executor, error) {
	return nil, d.Probe(unit)
}
