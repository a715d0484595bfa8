package nn

import (
	"fmt"

	"github.com/c236555e/rehead/nn/internal/engine"
	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/kernel"
	"github.com/c236555e/rehead/nn/internal/plain"
)

// cpuName is what Config.Device calls the processor itself.
const cpuName = "cpu"

// plainName is the kernel that every processor can run.
const plainName = "ref"

// cpu is the built-in device.
type cpu struct{}

// Kernels lists what Config.Kernel may name on the CPU of this machine, the
// fastest first: "avx512", "avx2" or "neon" where the processor has them, and
// always "ref", plain Go.
func Kernels() []string {
	var names []string
	for _, s := range kernel.Sets() {
		if s != kernel.Ref {
			names = append(names, s.String())
		}
	}
	return append(names, plainName)
}

func (cpu) Name() string { return cpuName }

func (cpu) Kernels() []string { return Kernels() }

func (cpu) Probe(int) error { return nil }

// Compile leaves assembly to the engine, whose blocked layout needs it, and
// plain Go to the executor that is made for it.
func (cpu) Compile(net *ir.Net, _ int, cfg Config) (Executor, error) {
	name := cfg.Kernel
	if name == "" {
		name = Kernels()[0]
	}
	if name == plainName && cfg.Precision != Int8 {
		return plain.New(net, cfg.threads()), nil
	}
	ec := engine.Config{Threads: cfg.threads(), Kernel: name}
	if cfg.Precision == Int8 {
		ec.Ranges = cfg.Ranges
	}
	e, err := engine.Compile(net, ec)
	if err != nil {
		return nil, fmt.Errorf("nn: device %q: %w", cpuName, err)
	}
	return e, nil
}
