//go:build amd64 || arm64

package cuda

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/nn/cuda/internal/kernels"
	"github.com/c236555e/rehead/nn/internal/cu"
	"github.com/c236555e/rehead/nn/internal/device"
)

// chunkRows is how many examples are summed in float32 before their sums are added to others'. It is
// part of a result's last bits.
const chunkRows = 1024

// partials is how many bytes the chunks' gradients may take at once, and of how many of the GPU's they
// may take one; they take one chunk's at least.
const (
	partials      = 256 << 20
	partialsShare = 256
)

// regression is examples on a GPU, and room for what is made of them.
type regression struct {
	gpu     *cu.Context
	stream  cu.Stream
	module  cu.Module
	kernels map[string]cu.Kernel
	tile    kernels.Tile // of the logits
	pinned  []byte
	memory  []uint64
	e       device.Examples
	ldx     int // floats of an example, whole groups
	ldu     int // floats of its logits, and of what comes of them
	group   int // chunks whose gradients there is room for
	failed  error

	x, labels, weights, zeros  uint64 // [N,ldx], [N], [N], [ldu]
	w, bias, u, d              uint64 // [ldu,ldx], [ldu], [N,ldu], [N,ldu]
	columns, gradients, folded uint64
}

// regress copies examples to the GPU of that ordinal.
func regress(driver *cu.Driver, e device.Examples, ordinal int) (device.Regression, error) {
	info, err := driver.Info(ordinal)
	if err != nil {
		return nil, err
	}
	r := &regression{e: e, kernels: map[string]cu.Kernel{}, ldx: roundUp(e.Features, kernels.Lanes),
		ldu: roundUp(e.Classes+1, kernels.Lanes)}
	if max(e.N, r.chunks()*r.ldu, e.Classes*max(r.ldx, r.ldu)) > math.MaxInt32 {
		return nil, errors.New("cuda: examples, features and classes are more than 2^31; use the processor")
	}
	c := r.conv()
	r.tile = c.Choose(kernels.Precisions()[0], info.SMs)
	if r.gpu, err = driver.Retain(ordinal); err != nil {
		return nil, err
	}
	gradient := 4 * e.Classes * max(r.ldx, r.ldu)
	r.group = max(1, min(r.chunks(), partials/gradient, int(info.Memory/partialsShare)/gradient, 1<<16-1))
	if err := r.gpu.Do(func() error { return r.prepare(gradient / 4) }); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *regression) chunks() int { return (r.e.N + chunkRows - 1) / chunkRows }

// prepare makes room, for gradients of so many floats, and copies the examples.
func (r *regression) prepare(gradient int) (err error) {
	if r.stream, err = r.gpu.NewStream(); err != nil {
		return err
	}
	ptx, err := kernels.PTX(device.Float32)
	if err != nil {
		return err
	}
	if r.module, err = r.gpu.LoadModule(ptx); err != nil {
		return err
	}
	if r.pinned, err = r.gpu.AllocHost(roundUp(max(piece, r.ldx*4), r.ldx*4)); err != nil {
		return err
	}
	bytes := 0
	for _, m := range []struct {
		at     *uint64
		floats int
	}{
		{&r.x, r.e.N * r.ldx}, {&r.labels, r.e.N}, {&r.weights, r.e.N}, {&r.zeros, r.ldu}, {&r.w, r.ldu * r.ldx},
		{&r.bias, r.ldu}, {&r.u, r.e.N * r.ldu}, {&r.d, r.e.N * r.ldu}, {&r.columns, r.chunks() * 2 * r.ldu},
		{&r.gradients, r.group * gradient}, {&r.folded, 2 * gradient},
	} {
		bytes += 4 * m.floats
		if *m.at, err = r.gpu.Alloc(4 * m.floats); err != nil {
			return fmt.Errorf("%w (%d examples with %d features and %d classes take %.1f MB or more)", err, r.e.N,
				r.e.Features, r.e.Classes, float64(bytes)/1e6)
		}
		r.memory = append(r.memory, *m.at)
	}
	return r.fill()
}

