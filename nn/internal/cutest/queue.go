//go:build linux && (amd64 || arm64)

package cutest

import "fmt"

var streams = map[string]any{
	"cuStreamCreate": func(s *uintptr, _ uintptr) uintptr {
		d := inUse.Load()
		dev, r := d.inContext("cuStreamCreate")
		defer d.mu.Unlock()
		if r == success {
			*s = d.add(&stream{device: dev})
		}
		return r
	},
	"cuStreamDestroy_v2": func(s uintptr) uintptr { return remove[*stream](inUse.Load(), "cuStreamDestroy_v2", s) },
	"cuStreamSynchronize": func(s uintptr) uintptr {
		return withStream("cuStreamSynchronize", s, func(_ *Driver, st *stream) uintptr {
			if st.capture != nil {
				return captureBroken
			}
			return st.done()
		})
	},
	"cuStreamBeginCapture_v2": func(s, _ uintptr) uintptr {
		return withStream("cuStreamBeginCapture_v2", s, func(_ *Driver, st *stream) uintptr {
			st.capture = new([]work)
			return success
		})
	},
	"cuStreamEndCapture": func(s uintptr, g *uintptr) uintptr {
		return withStream("cuStreamEndCapture", s, func(d *Driver, st *stream) uintptr {
			if st.capture == nil {
				return invalidValue
			}
			*g = d.add(&graph{st.device, *st.capture})
			st.capture = nil
			return success
		})
	},
}

var graphs = map[string]any{
	"cuGraphInstantiateWithFlags": func(e *uintptr, g, _ uintptr) uintptr {
		d := inUse.Load()
		_, r := d.inContext("cuGraphInstantiateWithFlags")
		defer d.mu.Unlock()
		if r != success {
			return r
		}
		captured, ok := handle[*graph](d, g)
		if !ok {
			return invalidHandle
		}
		*e = d.add(&executable{*captured})
		return success
	},
	"cuGraphDestroy":     func(g uintptr) uintptr { return remove[*graph](inUse.Load(), "cuGraphDestroy", g) },
	"cuGraphExecDestroy": func(g uintptr) uintptr { return remove[*executable](inUse.Load(), "cuGraphExecDestroy", g) },
	"cuGraphLaunch": func(g, s uintptr) uintptr {
		return withStream("cuGraphLaunch", s, func(d *Driver, st *stream) uintptr {
			e, ok := handle[*executable](d, g)
			if !ok || e.device != st.device {
				return invalidHandle
			}
			for _, w := range e.list {
				st.put(w)
			}
			return success
		})
	},
}

// withStream is a call about a stream.
func withStream(name string, s uintptr, f func(d *Driver, st *stream) uintptr) uintptr {
	d := inUse.Load()
	dev, r := d.inContext(name)
	defer d.mu.Unlock()
	if r != success {
		return r
	}
	st, ok := handle[*stream](d, s)
	if !ok || st.device != dev {
		return invalidHandle
	}
	return f(d, st)
}

// copies puts a copy between a GPU and the host's memory into a stream.
func (d *Driver) copies(name string, at uintptr, p *byte, n, s uintptr,
	do func(dev *device, gpu, host []byte)) uintptr {
	return withStream(name, s, func(d *Driver, st *stream) uintptr {
		host, ok := d.pinned(p, int(n))
		if !ok {
			return invalidValue // only memory that the driver gave out is copied by the GPU itself
		}
		st.put(func() uintptr {
			gpu, err := st.memory.Bytes(uint64(at), int(n))
			if err != nil {
				d.faults = append(d.faults, fmt.Errorf("%s: %w", name, err))
				return invalidValue
			}
			do(st.device, gpu, host)
			return success
		})
		return success
	})
}
