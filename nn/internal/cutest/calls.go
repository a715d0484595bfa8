//go:build linux && (amd64 || arm64)

package cutest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/c236555e/rehead/nn/internal/cu"
	"github.com/c236555e/rehead/nn/internal/ptx"
)

// inUse is the driver that the C functions lead to.
var inUse atomic.Pointer[Driver]

// Open makes d the driver in use until the test ends, when nothing may be left of what it gave out.
func Open(t testing.TB, d *Driver) (*cu.Driver, error) {
	t.Helper()
	if !inUse.CompareAndSwap(nil, d) {
		t.Fatal("another driver is in use")
	}
	t.Cleanup(func() {
		for _, l := range d.Leaks() {
			t.Errorf("never given back: %s", l)
		}
		inUse.Store(nil)
	})
	return cu.Load("libcuda.so.1", func(name string) (uintptr, error) {
		fn, ok := functions()[name]
		if !ok {
			return 0, fmt.Errorf("no %s", name)
		}
		return fn, nil
	})
}

// functions are the calls by name, as C functions. They are made once, as they can never be freed.
var functions = sync.OnceValue(func() map[string]uintptr {
	table := map[string]uintptr{}
	for _, group := range []map[string]any{finding, memories, modules, streams, graphs} {
		for name, f := range group {
			table[name] = purego.NewCallback(f)
		}
	}
	return table
})

var finding = map[string]any{
	"cuInit": func(uintptr) uintptr {
		d := inUse.Load()
		_, r := d.enter("cuInit")
		defer d.mu.Unlock()
		if r == success && d.GPUs == 0 {
			r = noDevice
		}
		return r
	},
	"cuDriverGetVersion": func(v *int32) uintptr {
		d := inUse.Load()
		_, r := d.enter("cuDriverGetVersion")
		defer d.mu.Unlock()
		if *v = int32(d.Version); *v == 0 {
			*v = 12040
		}
		return r
	},
	"cuGetErrorName":   func(r uintptr, p **byte) uintptr { return inUse.Load().word(r, 0, p) },
	"cuGetErrorString": func(r uintptr, p **byte) uintptr { return inUse.Load().word(r, 1, p) },
	"cuDeviceGetCount": func(n *int32) uintptr {
		d := inUse.Load()
		_, r := d.enter("cuDeviceGetCount")
		defer d.mu.Unlock()
		*n = int32(d.GPUs)
		return r
	},
	"cuDeviceGet": func(dev *int32, ordinal uintptr) uintptr {
		d := inUse.Load()
		_, r := d.enter("cuDeviceGet")
		defer d.mu.Unlock()
		if int(ordinal) >= d.GPUs {
			return invalidDevice
		}
		*dev = int32(ordinal) + 40
		return r
	},
	"cuDeviceGetName": func(p *[64]byte, _, dev uintptr) uintptr {
		d := inUse.Load()
		_, r := d.enter("cuDeviceGetName")
		defer d.mu.Unlock()
		copy(p[:], fmt.Sprintf("Stand-in %d\x00", dev-40))
		return r
	},
	"cuDeviceGetAttribute": func(v *int32, attribute, _ uintptr) uintptr {
		d := inUse.Load()
		_, r := d.enter("cuDeviceGetAttribute")
		defer d.mu.Unlock()
		*v = map[uintptr]int32{16: 4, 75: int32(d.Major), 76: 0}[attribute]
		if attribute == 75 && d.Major == 0 {
			*v = 8
		}
		return r
	},
	"cuDeviceTotalMem_v2": func(n *uint64, _ uintptr) uintptr {
		d := inUse.Load()
		_, r := d.enter("cuDeviceTotalMem_v2")
		defer d.mu.Unlock()
		*n = uint64(d.Memory)
		return r
	},
	"cuDevicePrimaryCtxRetain": func(c *uintptr, dev uintptr) uintptr {
		d := inUse.Load()
		_, r := d.enter("cuDevicePrimaryCtxRetain")
		defer d.mu.Unlock()
		if r == success {
			g := d.devices[dev-40]
			g.retained++
			*c = uintptr(g.ordinal) + 1
		}
		return r
	},
	"cuDevicePrimaryCtxRelease_v2": func(dev uintptr) uintptr {
		d := inUse.Load()
		_, r := d.enter("cuDevicePrimaryCtxRelease_v2")
		defer d.mu.Unlock()
		d.devices[dev-40].retained-- // even if the GPU is lost
		return r
	},
	"cuCtxSetCurrent": func(c uintptr) uintptr {
		d := inUse.Load()
		dev, r := d.enter("cuCtxSetCurrent")
		defer d.mu.Unlock()
		if r == success || dev != nil && r == dev.lost { // what a lost GPU had can be given back
			d.current[syscall.Gettid()] = d.devices[c-1]
			return success
		}
		return r
	},
}