// fill copies what never changes.
func (r *regression) fill() error {
	row := make([]float32, r.ldx)
	err := r.send(r.x, r.e.N, 4*r.ldx, func(i int, to []byte) {
		r.e.Row(i, row[:r.e.Features])
		safetensors.PutFloat32(to[:0], row)
	})
	if err != nil {
		return err
	}
	for at, value := range map[uint64]func(i int) uint32{
		r.labels:  func(i int) uint32 { return uint32(r.e.Labels[i]) },
		r.weights: func(i int) uint32 { return math.Float32bits(r.e.Weights[i]) },
	} {
		err := r.send(at, r.e.N, 4, func(i int, to []byte) { binary.LittleEndian.PutUint32(to, value(i)) })
		if err != nil {
			return err
		}
	}
	if err := r.send(r.zeros, r.ldu, 4, func(_ int, to []byte) { clear(to) }); err != nil {
		return err
	}
	// Lines of weights without a class stay zero.
	return r.send(r.w, r.ldu, 4*r.ldx, func(_ int, to []byte) { clear(to) })
}

// send copies rows of so many bytes to the GPU, as many at once as are pinned, and waits for them.
func (r *regression) send(to uint64, rows, width int, put func(i int, to []byte)) error {
	most := len(r.pinned) / width
	for first := 0; first < rows; first += most {
		n := min(most, rows-first)
		for i := range n {
			put(first+i, r.pinned[i*width:][:width])
		}
		if err := r.gpu.Upload(r.stream, to+uint64(first*width), r.pinned[:n*width]); err != nil {
			return err
		}
		if err := r.gpu.Synchronize(r.stream); err != nil {
			return err
		}
	}
	return nil
}

// receive copies n floats from the GPU, when all before is done, and hands them on in order.
func (r *regression) receive(from uint64, n int, take func(i int, v float64)) error {
	most := len(r.pinned) / 4
	for first := 0; first < n; first += most {
		some := r.pinned[:4*min(most, n-first)]
		if err := r.gpu.Download(r.stream, some, from+uint64(4*first)); err != nil {
			return err
		}
		if err := r.gpu.Synchronize(r.stream); err != nil {
			return err
		}
		for i := range len(some) / 4 {
			take(first+i, float64(math.Float32frombits(binary.LittleEndian.Uint32(some[4*i:]))))
		}
	}
	return nil
}

// launch puts a kernel into the stream.
func (r *regression) launch(l kernels.Launch) (err error) {
	k, ok := r.kernels[l.Kernel]
	if !ok {
		if k, err = r.gpu.Kernel(r.module, l.Kernel); err != nil {
			return err
		}
		r.kernels[l.Kernel] = k
	}
	return r.gpu.Launch(r.stream, k, l.Grid, l.Block, l.Params)
}

// do calls f with the GPU, unless ctx ended or the GPU failed.
func (r *regression) do(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.failed == nil {
		r.failed = r.gpu.Do(f)
	}
	return r.failed
}

// conv is the product of examples and weights.
func (r *regression) conv() kernels.Conv {
	return kernels.Conv{X: r.x, W: r.w, Bias: r.zeros, Y: r.u, N: int32(r.e.N), H: 1, Width: 1, C: int32(r.ldx), OH: 1,
		OW: 1, O: int32(r.ldu), KH: 1, KW: 1, SH: 1, SW: 1, LDX: int32(r.ldx), LDY: int32(r.ldu)}
}

// Logits is part of device.Regression.
func (r *regression) Logits(ctx context.Context, w []float32) error {
	return r.do(ctx, func() error {
		row := make([]float32, r.ldx)
		err := r.send(r.w, r.e.Classes, 4*r.ldx, func(i int, to []byte) {
			copy(row, w[i*r.e.Features:][:r.e.Features])
			safetensors.PutFloat32(to[:0], row)
		})
		if err != nil {
			return err
		}
		if err := r.launch(r.conv().Launch(r.tile)); err != nil {
			return err
		}
		return r.gpu.Synchronize(r.stream)
	})
}

