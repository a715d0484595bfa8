package nn

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/nn/internal/device"
)

// Devices lists the names that Config.Device accepts, "cpu" first.
func Devices() []string {
	names := []string{device.CPU}
	for _, d := range device.Registered() {
		names = append(names, d.Name())
	}
	return names
}

// Units describes what the registered devices find on this machine, such as
// "cuda:0 NVIDIA H200"; what is not there is left out without a word.
func Units() []string {
	var units []string
	for _, d := range device.Registered() {
		units = append(units, d.Units()...)
	}
	return units
}

// choice is a device and which of its units.
type choice struct {
	device.Device
	unit int
}

// String is what Config.Device would call the choice.
func (c choice) String() string {
	if c.Name() == device.CPU {
		return device.CPU
	}
	return fmt.Sprintf("%s:%d", c.Name(), c.unit)
}

// choose finds the device that cfg asks for. "" and "auto" take the first
// registered device that works on this machine and has the kernel asked for,
// else the CPU.
func choose(cfg Config) (choice, error) {
	list := device.Registered()
	auto := cfg.Device == "" || cfg.Device == device.Auto
	if cfg.precision() != Float32 {
		if !auto && cfg.Device != device.CPU {
			return choice{}, fmt.Errorf("nn: device %q does not compute with %s, want device cpu or precision float32",
				cfg.Device, cfg.Precision)
		}
		list = nil
	}
	if auto {
		for _, d := range list {
			if (cfg.Kernel == "" || slices.Contains(d.Kernels(), cfg.Kernel)) && d.Probe(0) == nil {
				return choice{d, 0}, nil
			}
		}
		return choice{cpu{}, 0}, nil
	}
	name, unit, err := parseDevice(cfg.Device)
	if err != nil {
		return choice{}, err
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

// parseDevice splits "cuda:1" into its name and its unit, 0 where none is named.
func parseDevice(s string) (name string, unit int, err error) {
	name, number, numbered := strings.Cut(s, ":")
	if numbered {
		if unit, err = strconv.Atoi(number); err != nil || unit < 0 || name == device.CPU {
			return "", 0, fmt.Errorf("nn: device %q: want cpu, or the name of another device and a number "+
				"from 0, such as cuda:1", s)
		}
	}
	return name, unit, nil
}
