package nn

import (
	"errors"
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

// PassedOver describes what "auto" would find on this machine, but passes over, as its kernels are not
// yet measured on hardware.
func PassedOver() []string {
	var units []string
	for _, d := range device.Registered() {
		if device.IsUnmeasured(d) && d.Probe(0) == nil {
			units = append(units, d.Units()...)
		}
	}
	return units
}

// ErrDeviceName is found by errors.Is in errors about a Config.Device that names no device of this
// build, whatever the machine.
var ErrDeviceName = errors.New("nn: no device has that name")

// nameError is an error that is ErrDeviceName, in words of its own.
type nameError struct{ error }

func (nameError) Is(target error) bool { return target == ErrDeviceName }

func badName(format string, args ...any) error { return nameError{fmt.Errorf(format, args...)} }

// Probe says why the device that c names cannot be used on this machine, or has not the kernel or the
// precision: what Compile would say, before there is anything to compile. "auto" always can.
func (c Config) Probe() error {
	if err := c.Validate(); err != nil || c.Device == "" || c.Device == device.Auto {
		return err
	}
	_, err := chooseAll(c)
	return err
}

// choice is a device and which of its units.
type choice struct {
	device.Device
	unit int
}

// String is what Config.Device would call the choice.
func (c choice) String() string {
	if device.OnProcessor(c.Device) {
		return c.Name()
	}
	return fmt.Sprintf("%s:%d", c.Name(), c.unit)
}

// chooseAll finds the devices that cfg asks for: one, or several units of one.
func chooseAll(cfg Config) ([]choice, error) {
	list, err := units(cfg.Device)
	if err != nil {
		return nil, err
	}
	var all []choice
	for _, name := range list {
		if len(list) == 1 {
			break
		}
		d, unit, err := named(name)
		if err != nil {
			return nil, err
		}
		all = append(all, choice{d[0], unit})
	}
	if err := distinct(all); err != nil { // of the names, before any of them is asked
		return nil, err
	}
	all = nil
	for _, name := range list {
		cfg.Device = name
		c, err := choose(cfg)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, distinct(all)
}

// distinct refuses what is not several units of one device.
func distinct(all []choice) error {
	for i, c := range all {
		for _, before := range all[:i] {
			if c.Name() != before.Name() || c.unit == before.unit {
				return badName("nn: devices %s and %s: want several numbers of one device, such as cuda:0,cuda:1", before, c)
			}
		}
	}
	return nil
}

// all stands for every unit of a device, as in "cuda:all".
const all = ":all"

// units are the names of the single units that a name stands for.
func units(name string) ([]string, error) {
	family, every := strings.CutSuffix(name, all)
	if !every {
		return strings.Split(name, ","), nil
	}
	list, _, err := named(family)
	if err != nil {
		return nil, err
	}
	c, ok := list[0].(device.Counter)
	if !ok || len(list) > 1 {
		return nil, badName("nn: device %q: %s does not say how many units it has: name them, as in cuda:0,cuda:1", name,
			family)
	}
	n, err := c.Count()
	if err != nil {
		return nil, fmt.Errorf("nn: device %q cannot be used here: %w", name, err)
	}
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("%s:%d", family, i))
	}
	return names, nil
}

// choose finds the device of a single unit's name. "" and "auto" take the first registered device that
// works on this machine, has the kernel asked for and was measured on hardware, else the CPU; a name that
// several devices begin with, the first of these.
func choose(cfg Config) (choice, error) {
	auto := cfg.Device == "" || cfg.Device == device.Auto
	if cfg.precision() != Float32 && !auto && cfg.Device != device.CPU {
		return choice{}, fmt.Errorf("nn: device %q does not compute with %s, want device cpu or precision float32",
			cfg.Device, cfg.Precision)
	}
	if auto {
		for _, d := range device.Registered() {
			if cfg.precision() == Float32 && !device.OnProcessor(d) && !device.IsUnmeasured(d) && hasKernel(d, cfg.Kernel) &&
				d.Probe(0) == nil {
				return choice{d, 0}, nil
			}
		}
		return choice{cpu{}, 0}, nil
	}
	list, unit, err := named(cfg.Device)
	if err != nil {
		return choice{}, err
	}
	return pick(cfg, unit, list)
}

