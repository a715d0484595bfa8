//go:build amd64 || arm64

package cu

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// least is the oldest driver that will do, as cuDriverGetVersion tells it:
// CUDA 11.4 is the first whose graphs are made as they still are today.
const least = 11040

// A Driver is libcuda, opened and initialised. It is never closed: the library
// keeps threads of its own.
type Driver struct {
	fn      [calls]uintptr
	version int
}

// Open opens the first of the libraries that there is, checks that it has all
// that this package calls, and initialises it.
func Open(libraries ...string) (*Driver, error) {
	var missing []error
	for _, path := range libraries {
		lib, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
		if err != nil {
			missing = append(missing, err)
			continue
		}
		return Load(path, func(name string) (uintptr, error) { return purego.Dlsym(lib, name) })
	}
	return nil, fmt.Errorf("cuda: no NVIDIA driver was found: %w; install one, or use --device cpu",
		errors.Join(missing...))
}

// Load looks up the calls of the library of that path, C functions, and initialises the driver.
func Load(path string, lookup func(name string) (uintptr, error)) (*Driver, error) {
	d := &Driver{}
	for c := range d.fn {
		fn, err := lookup(names[c])
		if err != nil {
			return nil, fmt.Errorf("cuda: %s has no %s: the driver is too old, want CUDA %d.%d or later; update the NVIDIA "+
				"driver, or use --device cpu",
				path, names[c], least/1000, least%1000/10)
		}
		d.fn[c] = fn
	}
	if err := d.call(cuInit, 0); err != nil {
		return nil, err
	}
	var version int32
	if err := d.call(cuDriverGetVersion, uintptr(unsafe.Pointer(&version))); err != nil {
		return nil, err
	}
	if version < least {
		return nil, fmt.Errorf("cuda: the driver is too old: got CUDA %d.%d, want %d.%d or later; update the NVIDIA "+
			"driver, or use --device cpu",
			version/1000, version%1000/10, least/1000, least%1000/10)
	}
	d.version = int(version)
	return d, nil
}

// Version is the newest CUDA that the driver knows, such as "12.4".
func (d *Driver) Version() string { return fmt.Sprintf("%d.%d", d.version/1000, d.version%1000/10) }

// call calls the driver and checks the result.
//
//go:uintptrescapes
func (d *Driver) call(c call, args ...uintptr) error {
	r, _, _ := purego.SyscallN(d.fn[c], args...)
	if Result(r) == success {
		return nil
	}
	return &Error{Call: names[c], Result: Result(r), Name: d.word(cuGetErrorName, r), Text: d.word(cuGetErrorString, r)}
}

// word asks the driver for its name or its description of a result.
func (d *Driver) word(c call, result uintptr) string {
	var text *byte
	r, _, _ := purego.SyscallN(d.fn[c], result, uintptr(unsafe.Pointer(&text)))
	if Result(r) != success || text == nil {
		return "an error that the driver has no word for"
	}
	var b strings.Builder
	for p := unsafe.Pointer(text); *(*byte)(p) != 0; p = unsafe.Add(p, 1) {
		b.WriteByte(*(*byte)(p))
	}
	return b.String()
}

// Attributes of a device, by CUDA's numbers.
const (
	attributeSMs   = 16
	attributeMajor = 75
	attributeMinor = 76
)

// Count returns the number of GPUs.
func (d *Driver) Count() (int, error) {
	var n int32
	if err := d.call(cuDeviceGetCount, uintptr(unsafe.Pointer(&n))); err != nil {
		return 0, err
	}
	return int(n), nil
}

// Info describes the GPU of that ordinal, from 0.
func (d *Driver) Info(ordinal int) (Info, error) {
	info := Info{Ordinal: ordinal}
	count, err := d.Count()
	if err != nil {
		return info, err
	}
	if count == 0 {
		return info, fmt.Errorf("cuda: the driver finds no GPU%s", (&Error{Result: noDevice}).fix())
	}
	if ordinal < 0 || ordinal >= count {
		return info, fmt.Errorf("cuda: GPU %d: this machine has %d, want 0 to %d", ordinal, count, count-1)
	}
	device, err := d.device(ordinal)
	if err != nil {
		return info, err
	}
	var name [256]byte
	if err := d.call(cuDeviceGetName, uintptr(unsafe.Pointer(&name)), uintptr(len(name)), device); err != nil {
		return info, err
	}
	info.Name, _, _ = strings.Cut(string(name[:]), "\x00")
	for _, a := range []struct {
		attribute uintptr
		to        *int
	}{{attributeMajor, &info.Major}, {attributeMinor, &info.Minor}, {attributeSMs, &info.SMs}} {
		var v int32
		if err := d.call(cuDeviceGetAttribute, uintptr(unsafe.Pointer(&v)), a.attribute, device); err != nil {
			return info, err
		}
		*a.to = int(v)
	}
	return info, d.call(cuDeviceTotalMem, uintptr(unsafe.Pointer(&info.Memory)), device)
}

func (d *Driver) device(ordinal int) (uintptr, error) {
	var device int32
	err := d.call(cuDeviceGet, uintptr(unsafe.Pointer(&device)), uintptr(ordinal))
	return uintptr(device), err
}
