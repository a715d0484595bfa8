package nn

import (
	"fmt"

	"github.com/c236555e/rehead/nn/internal/engine"
	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/kernel"
)

// cpuName is what Config.Device calls the processor itself.
const cpuName = "cpu"

// cpu is the built-in device.
type cpu struct{}

// Kernels lists what Config.Kernel may name on the CPU of this machine, the
// fastest first: "avx512", "avx2" where the processor has them, and always
// "ref", plain Go.
func Kernels() []string {
	var names []string
	for _, s := range kernel.Sets() {
		names = append(names, s.String())
	}
	return names
}

func (cpu) Name() string { return cpuName }

func (cpu) Probe() error { return nil }

func (cpu) Compile(net *ir.Net, cfg Config) (Executor, error) {
	e, err := engine.Compile(net, engine.Config{Threads: cfg.threads(), Kernel: cfg.Kernel})
	if err != nil {
		return nil, fmt.Errorf("nn: device %q: %w", cpuName, err)
	}
	return e, nil
}