// pick takes the first of the devices that works and has the kernel that cfg asks for.
func pick(cfg Config, unit int, list []device.Device) (choice, error) {
	var failed, last error
	for _, d := range list {
		err := usable(d, unit, cfg)
		switch {
		case err == nil:
			return choice{d, unit}, nil
		case failed == nil:
			failed = fmt.Errorf("nn: device %q %w", cfg.Device, err)
		case err.Error() != last.Error(): // what they have in common is said once
			failed = fmt.Errorf("%w; %s %w", failed, d.Name(), err)
		}
		last = err
	}
	return choice{}, failed
}

// usable says why a unit of d is not what cfg asks for, as the end of a sentence about it.
func usable(d device.Device, unit int, cfg Config) error {
	if unit > 0 && device.OnProcessor(d) {
		return fmt.Errorf("is this machine's processor, which has no number: want %s", d.Name())
	}
	if err := d.Probe(unit); err != nil {
		return fmt.Errorf("cannot be used here: %w", err)
	}
	if !hasKernel(d, cfg.Kernel) {
		return fmt.Errorf("has no kernel %q, want one of %s", cfg.Kernel, strings.Join(d.Kernels(), ", "))
	}
	return nil
}

func hasKernel(d device.Device, kernel string) bool {
	return kernel == "" || slices.Contains(d.Kernels(), kernel)
}

// elsewhere are devices that a program has only where it registers them, as rehead does when it is
// built with that tag.
var elsewhere = map[string]string{"cuda": "gpu", "onnxruntime": "gpu"}

// named lists the devices that a name stands for, and which of their units; of several units, of the
// first.
func named(s string) (list []device.Device, unit int, err error) {
	s, _, _ = strings.Cut(strings.TrimSuffix(s, all), ",")
	name, unit, err := parseDevice(s)
	if err != nil {
		return nil, 0, err
	}
	for _, d := range append([]device.Device{cpu{}}, device.Registered()...) {
		if family, _, _ := strings.Cut(d.Name(), ":"); d.Name() == name || family == name {
			list = append(list, d)
		}
	}
	if len(list) > 0 {
		return list, unit, nil
	}
	family, _, _ := strings.Cut(name, ":")
	if tag, ok := elsewhere[family]; ok && !slices.ContainsFunc(Devices(), func(s string) bool {
		return strings.HasPrefix(s, family)
	}) {
		return nil, 0, badName("nn: device %q is not part of this build: build rehead with \"go build -tags %s "+
			"./cmd/rehead\", or use one of auto, %s", s, tag, strings.Join(Devices(), ", "))
	}
	return nil, 0, badName("nn: device %q is not known, want one of auto, %s", s, strings.Join(Devices(), ", "))
}

// checkDevice says what is wrong with a name of a device or of several of its units.
func checkDevice(s string) error {
	list := strings.Split(strings.TrimSuffix(s, all), ",")
	for _, name := range list {
		if name == "" && len(list) > 1 {
			return badName("nn: device %q: want names with commas between, such as cuda:0,cuda:1", s)
		}
		if _, _, err := parseDevice(name); err != nil {
			return err
		}
	}
	return nil
}

// parseDevice splits "cuda:1" or "onnxruntime:cuda:1" into its name and its unit, 0 where none is
// numbered.
func parseDevice(s string) (name string, unit int, err error) {
	name = s
	last := strings.LastIndexByte(s, ':')
	if last < 0 {
		return name, 0, nil
	}
	number := s[last+1:]
	if number != "" && strings.Trim(number, "abcdefghijklmnopqrstuvwxyz") == "" && strings.Count(s, ":") == 1 &&
		s[:last] != device.CPU {
		return name, 0, nil // two words
	}
	if unit, err = strconv.Atoi(number); err != nil || unit < 0 || s[:last] == device.CPU {
		return "", 0, badName("nn: device %q: want cpu, or the name of another device and a number "+
			"from 0, such as cuda:1", s)
	}
	return s[:last], unit, nil
}
