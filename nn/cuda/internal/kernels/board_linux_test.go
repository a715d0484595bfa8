//go:build amd64 || arm64

package kernels

import (
	"bytes"
	"flag"
	"testing"

	"github.com/c236555e/rehead/nn/internal/cu"
	"github.com/c236555e/rehead/nn/internal/cutest"
)

var real = flag.Bool("gpu", false, "run the kernels on this machine's GPU, not in the interpreter")

func newBoard(t testing.TB) board {
	t.Helper()
	if !*real {
		return &interpreted{TB: t}
	}
	driver, err := cu.Open("libcuda.so.1")
	if err != nil {
		t.Fatal(err)
	}
	return newDriven(t, driver)
}

// driven is the first GPU of a driver.
type driven struct {
	testing.TB
	gpu     *cu.Context
	stream  cu.Stream
	modules map[string]cu.Module
	memory  []uint64
}

func newDriven(t testing.TB, driver *cu.Driver) *driven {
	t.Helper()
	gpu, err := driver.Retain(0)
	if err != nil {
		t.Fatal(err)
	}
	b := &driven{TB: t, gpu: gpu, modules: map[string]cu.Module{}}
	b.do(func() (err error) { b.stream, err = gpu.NewStream(); return err })
	t.Cleanup(func() {
		b.do(func() error { return gpu.Destroy(b.stream) })
		for _, m := range b.modules {
			b.do(func() error { return gpu.UnloadModule(m) })
		}
		for _, at := range b.memory {
			b.do(func() error { return gpu.Free(at) })
		}
		if err := gpu.Release(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// do calls the driver and ends the test if that fails.
func (b *driven) do(f func() error) {
	b.Helper()
	if err := b.gpu.Do(f); err != nil {
		b.Fatal(err)
	}
}

func (b *driven) alloc(n int) (at uint64) {
	b.Helper()
	b.do(func() (err error) { at, err = b.gpu.Alloc(n); return err })
	b.memory = append(b.memory, at)
	b.write(at, bytes.Repeat([]byte{0xff}, n))
	return at
}

func (b *driven) write(at uint64, data []byte) {
	b.Helper()
	b.pinned(len(data), func(p []byte) error {
		copy(p, data)
		if err := b.gpu.Upload(b.stream, at, p); err != nil {
			return err
		}
		return b.gpu.Synchronize(b.stream)
	})
}

func (b *driven) read(at uint64, n int) []byte {
	b.Helper()
	data := make([]byte, n)
	b.pinned(n, func(p []byte) error {
		if err := b.gpu.Download(b.stream, p, at); err != nil {
			return err
		}
		err := b.gpu.Synchronize(b.stream)
		copy(data, p)
		return err
	})
	return data
}

// pinned calls f with n bytes that the GPU can copy from and to.
func (b *driven) pinned(n int, f func(p []byte) error) {
	b.Helper()
	b.do(func() error {
		p, err := b.gpu.AllocHost(n)
		if err != nil {
			return err
		}
		if err := f(p); err != nil {
			return err
		}
		return b.gpu.FreeHost(p)
	})
}

func (b *driven) launch(precision string, l Launch) error {
	return b.gpu.Do(func() error {
		if _, ok := b.modules[precision]; !ok {
			text, err := PTX(precision)
			if err != nil {
				return err
			}
			if b.modules[precision], err = b.gpu.LoadModule(text); err != nil {
				return err
			}
		}
		k, err := b.gpu.Kernel(b.modules[precision], l.Kernel)
		if err != nil {
			return err
		}
		if err := b.gpu.Launch(b.stream, k, l.Grid, l.Block, l.Params); err != nil {
			return err
		}
		return b.gpu.Synchronize(b.stream)
	})
}

// TestDriven runs kernels by the calls that -gpu makes, on a driver that interprets.
func TestDriven(t *testing.T) {
	for _, p := range Precisions() {
		t.Run(p.Name, func(t *testing.T) {
			driver, err := cutest.Open(t, &cutest.Driver{GPUs: 1})
			if err != nil {
				t.Fatal(err)
			}
			g := newGPU(t, p)
			g.board = newDriven(t, driver)
			if err := find(g); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSameBits holds a GPU to the interpreter, bit for bit where sums are fused multiply-adds of
// float32. Tensor cores round sums in a way of their own: of those it says how far they are apart.
func TestSameBits(t *testing.T) {
	if !*real {
		t.Skip("compares a GPU with the interpreter: run it with -gpu")
	}
	for _, p := range Precisions() {
		t.Run(p.Name, func(t *testing.T) {
			interpreter := newGPU(t, p)
			interpreter.board = &interpreted{TB: t}
			var results [2][]float32
			for i, g := range []*gpu{interpreter, newGPU(t, p)} {
				for _, s := range straddling {
					c := g.newConv(s)
					g.run(c.Launch(g.Tiles()[0]))
					y, err := c.result(g)
					if err != nil {
						t.Fatal(err)
					}
					results[i] = append(results[i], y...)
				}
			}
			differ, worst := 0, float32(0)
			for i, v := range results[0] {
				if d := results[1][i] - v; d != 0 {
					differ, worst = differ+1, max(worst, d, -d)
				}
			}
			t.Logf("%d of %d values differ, by %g at most", differ, len(results[0]), worst)
			if p.Name == "float32" && differ > 0 {
				t.Error("want the same bits")
			}
		})
	}
}