// residual makes the logits what is to be summed.
func (r *regression) residual(b []float32, curvature bool) error {
	err := r.send(r.bias, len(b), 4, func(i int, to []byte) {
		binary.LittleEndian.PutUint32(to, math.Float32bits(b[i]))
	})
	if err != nil {
		return err
	}
	return r.launch(kernels.Residual{U: r.u, Bias: r.bias, Label: r.labels, Weight: r.weights, D: r.d, N: int32(r.e.N),
		K: int32(r.e.Classes), LD: int32(r.ldu), Curvature: number(curvature), On: float32(r.e.On), Off: float32(r.e.Off),
	}.Launch())
}

// sums adds up the columns of what residual left.
func (r *regression) sums(sums []float64) (loss float64, err error) {
	c := kernels.Columns{D: r.d, Y: r.columns, N: int32(r.e.N), LD: int32(r.ldu), Rows: chunkRows}
	if err := r.launch(c.Launch()); err != nil {
		return 0, err
	}
	clear(sums)
	err = r.receive(r.columns, r.chunks()*2*r.ldu, func(i int, v float64) {
		switch k := i % r.ldu; {
		case k < r.e.Classes:
			sums[k] += v
		case k == r.e.Classes:
			loss += v
		}
	})
	return loss, err
}

// gradient writes the product of the transpose of what residual left and x [N,ld] to to
// [Classes,width].
func (r *regression) gradient(x uint64, ld, width int, to []float64) error {
	one := r.e.Classes * ld
	for first := 0; first < r.chunks(); first += r.group {
		g := kernels.Gradient{D: r.d, X: x, Y: r.gradients, N: int32(r.e.N), K: int32(r.e.Classes), LDD: int32(r.ldu),
			LDX: int32(ld), Rows: chunkRows, First: int32(first)}
		n := min(r.group, r.chunks()-first)
		if err := r.launch(g.Launch(g.Choose(), n)); err != nil {
			return err
		}
		f := kernels.Fold{X: r.gradients, Y: r.folded, N: int32(one), Chunks: int32(n), First: number(first == 0)}
		if err := r.launch(f.Launch()); err != nil {
			return err
		}
	}
	clear(to)
	return r.receive(r.folded, 2*one, func(i int, v float64) {
		if i %= one; i%ld < width {
			to[i/ld*width+i%ld] += v
		}
	})
}

// Sums is part of device.Regression.
func (r *regression) Sums(ctx context.Context, b []float32, sums []float64) (loss float64, err error) {
	err = r.do(ctx, func() (err error) {
		if err := r.residual(b, false); err != nil {
			return err
		}
		loss, err = r.sums(sums)
		return err
	})
	return loss, err
}

// Products is part of device.Regression.
func (r *regression) Products(ctx context.Context, b []float32, cross []float64) error {
	return r.do(ctx, func() error {
		if err := r.residual(b, true); err != nil {
			return err
		}
		return r.gradient(r.d, r.ldu, r.e.Classes, cross)
	})
}

// Gradient is part of device.Regression.
func (r *regression) Gradient(ctx context.Context, b []float32, sums, grad []float64) (loss float64, err error) {
	err = r.do(ctx, func() (err error) {
		if err := r.residual(b, false); err != nil {
			return err
		}
		if loss, err = r.sums(sums); err != nil {
			return err
		}
		return r.gradient(r.x, r.ldx, r.e.Features, grad)
	})
	return loss, err
}

// Close is part of device.Regression.
func (r *regression) Close() error {
	err := errors.Join(r.gpu.Do(r.free), r.gpu.Release())
	var failure *cu.Error
	if r.failed != nil && errors.As(err, &failure) {
		return nil // of a lost GPU everything is gone, and the call that failed has said so
	}
	return err
}

func (r *regression) free() (err error) {
	if r.stream != 0 {
		err = errors.Join(r.gpu.Synchronize(r.stream), r.gpu.Destroy(r.stream))
	}
	for _, at := range r.memory {
		err = errors.Join(err, r.gpu.Free(at))
	}
	if r.pinned != nil {
		err = errors.Join(err, r.gpu.FreeHost(r.pinned))
	}
	if r.module != 0 {
		err = errors.Join(err, r.gpu.UnloadModule(r.module))
	}
	return err
}
