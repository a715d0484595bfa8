//go:build amd64 || arm64

package cuda

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"golang.org/x/sync/semaphore"

	"github.com/c236555e/rehead/nn/cuda/internal/kernels"
	"github.com/c236555e/rehead/nn/internal/cu"
	"github.com/c236555e/rehead/nn/internal/device"
	"github.com/c236555e/rehead/nn/internal/ir"
)

// batches are the sizes that there are graphs for. A batch with images to spare computes what its
// memory holds, and hands it to nobody.
var batches = []int{1, 8, 32, 128}

// executor runs one network on one GPU. It is safe for concurrent use; runs take turns.
type executor struct {
	plan    *plan
	gpu     *cu.Context
	modules map[string]cu.Module
	kernels map[string]cu.Kernel // by module and name
	weights uint64
	batch   int // what Batch returns

	turn *semaphore.Weighted // of one

	// What follows belongs to the run that has the turn.
	places [2]map[int]*place // by size: two of each, so that one is filled while the other computes
	most   int               // the largest size that memory has room for
	failed error             // of a GPU that can be used no longer
}

// compile prepares net for the GPU of that ordinal.
func compile(driver *cu.Driver, net *ir.Net, ordinal int, cfg device.Config) (device.Executor, error) {
	info, err := driver.Info(ordinal)
	if err != nil {
		return nil, err
	}
	all := kernels.Precisions()
	precision := all[max(0, slices.IndexFunc(all, func(p kernels.Precision) bool { return p.Name == cfg.Kernel }))]
	p, err := newPlan(net, precision, info.SMs, cfg.Levels)
	if err != nil {
		return nil, err
	}
	e := &executor{plan: p, modules: map[string]cu.Module{}, kernels: map[string]cu.Kernel{}, turn: semaphore.NewWeighted(1),
		places: [2]map[int]*place{{}, {}}, most: p.most(), batch: min(32, p.most())}
	if e.most == 0 {
		return nil, errors.New("cuda: the network's tensors have 2^31 values or more; use --device cpu")
	}
	if e.gpu, err = driver.Retain(ordinal); err != nil {
		return nil, err
	}
	if err := e.gpu.Do(e.prepare); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// most is the largest batch whose tensors the kernels can count through.
func (p *plan) most() int {
	largest := p.input
	for _, v := range p.values {
		if v.buf != nil {
			largest = max(largest, v.area()*v.buf.lanes, len(v.lanes)*v.area())
		}
	}
	most := 0
	for _, n := range batches {
		if n <= math.MaxInt32/largest {
			most = n
		}
	}
	return most
}

// prepare loads the kernels, uploads the weights and makes room for single images.
func (e *executor) prepare() error {
	for _, name := range []string{device.Float32, e.plan.precision.Store, e.plan.precision.Name} {
		if _, ok := e.modules[name]; ok {
			continue
		}
		ptx, err := kernels.PTX(name)
		if err != nil {
			return err
		}
		if e.modules[name], err = e.gpu.LoadModule(ptx); err != nil {
			delete(e.modules, name)
			return err
		}
	}
	if err := e.upload(); err != nil {
		return err
	}
	_, err := e.place(1, 0)
	return err
}

// piece is how many bytes are pinned to copy what is copied once.
const piece = 4 << 20

// upload copies the constants, in pieces of what is pinned.
func (e *executor) upload() (err error) {
	if e.weights, err = e.gpu.Alloc(max(1, len(e.plan.constants))); err != nil {
		return fmt.Errorf("%w (the weights take %.1f MB)", err, float64(len(e.plan.constants))/1e6)
	}
	stream, err := e.gpu.NewStream()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.gpu.Destroy(stream)) }()
	pinned, err := e.gpu.AllocHost(piece)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.gpu.FreeHost(pinned)) }()
	for at := 0; at < len(e.plan.constants); at += piece {
		n := copy(pinned, e.plan.constants[at:])
		if err := e.gpu.Upload(stream, e.weights+uint64(at), pinned[:n]); err != nil {
			return err
		}
		if err := e.gpu.Synchronize(stream); err != nil {
			return err
		}
	}
	return nil
}

// kernel finds a kernel, once.
func (e *executor) kernel(module, name string) (k cu.Kernel, err error) {
	key := module + " " + name
	k, ok := e.kernels[key]
	if !ok {
		if k, err = e.gpu.Kernel(e.modules[module], name); err == nil {
			e.kernels[key] = k
		}
	}
	return k, err
}

// Kernel returns the precision's name.
func (e *executor) Kernel() string { return e.plan.precision.Name }

// Threads returns 1: what computes is the GPU.
func (*executor) Threads() int { return 1 }

// Batch returns the size of a batch that keeps a GPU busy and takes little of the host's memory.
func (e *executor) Batch() int { return e.batch }

// Run computes n images. It waits for its turn, and returns ctx's error at the latest when the batch
// under way is done.
func (e *executor) Run(ctx context.Context, n int, in []float32, out [][]float32) error {
	if err := e.turn.Acquire(ctx, 1); err != nil {
		return err
	}
	defer e.turn.Release(1)
	if e.failed != nil {
		return e.failed
	}
	r := run{executor: e, in: in, out: out}
	err := e.gpu.Do(func() error { return r.all(ctx, n) })
	var failure *cu.Error
	if errors.As(err, &failure) && !failure.OutOfMemory() {
		e.failed = err
	}
	return err
}

// Close gives back what the GPU has of this network.
func (e *executor) Close() error {
	err := errors.Join(e.gpu.Do(e.free), e.gpu.Release())
	var failure *cu.Error
	if e.failed != nil && errors.As(err, &failure) {
		return nil // of a lost GPU everything is gone, and Run has said so
	}
	return err
}

func (e *executor) free() (err error) {
	for _, places := range e.places {
		for _, p := range places {
			err = errors.Join(err, p.free(e.gpu))
		}
	}
	if e.weights != 0 {
		err = errors.Join(err, e.gpu.Free(e.weights))
	}
	for _, m := range e.modules {
		err = errors.Join(err, e.gpu.UnloadModule(m))
	}
	return err
}
