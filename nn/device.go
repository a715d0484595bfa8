package nn

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/c236555e/rehead/nn/internal/ir"
)

// A Device is something a [Program] can run on. "cpu" is built in; a package
// that drives another device calls [Register] when it is imported.
type Device interface {
	// Name is what Config.Device selects, such as "cuda".
	Name() string
	// Kernels lists what Config.Kernel may name, the default first.
	Kernels() []string
	// Probe returns nil when the unit of that number, from 0, can be used on
	// this machine, else why it cannot.
	Probe(unit int) error
	// Compile prepares net for a unit. Weights may be copied or kept; they
	// are read-only either way.
	Compile(net *ir.Net, unit int, cfg Config) (Executor, error)
}

// An Executor runs one compiled network on one device.
type Executor interface {
	// Run computes n images: in holds n times the input, out[i] n times the
	// i-th output, lengths already checked, or nil where that output is not
	// wanted. It is safe for concurrent use,
	// returns ctx.Err() soon after ctx ends, and an image's result depends
	// on nothing but that image.
	Run(ctx context.Context, n int, in []float32, out [][]float32) error
	// Kernel names the kernels chosen, such as "ref".
	Kernel() string
	// Threads is the number of threads a Run uses at most.
	Threads() int
	// Close releases everything; no Run is under way or follows.
	Close() error
}

// devices is the registry behind Register: written while packages are
// initialised, read afterwards.
var devices struct {
	sync.RWMutex
	list []Device
}

// Register makes a device known under its name. It panics when the name is
// empty, reserved ("auto", "cpu") or taken, as that is a programming error.
func Register(d Device) {
	devices.Lock()
	defer devices.Unlock()
	name := d.Name()
	if name == "" || name == "auto" || name == cpuName || strings.Contains(name, ":") {
		panic(fmt.Sprintf("nn: register device: the name %q is reserved", name))
	}
	if slices.ContainsFunc(devices.list, func(o Device) bool { return o.Name() == name }) {
		panic(fmt.Sprintf("nn: register device: %q is registered twice", name))
	}
	devices.list = append(devices.list, d)
}

// Devices lists the names that Config.Device accepts, "cpu" first.
func Devices() []string {
	devices.RLock()
	defer devices.RUnlock()
	names := []string{cpuName}
	for _, d := range devices.list {
		names = append(names, d.Name())
	}
	return names
}

// Units describes what the registered devices find on this machine, such as
// "cuda:0 NVIDIA H200"; what is not there is left out without a word.
func Units() []string {
	devices.RLock()
	list := slices.Clone(devices.list)
	devices.RUnlock()
	var units []string
	for _, d := range list {
		if l, ok := d.(interface{ Units() []string }); ok {
			units = append(units, l.Units()...)
		}
	}
	return units
}

// choice is a device and which of its units.
type choice struct {
	Device
	unit int
}

// String is what Config.Device would call the choice.
func (c choice) String() string {
	if c.Name() == cpuName {
		return cpuName
	}
	return fmt.Sprintf("%s:%d", c.Name(), c.unit)
}

// device finds the device that cfg asks for. "" and "auto" take the first
// registered device that works on this machine and has the kernel asked for,
// else the CPU.
func device(cfg Config) (choice, error) {
	devices.RLock()
	list := slices.Clone(devices.list)
	devices.RUnlock()
	if cfg.Precision == Int8 {
		if cfg.Device != "" && cfg.Device != "auto" && cfg.Device != cpuName {
			return choice{}, fmt.Errorf("nn: device %q does not compute with int8, want device cpu or precision float32",
				cfg.Device)
		}
		list = nil
	}
	if cfg.Device == "" || cfg.Device == "auto" {
		for _, d := range list {
			if (cfg.Kernel == "" || slices.Contains(d.Kernels(), cfg.Kernel)) && d.Probe(0) == nil {
				return choice{d, 0}, nil
			}
		}
		return choice{cpu{}, 0}, nil
	}
	name, number, numbered := strings.Cut(cfg.Device, ":")
	unit := 0
	if numbered {
		var err error
		if unit, err = strconv.Atoi(number); err != nil || unit < 0 || name == cpuName {
			return choice{}, fmt.Errorf("nn: device %q: want cpu, or the name of another device and a number "+
				"from 0, such as cuda:1", cfg.Device)
		}
	}
	for _, d := range append(list, cpu{}) {
		if d.Name() != name {
			continue
		}
		if err := d.Probe(unit); err != nil {
			return choice{}, fmt.Errorf("nn: device %q cannot be used here: %w", cfg.Device, err)
		}
		if cfg.Kernel != "" && !slices.Contains(d.Kernels(), cfg.Kernel) {
			return choice{}, fmt.Errorf("nn: device %q has no kernel %q, want one of %s", cfg.Device, cfg.Kernel,
				strings.Join(d.Kernels(), ", "))
		}
		return choice{d, unit}, nil
	}
	return choice{}, fmt.Errorf("nn: device %q is not known, want one of auto, %s", cfg.Device,
		strings.Join(Devices(), ", "))
}
