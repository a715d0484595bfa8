package nn

import (
	"fmt"
	"strings"

	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/plain"
)

// cpuName is what Config.Device calls the processor itself.
const cpuName = "cpu"

// cpu is the built-in device.
type cpu struct{}

// kernel is one way of computing on the CPU.
type kernel struct {
	name    string
	usable  func() bool // on this processor
	compile func(net *ir.Net, threads int) (Executor, error)
}

// kernels lists the CPU's kernels, the fastest first. "ref" is always usable.
func kernels() []kernel {
	return []kernel{
		{"ref", func() bool { return true }, func(net *ir.Net, threads int) (Executor, error) {
			return plain.New(net, threads), nil
		}},
	}
}

func (cpu) Name() string { return cpuName }

func (cpu) Probe() error { return nil }

func (cpu) Compile(net *ir.Net, cfg Config) (Executor, error) {
	var known []string
	for _, k := range kernels() {
		if cfg.Kernel == "" && k.usable() || cfg.Kernel == k.name {
			if !k.usable() {
				return nil, fmt.Errorf("nn: kernel %q cannot run on this processor, want \"ref\" or none to choose", k.name)
			}
			return k.compile(net, cfg.threads())
		}
		known = append(known, k.name)
	}
	return nil, fmt.Errorf("nn: kernel %q is not known to device %q, want one of %s", cfg.Kernel, cpuName, strings.Join(known, ", "))
}
