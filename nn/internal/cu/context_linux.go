//go:build amd64 || arm64

package cu

import (
	"errors"
	"runtime"
	"unsafe"
)

// Context is a GPU in use by this process: its primary context, which all users in the process
// share. Its calls are made within [Context.Do], by one goroutine at a time for each [Stream].
type Context struct {
	d      *Driver
	device uintptr
	handle uintptr
}

// Retain takes the GPU of that ordinal into use.
func (d *Driver) Retain(ordinal int) (*Context, error) {
	device, err := d.device(ordinal)
	if err != nil {
		return nil, err
	}
	c := &Context{d: d, device: device}
	return c, d.call(cuDevicePrimaryCtxRetain, uintptr(unsafe.Pointer(&c.handle)), device)
}

// Release ends the use. What was allocated must be freed before.
func (c *Context) Release() error { return c.d.call(cuDevicePrimaryCtxRelease, c.device) }

// Do runs f on a thread that the context is current on.
func (c *Context) Do(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.d.call(cuCtxSetCurrent, c.handle); err != nil {
		return err
	}
	return f()
}

// Module is kernels made ready for the context's GPU.
type Module uintptr

// Kernel is one of them.
type Kernel uintptr

// LoadModule compiles PTX.
func (c *Context) LoadModule(ptx []byte) (Module, error) {
	text := append(ptx[:len(ptx):len(ptx)], 0)
	var m uintptr
	err := c.d.call(cuModuleLoadData, uintptr(unsafe.Pointer(&m)), uintptr(unsafe.Pointer(&text[0])))
	return Module(m), err
}

// UnloadModule frees it.
func (c *Context) UnloadModule(m Module) error { return c.d.call(cuModuleUnload, uintptr(m)) }

// Kernel finds a kernel by its name.
func (c *Context) Kernel(m Module, name string) (Kernel, error) {
	text := append([]byte(name), 0)
	var k uintptr
	err := c.d.call(cuModuleGetFunction, uintptr(unsafe.Pointer(&k)), uintptr(m), uintptr(unsafe.Pointer(&text[0])))
	return Kernel(k), err
}

// Alloc allocates memory of the GPU; Free frees it.
func (c *Context) Alloc(bytes int) (at uint64, err error) {
	err = c.d.call(cuMemAlloc, uintptr(unsafe.Pointer(&at)), uintptr(bytes))
	return at, err
}

// Free frees memory of the GPU.
func (c *Context) Free(at uint64) error { return c.d.call(cuMemFree, uintptr(at)) }

// AllocHost allocates memory of this machine that a GPU can copy from and to by itself.
func (c *Context) AllocHost(bytes int) ([]byte, error) {
	var p *byte
	if err := c.d.call(cuMemAllocHost, uintptr(unsafe.Pointer(&p)), uintptr(bytes)); err != nil {
		return nil, err
	}
	return unsafe.Slice(p, bytes), nil
}

// FreeHost frees it.
func (c *Context) FreeHost(b []byte) error {
	return c.d.call(cuMemFreeHost, uintptr(unsafe.Pointer(unsafe.SliceData(b))))
}

// Stream is a queue of the GPU: what is put into it is done in order, some time later.
type Stream uintptr

// NewStream makes one that waits for no other.
func (c *Context) NewStream() (Stream, error) {
	const nonBlocking = 1
	var s uintptr
	err := c.d.call(cuStreamCreate, uintptr(unsafe.Pointer(&s)), nonBlocking)
	return Stream(s), err
}

// Destroy frees it, when it is done.
func (c *Context) Destroy(s Stream) error { return c.d.call(cuStreamDestroy, uintptr(s)) }

// Synchronize waits until the stream is done, and returns what went wrong in it.
func (c *Context) Synchronize(s Stream) error { return c.d.call(cuStreamSynchronize, uintptr(s)) }

// Upload copies from memory of [Context.AllocHost], which stays as it is until then, when its turn comes.
func (c *Context) Upload(s Stream, to uint64, from []byte) error {
	return c.d.call(cuMemcpyHtoDAsync, uintptr(to), uintptr(unsafe.Pointer(unsafe.SliceData(from))), uintptr(len(from)),
		uintptr(s))
}

// Download copies to memory of [Context.AllocHost] when its turn comes.
func (c *Context) Download(s Stream, to []byte, from uint64) error {
	return c.d.call(cuMemcpyDtoHAsync, uintptr(unsafe.Pointer(unsafe.SliceData(to))), uintptr(from), uintptr(len(to)),
		uintptr(s))
}

// Launch puts a kernel into a stream: a grid of blocks, and the struct that is its one parameter.
func (c *Context) Launch(s Stream, k Kernel, grid [2]int, block int, params []byte) error {
	list := [1]unsafe.Pointer{unsafe.Pointer(unsafe.SliceData(params))}
	err := c.d.call(cuLaunchKernel, uintptr(k), uintptr(grid[0]), uintptr(grid[1]), 1, uintptr(block), 1, 1, 0, uintptr(s),
		uintptr(unsafe.Pointer(&list)), 0)
	runtime.KeepAlive(params)
	return err
}

// Graph is launches that were captured, to be put into a stream at once.
type Graph uintptr

// Capture makes a graph of what f puts into the stream, which is not done meanwhile.
func (c *Context) Capture(s Stream, f func() error) (Graph, error) {
	const thisThread = 1
	if err := c.d.call(cuStreamBeginCapture, uintptr(s), thisThread); err != nil {
		return 0, err
	}
	failed := f()
	var captured, ready uintptr
	err := c.d.call(cuStreamEndCapture, uintptr(s), uintptr(unsafe.Pointer(&captured)))
	if failed == nil {
		failed = err
	}
	if captured == 0 {
		return 0, failed
	}
	if failed == nil {
		failed = c.d.call(cuGraphInstantiateWithFlags, uintptr(unsafe.Pointer(&ready)), captured, 0)
	}
	if err := c.d.call(cuGraphDestroy, captured); failed == nil {
		failed = err
	}
	if failed != nil && ready != 0 {
		return 0, errors.Join(failed, c.DestroyGraph(Graph(ready)))
	}
	return Graph(ready), failed
}

// Run puts a graph into a stream.
func (c *Context) Run(s Stream, g Graph) error {
	return c.d.call(cuGraphLaunch, uintptr(g), uintptr(s))
}

// DestroyGraph frees it.
func (c *Context) DestroyGraph(g Graph) error { return c.d.call(cuGraphExecDestroy, uintptr(g)) }
