//go:build linux && (amd64 || arm64)

package cutest

import (
	"fmt"
	"slices"
	"sync"
	"syscall"
	"unsafe"

	"github.com/c236555e/rehead/nn/internal/ptx"
)

// Results, by the driver's numbers.
const (
	success       = 0
	invalidValue  = 1
	OutOfMemory   = 2
	Unavailable   = 46
	noDevice      = 100
	invalidDevice = 101
	noContext     = 201
	invalidPTX    = 218
	invalidHandle = 400
	notFound      = 500
	LaunchFailed  = 719
	captureBroken = 901
)

var words = map[uintptr][2]string{
	success: {"CUDA_SUCCESS", "no error"}, invalidValue: {"CUDA_ERROR_INVALID_VALUE", "invalid argument"},
	OutOfMemory:   {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
	Unavailable:   {"CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA-capable device(s) is/are busy or unavailable"},
	noDevice:      {"CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
	invalidDevice: {"CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
	noContext:     {"CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
	invalidPTX:    {"CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
	invalidHandle: {"CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
	notFound:      {"CUDA_ERROR_NOT_FOUND", "named symbol not found"},
	LaunchFailed:  {"CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
	captureBroken: {"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
}

// Driver is the state behind the calls. Its fields are set before it is used.
type Driver struct {
	Version int // 12040 where it is 0
	GPUs    int
	Memory  int // bytes of each GPU; 0: no end of it
	Major   int // of the compute capability; 8 where it is 0
	// Edit changes the PTX that is loaded.
	Edit func(ptx string) string

	mu      sync.Mutex
	failing map[string]*failure
	calls   map[string]int
	devices []*device
	current map[int]*device // by thread
	handles map[uintptr]any
	next    uintptr
	faults  []error
	errors  [][]byte           // texts handed out
	host    map[uintptr][]byte // by address
}

// failure is a call to fail.
type failure struct {
	after  int
	result uintptr
	lost   bool
}

// device is one GPU.
type device struct {
	ordinal  int
	memory   ptx.Memory
	used     int
	sizes    map[uint64]int
	retained int
	lost     uintptr // the result of every call from now on
	launched int     // kernels that ran
	uploaded int     // bytes that were copied there
}

type module struct {
	*device
	*ptx.Module
}

type function struct {
	*device
	*ptx.Kernel
}

type stream struct {
	*device
	queue   []work
	capture *[]work
}

type graph struct {
	*device
	list []work
}

// executable is a graph made ready.
type executable struct{ graph }

// work is something that a stream does when its turn comes.
type work func() uintptr

// Fail makes a call fail with a result, the first time after so many that it is made.
func (d *Driver) Fail(name string, after int, result uintptr) {
	d.fail(name, failure{after, result, false})
}

// Lose makes a call fail with a result, and with it all later ones on that GPU.
func (d *Driver) Lose(name string, after int, result uintptr) {
	d.fail(name, failure{after, result, true})
}

func (d *Driver) fail(name string, f failure) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failing == nil {
		d.failing = map[string]*failure{}
	}
	d.failing[name] = &f
}

// Calls returns how often a call was made.
func (d *Driver) Calls(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls[name]
}

// Launched is how many kernels ran on a GPU.
func (d *Driver) Launched(gpu int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.devices[gpu].launched
}

// Uploaded is how many bytes were copied to a GPU.
func (d *Driver) Uploaded(gpu int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.devices[gpu].uploaded
}

// Faults returns what kernels did wrong.
func (d *Driver) Faults() []error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.faults)
}

// Leaks lists what was not given back.
func (d *Driver) Leaks() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []string
	for _, dev := range d.devices {
		if n := dev.memory.Live(); n > 0 {
			list = append(list, fmt.Sprintf("GPU %d: %d allocations", dev.ordinal, n))
		}
		if dev.retained != 0 {
			list = append(list, fmt.Sprintf("GPU %d: retained %d times too often", dev.ordinal, dev.retained))
		}
	}
	if n := len(d.host); n > 0 {
		list = append(list, fmt.Sprintf("%d allocations of the host's memory", n))
	}
	for _, h := range d.handles {
		if _, ok := h.(*function); !ok { // goes with its module
			list = append(list, fmt.Sprintf("%T", h))
		}
	}
	return list
}

// enter begins a call: it counts it, finds the context's GPU, and says whether the call is to fail.
// The caller unlocks.
func (d *Driver) enter(name string) (dev *device, result uintptr) {
	d.mu.Lock()
	if d.calls == nil {
		d.calls, d.current, d.handles, d.host = map[string]int{}, map[int]*device{}, map[uintptr]any{}, map[uintptr][]byte{}
		for i := range d.GPUs {
			d.devices = append(d.devices, &device{
				ordinal: i, sizes: map[uint64]int{}, memory: ptx.Memory{First: uint64(i+1) << 40},
			})
		}
	}
	d.calls[name]++
	dev = d.current[syscall.Gettid()]
	if f := d.failing[name]; f != nil {
		if f.after--; f.after < 0 {
			delete(d.failing, name)
			if f.lost && dev != nil {
				dev.lost = f.result
			}
			return dev, f.result
		}
	}
	if dev != nil && dev.lost != success {
		return dev, dev.lost
	}
	return dev, success
}

// inContext is enter for calls that need a context.
func (d *Driver) inContext(name string) (*device, uintptr) {
	dev, r := d.enter(name)
	if r == success && (dev == nil || dev.retained == 0) {
		r = noContext
	}
	return dev, r
}

// add gives out a handle.
func (d *Driver) add(h any) uintptr {
	d.next += 16
	d.handles[0x10000+d.next] = h
	return 0x10000 + d.next
}

// handle finds what a handle of a kind stands for.
func handle[T any](d *Driver, h uintptr) (T, bool) {
	v, ok := d.handles[h].(T)
	return v, ok
}

// text reads C's.
func text(p *byte) string {
	var b []byte
	for q := unsafe.Pointer(p); *(*byte)(q) != 0; q = unsafe.Add(q, 1) {
		b = append(b, *(*byte)(q))
	}
	return string(b)
}

// pinned returns the n bytes of the host's memory at p that the driver gave out.
func (d *Driver) pinned(p *byte, n int) ([]byte, bool) {
	at := uintptr(unsafe.Pointer(p))
	for base, b := range d.host {
		if at >= base && at-base+uintptr(n) <= uintptr(len(b)) {
			return b[at-base:][:n], true
		}
	}
	return nil, false
}

// put puts work into a stream, or into the graph that it captures.
func (s *stream) put(w work) {
	if s.capture != nil {
		*s.capture = append(*s.capture, w)
		return
	}
	s.queue = append(s.queue, w)
}

// done does what is in a stream.
func (s *stream) done() uintptr {
	list := s.queue
	s.queue = nil
	for _, w := range list {
		if s.lost == success {
			s.lost = w()
		}
	}
	return s.lost
}

// busy reports whether any stream of the GPU has work to do.
func (d *Driver) busy(dev *device) bool {
	for _, h := range d.handles {
		if s, ok := h.(*stream); ok && s.device == dev && len(s.queue) > 0 {
			return true
		}
	}
	return false
}
