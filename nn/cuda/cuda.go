// Package cuda runs networks on NVIDIA GPUs and registers them as the device "cuda". It needs the
// driver alone: no toolkit, no cgo. Its kernels are package kernels, of which each is named after
// what convolutions multiply: float32, the default, is exact; tf32 rounds the factors; float16 and
// bfloat16 store weights and images in half the bytes. All sums are float32. An image's numbers
// depend on nothing but that image and the kernel, bit for bit.
//
// Nothing here has met a GPU: the tests run it on a driver that interprets its kernels on the CPU.
//
// A [plan] turns a network into launches, one after the other, in an arena of memory; concatenations
// cost nothing, as their parts are written to their lanes of one buffer. An [executor] has the
// weights on the GPU once and, for each size of batch, an arena, pinned memory, a stream and the
// launches captured as a graph.
package cuda

import (
	"errors"
	"fmt"
	"sync"

	"github.com/c236555e/rehead/nn/cuda/internal/kernels"
	"github.com/c236555e/rehead/nn/internal/cu"
	"github.com/c236555e/rehead/nn/internal/device"
	"github.com/c236555e/rehead/nn/internal/ir"
)

func init() {
	device.Register(New(func() (*cu.Driver, error) { return cu.Open("libcuda.so.1") }))
}

// New is the GPUs of a driver that open opens, when first asked for one: for tests, which have one of
// their own. Those of the machine's driver are registered without being asked for.
func New(open func() (*cu.Driver, error)) device.Device { return &gpus{sync.OnceValues(open)} }

// gpus is the GPUs of this machine. It is safe for concurrent use.
type gpus struct {
	open func() (*cu.Driver, error) // once, when first asked for
}

// Name returns "cuda".
func (*gpus) Name() string { return "cuda" }

// Unmeasured marks the kernels as not yet tried on hardware.
func (*gpus) Unmeasured() {}

// Kernels lists the precisions.
func (*gpus) Kernels() []string {
	var names []string
	for _, p := range kernels.Precisions() {
		names = append(names, p.Name)
	}
	return names
}

// Probe says why the GPU of that number cannot be used.
func (d *gpus) Probe(unit int) error {
	driver, err := d.open()
	if err != nil {
		return err
	}
	info, err := driver.Info(unit)
	if err == nil && info.Major < 8 {
		err = fmt.Errorf("cuda: %s is too old: want compute capability 8.0 or later (Ampere); use --device cpu",
			describe(driver, info))
	}
	return err
}

// Count is the number of GPUs, which are one at least.
func (d *gpus) Count() (int, error) {
	driver, err := d.open()
	if err != nil {
		return 0, err
	}
	if _, err := driver.Info(0); err != nil {
		return 0, err
	}
	return driver.Count()
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

// Compile prepares net for the GPU of that number.
func (d *gpus) Compile(net *ir.Net, unit int, cfg device.Config) (device.Executor, error) {
	if err := d.Probe(unit); err != nil {
		return nil, err
	}
	if cfg.Ranges != nil {
		return nil, errors.New("cuda: GPUs do not compute with int8; use float32 or --device cpu")
	}
	driver, err := d.open()
	if err != nil {
		return nil, err
	}
	return compile(driver, net, unit, cfg)
}

// Regress copies examples to the GPU of that number.
func (d *gpus) Regress(unit int, e device.Examples) (device.Regression, error) {
	if err := d.Probe(unit); err != nil {
		return nil, err
	}
	driver, err := d.open()
	if err != nil {
		return nil, err
	}
	return regress(driver, e, unit)
}
