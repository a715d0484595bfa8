//go:build amd64 || arm64

package cuda

import (
	"errors"
	"fmt"

	"github.com/c236555e/rehead/nn/cuda/internal/kernels"
	"github.com/c236555e/rehead/nn/internal/cu"
)

// place is where a batch of one size is computed: memory of the GPU, pinned memory of the host, a
// stream, and the captured launches by which outputs are wanted.
type place struct {
	size    int
	memory  uint64
	batch   batch
	in, out []byte // pinned
	stream  cu.Stream
	ready   bool // stream was made
	graphs  map[string]cu.Graph

	// The images under way, of a run: how many, and the first of them.
	busy, first int
}

// place returns one of the two places of a size, which it makes when first asked for.
func (e *executor) place(size, which int) (*place, error) {
	if p := e.places[which][size]; p != nil {
		return p, nil
	}
	p := &place{size: size, graphs: map[string]cu.Graph{}}
	if err := p.allocate(e); err != nil {
		return nil, errors.Join(err, p.free(e.gpu))
	}
	e.places[which][size] = p
	return p, nil
}

func (p *place) allocate(e *executor) (err error) {
	floats := 0
	for _, o := range e.plan.outputs {
		floats += o.floats
	}
	arena := p.size * e.plan.arena
	in := roundUp(p.size*e.plan.input*4, imageAlignment)
	bytes := arena + in + p.size*floats*4
	if p.memory, err = e.gpu.Alloc(bytes); err != nil {
		return fmt.Errorf("%w (a batch of %d takes %.1f MB)", err, p.size, float64(bytes)/1e6)
	}
	p.batch = batch{n: p.size, arena: p.memory, constants: e.weights, in: p.memory + uint64(arena),
		out: p.memory + uint64(arena+in)}
	if p.in, err = e.gpu.AllocHost(p.size * e.plan.input * 4); err != nil {
		return err
	}
	if p.out, err = e.gpu.AllocHost(p.size * floats * 4); err != nil {
		return err
	}
	p.stream, err = e.gpu.NewStream()
	p.ready = err == nil
	return err
}

// free gives everything back.
func (p *place) free(gpu *cu.Context) (err error) {
	if p.ready {
		err = errors.Join(err, gpu.Synchronize(p.stream))
	}
	for _, g := range p.graphs {
		err = errors.Join(err, gpu.DestroyGraph(g))
	}
	if p.ready {
		err = errors.Join(err, gpu.Destroy(p.stream))
	}
	for _, b := range [][]byte{p.in, p.out} {
		if b != nil {
			err = errors.Join(err, gpu.FreeHost(b))
		}
	}
	if p.memory != 0 {
		err = errors.Join(err, gpu.Free(p.memory))
	}
	return err
}

// graph returns the launches that lead to the wanted outputs from what the input has, captured when first
// asked for.
func (p *place) graph(e *executor, wanted []bool) (cu.Graph, error) {
	key := fmt.Sprint(wanted, p.batch.bytes)
	if g, ok := p.graphs[key]; ok {
		return g, nil
	}
	list, err := p.launches(e, wanted)
	if err != nil {
		return 0, err
	}
	g, err := e.gpu.Capture(p.stream, func() error {
		for _, l := range list {
			if err := e.gpu.Launch(p.stream, l.kernel, l.Grid, l.Block, l.Params); err != nil {
				return fmt.Errorf("%s: %w", l.what, err)
			}
		}
		return nil
	})
	if err == nil {
		p.graphs[key] = g
	}
	return g, err
}

// launch is one with its kernel, which was found before anything is captured: finding it may load it.
type launch struct {
	what   string
	kernel cu.Kernel
	kernels.Launch
}

// launches lists those that lead to the wanted outputs.
func (p *place) launches(e *executor, wanted []bool) (list []launch, err error) {
	add := func(what, module string, l kernels.Launch) {
		k, failed := e.kernel(module, l.Kernel)
		if failed != nil && err == nil {
			err = fmt.Errorf("%s: %w", what, failed)
		}
		list = append(list, launch{what, k, l})
	}
	for _, t := range e.plan.needed(wanted) {
		if t.launch != nil {
			add(fmt.Sprintf("step %q", t.name), t.module, t.launch(p.batch))
		}
	}
	for i, o := range e.plan.outputs {
		if wanted[i] && o.value != e.plan.inputs {
			module, l := e.plan.pack(p.batch, i)
			add(fmt.Sprintf("output %d", i), module, l)
		}
	}
	return list, err
}
