package nn

import (
	"fmt"

	"github.com/c236555e/rehead/nn/internal/device"
	"github.com/c236555e/rehead/nn/internal/engine"
	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/kernel"
)

// cpu is the built-in device.
type cpu struct{}

// Kernels lists what Config.Kernel may name on the CPU of this machine, the
// fastest first: "avx512", "avx2" or "neon" where the processor has them, and
// always "ref", plain Go. "amx", avx512 with convolutions of bytes and of
// BFloat16 by the tile unit, stands second, as it was never timed: it is taken
// by name alone. "bf16", "i8mm" and "dotprod" are neon with convolutions of
// bytes by matrix products (the first two) or dot products, and "bf16" with
// matrix products for BFloat16.
func Kernels() []string {
	var names []string
	for _, s := range kernel.Sets() {
		names = append(names, s.String())
	}
	return names
}

func (cpu) Name() string      { return device.CPU }
func (cpu) Kernels() []string { return Kernels() }
func (cpu) Units() []string   { return nil }
func (cpu) Probe(int) error   { return nil }
func (cpu) OnProcessor()      {}

func (cpu) Compile(net *ir.Net, _ int, cfg device.Config) (device.Executor, error) {
	e, err := engine.Compile(net, cfg)
	if err != nil {
		return nil, fmt.Errorf("nn: device %q: %w", device.CPU, err)
	}
	return e, nil
}