var memories = map[string]any{
	"cuMemAlloc_v2": func(at *uint64, n uintptr) uintptr {
		d := inUse.Load()
		dev, r := d.inContext("cuMemAlloc_v2")
		defer d.mu.Unlock()
		switch {
		case r != success:
			return r
		case n == 0:
			return invalidValue
		case d.Memory > 0 && dev.used+int(n) > d.Memory:
			return OutOfMemory
		}
		*at = dev.memory.Alloc(int(n))
		dev.used += int(n)
		dev.sizes[*at] = int(n)
		return success
	},
	"cuMemFree_v2": func(at uintptr) uintptr {
		d := inUse.Load()
		dev, r := d.inContext("cuMemFree_v2")
		defer d.mu.Unlock()
		if dev == nil || dev.memory.Free(uint64(at)) != nil {
			return max(r, invalidValue)
		}
		if r == success && d.busy(dev) {
			d.faults = append(d.faults, fmt.Errorf("memory at %#x was freed while a stream had work to do", at))
		}
		dev.used -= dev.sizes[uint64(at)]
		return r
	},
	"cuMemAllocHost_v2": func(p **byte, n uintptr) uintptr {
		d := inUse.Load()
		_, r := d.inContext("cuMemAllocHost_v2")
		defer d.mu.Unlock()
		if r == success {
			b := make([]byte, n)
			poison(b)
			*p = unsafe.SliceData(b)
			d.host[uintptr(unsafe.Pointer(*p))] = b
		}
		return r
	},
	"cuMemFreeHost": func(p *byte) uintptr {
		d := inUse.Load()
		_, r := d.inContext("cuMemFreeHost")
		defer d.mu.Unlock()
		at := uintptr(unsafe.Pointer(p))
		b, ok := d.host[at]
		if !ok {
			return max(r, invalidValue)
		}
		poison(b)
		delete(d.host, at)
		return r
	},
	"cuMemcpyHtoDAsync_v2": func(to uintptr, from *byte, n, s uintptr) uintptr {
		return inUse.Load().copies("cuMemcpyHtoDAsync_v2", to, from, n, s, func(dev *device, gpu, host []byte) {
			dev.uploaded += copy(gpu, host)
		})
	},
	"cuMemcpyDtoHAsync_v2": func(to *byte, from, n, s uintptr) uintptr {
		return inUse.Load().copies("cuMemcpyDtoHAsync_v2", from, to, n, s,
			func(_ *device, gpu, host []byte) { copy(host, gpu) })
	},
}

var modules = map[string]any{
	"cuModuleLoadData": func(m *uintptr, p *byte) uintptr {
		d := inUse.Load()
		dev, r := d.inContext("cuModuleLoadData")
		defer d.mu.Unlock()
		if r != success {
			return r
		}
		source := text(p)
		if d.Edit != nil {
			source = d.Edit(source)
		}
		parsed, err := parse(source)
		if err != nil {
			d.faults = append(d.faults, err)
			return invalidPTX
		}
		*m = d.add(&module{dev, parsed})
		return success
	},
	"cuModuleUnload": func(m uintptr) uintptr { return remove[*module](inUse.Load(), "cuModuleUnload", m) },
	"cuModuleGetFunction": func(f *uintptr, m uintptr, name *byte) uintptr {
		d := inUse.Load()
		dev, r := d.inContext("cuModuleGetFunction")
		defer d.mu.Unlock()
		if r != success {
			return r
		}
		mod, ok := handle[*module](d, m)
		if !ok || mod.device != dev {
			return invalidHandle
		}
		k := mod.Kernels[text(name)]
		if k == nil {
			return notFound
		}
		*f = d.add(&function{dev, k})
		return success
	},
	"cuLaunchKernel": func(f, gx, gy, gz, bx, by, bz, _, s uintptr, params *[1]unsafe.Pointer, _ uintptr) uintptr {
		d := inUse.Load()
		dev, r := d.inContext("cuLaunchKernel")
		defer d.mu.Unlock()
		if r != success {
			return r
		}
		k, known := handle[*function](d, f)
		st, ok := handle[*stream](d, s)
		if !known || !ok || st.device != dev || k.device != dev {
			return invalidHandle
		}
		l := ptx.Launch{Grid: [3]int{int(gx), int(gy), int(gz)}, Block: [3]int{int(bx), int(by), int(bz)}}
		l.Params = append(l.Params, unsafe.Slice((*byte)(params[0]), k.Params)...)
		st.put(func() uintptr {
			dev.launched++
			if err := k.Run(&dev.memory, l); err != nil {
				d.faults = append(d.faults, err)
				return LaunchFailed
			}
			return success
		})
		return success
	},
}

// parse parses PTX, of each text once.
func parse(text string) (*ptx.Module, error) {
	if m, ok := texts.Load(text); ok {
		return m.(*ptx.Module), nil
	}
	m, err := ptx.Parse(text)
	if err == nil {
		texts.Store(text, m)
	}
	return m, err
}

var texts sync.Map

func poison(b []byte) {
	for i := range b {
		b[i] = 0xff
	}
}

// word hands out the name or the description of a result.
func (d *Driver) word(result uintptr, which int, p **byte) uintptr {
	d.mu.Lock()
	defer d.mu.Unlock()
	w, ok := words[uintptr(uint32(result))]
	if !ok {
		return invalidValue
	}
	b := append([]byte(w[which]), 0)
	d.errors = append(d.errors, b)
	*p = &b[0]
	return success
}

// remove frees what a handle stands for, even if the GPU is lost.
func remove[T any](d *Driver, name string, h uintptr) uintptr {
	_, r := d.inContext(name)
	defer d.mu.Unlock()
	v, ok := handle[T](d, h)
	if !ok {
		return max(r, invalidHandle)
	}
	if s, ok := any(v).(*stream); ok && len(s.queue) > 0 && r == success {
		d.faults = append(d.faults, fmt.Errorf("a stream was destroyed that had work to do"))
	}
	delete(d.handles, h)
	return r
}
