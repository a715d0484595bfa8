package nn

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/c236555e/rehead/nn/internal/ir"
)

// A Device is something a [Program] can run on. "cpu" is built in; a package
// that drives another device calls [Register] when it is imported.
type Device interface {
	// Name is what Config.Device selects, such as "cuda".
	Name() string
	// Probe returns nil when the device can be used on this machine, else
	// why it cannot.
	Probe() error
	// Compile prepares net. Weights may be copied or kept; they are
	// read-only either way.
	Compile(net *ir.Net, cfg Config) (Executor, error)
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
	if name == "" || name == "auto" || name == cpuName {
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

// device finds the device that cfg asks for. "" and "auto" take the first
// registered device that works on this machine, else the CPU.
func device(name string) (Device, error) {
	devices.RLock()
	list := slices.Clone(devices.list)
	devices.RUnlock()
	if name == "" || name == "auto" {
		for _, d := range list {
			if d.Probe() == nil {
				return d, nil
			}
		}
		return cpu{}, nil
	}
	for _, d := range append(list, cpu{}) {
		if d.Name() != name {
			continue
		}
		if err := d.Probe(); err != nil {
			return nil, fmt.Errorf("nn: device %q cannot be used here: %w", name, err)
		}
		return d, nil
	}
	return nil, fmt.Errorf("nn: device %q is not known, want one of auto, %s", name, strings.Join(Devices(), ", "))
}
