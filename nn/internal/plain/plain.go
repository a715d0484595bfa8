// Package plain runs compiled networks on the CPU in plain Go: convolutions by
// package gemm, everything else by the reference in package ref. It is what
// every machine can run, and what faster executors are compared with.
//
// Layout: NCHW, one image at a time in an arena planned ahead; the work of each
// step is spread over a fixed pool. An Executor is read-only and may be used by
// many goroutines; each call borrows a workspace, of which there are as many
// as threads, so that memory stays bounded and a steady state allocates nothing.
package plain

import (
	"context"
	"fmt"

	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/nn/internal/gemm"
	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/ref"
)

// Executor is one compiled network.
type Executor struct {
	net    *ir.Net
	layout *layout
	convs  []*gemm.Conv // for each step, nil where it is no convolution
	pool   *par.Pool
	free   chan *workspace
}

// workspace is what one call needs.
type workspace struct {
	x       []float32 // the image under way
	arena   []float32
	scratch [][]float32 // for each worker
	job     par.Job
	steps   []work
}

// work is one step, ready to run in one workspace.
type work struct {
	tasks int
	f     func(worker, task int)
}

// New compiles net for the given number of threads, at least 1.
func New(net *ir.Net, threads int) *Executor {
	e := &Executor{net: slim(net), layout: place(net), convs: make([]*gemm.Conv, len(net.Steps))}
	for s := range net.Steps {
		if step := &net.Steps[s]; step.Kind == ir.Conv {
			e.convs[s] = gemm.NewConv(step, net.Values[step.In[0]].Shape, threads)
		}
	}
	e.pool = par.NewPool(threads)
	e.free = make(chan *workspace, threads)
	for range threads {
		e.free <- nil // made when first needed
	}
	return e
}

// slim returns net without the convolutions' weights, which live on packed.
func slim(net *ir.Net) *ir.Net {
	c := *net
	c.Steps = make([]ir.Step, len(net.Steps))
	copy(c.Steps, net.Steps)
	for s := range c.Steps {
		if c.Steps[s].Kind == ir.Conv {
			c.Steps[s].W = nil
		}
	}
	return &c
}

// Kernel returns "ref".
func (e *Executor) Kernel() string { return "ref" }

// Threads returns the number of goroutines that work on one call at most.
func (e *Executor) Threads() int { return e.pool.Threads() }

// Close stops the pool. No Run may be under way or follow.
func (e *Executor) Close() error {
	e.pool.Close()
	return nil
}

// Run computes n images one after the other; see nn.Executor.
func (e *Executor) Run(ctx context.Context, n int, in []float32, out [][]float32) error {
	var ws *workspace
	select {
	case ws = <-e.free:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() {
		ws.x = nil
		e.free <- ws
	}()
	if ws == nil {
		ws = e.workspace()
	}
	size := len(in) / n
	for i := range n {
		ws.x = in[i*size : (i+1)*size]
		for s := range ws.steps {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := e.pool.Run(&ws.job, ws.steps[s].tasks, ws.steps[s].f); err != nil {
				return fmt.Errorf("%v %q: %w", e.net.Steps[s].Kind, e.net.Steps[s].Name, err)
			}
		}
		for o, v := range e.net.Outputs {
			if out[o] == nil { // not wanted
				continue
			}
			value := e.value(ws, v)
			copy(out[o][i*len(value):], value)
		}
	}
	return ctx.Err()
}

// value returns where v lives.
func (e *Executor) value(ws *workspace, v int) []float32 {
	if v == e.net.Input {
		return ws.x
	}
	return ws.arena[e.layout.offset[v]:][:e.net.Values[v].Size()]
}

func (e *Executor) workspace() *workspace {
	ws := &workspace{arena: make([]float32, e.layout.arena), scratch: make([][]float32, e.pool.Threads())}
	for i := range ws.scratch {
		ws.scratch[i] = make([]float32, gemm.Scratch)
	}
	for s := range e.net.Steps {
		ws.steps = append(ws.steps, e.work(ws, s))
	}
	return ws
}

// image returns a value's shape as the reference spells it.
func (e *Executor) image(v int) ref.Image {
	s := e.net.Values[v].Shape
	return ref.Image{N: 1, C: s[0], H: s[1], W: s[2]}
}

// work binds step s to a workspace. The functions live as long as the
// workspace, so that running them allocates nothing.
func (e *Executor) work(ws *workspace, s int) work {
	step := &e.net.Steps[s]
	arg := func() []float32 { return e.value(ws, step.In[0]) }
	dst := e.value(ws, step.Out)
	switch step.Kind {
	case ir.Conv:
		conv := e.convs[s]
		return work{conv.Tasks(), func(worker, task int) { conv.Task(task, dst, arg(), ws.scratch[worker]) }}
	case ir.Affine:
		return e.channels(ws, step, func(dst, x []float32, s ref.Image, c int) {
			ref.Affine(dst, x, s, step.W[c:], step.B[c:])
			if step.ReLU {
				ref.ReLU(dst, dst)
			}
		})
	case ir.ReLU:
		return e.channels(ws, step, func(dst, x []float32, _ ref.Image, _ int) { ref.ReLU(dst, x) })
	case ir.MaxPool:
		return e.channels(ws, step, func(dst, x []float32, s ref.Image, _ int) { ref.MaxPool(dst, x, s, step.Window) })
	case ir.AvgPool:
		p := ref.Pool{Window: step.Window, CountBorder: step.CountBorder}
		return e.channels(ws, step, func(dst, x []float32, s ref.Image, _ int) { ref.AvgPool(dst, x, s, p) })
	case ir.GlobalAvgPool:
		return e.channels(ws, step, func(dst, x []float32, s ref.Image, _ int) { ref.GlobalAvgPool(dst, x, s) })
	case ir.Concat:
		return e.concat(ws, s, dst)
	case ir.Dense:
		return e.dense(ws, step, dst)
	default: // ir.Softmax; New's caller checked the kinds
		return work{1, func(_, _ int) { ref.Softmax(dst, arg(), len(dst)) }}
	}
}

// channels cuts a step that treats each channel alone into groups of them.
func (e *Executor) channels(ws *workspace, step *ir.Step, f func(dst, x []float32, s ref.Image, c int)) work {
	s := e.image(step.In[0])
	size, dst := s.H*s.W, e.value(ws, step.Out)
	out := len(dst) / s.C
	group := max(1, s.C/(8*e.pool.Threads()))
	return work{(s.C + group - 1) / group, func(_, task int) {
		c := task * group
		part := s
		part.C = min(group, s.C-c)
		x := e.value(ws, step.In[0])
		f(dst[c*out:(c+part.C)*out], x[c*size:(c+part.C)*size], part, c)
	}}
}

func (e *Executor) concat(ws *workspace, s int, dst []float32) work {
	step, copies := &e.net.Steps[s], e.layout.copies[s]
	starts := make([]int, len(step.In))
	at := 0
	for i, v := range step.In {
		starts[i] = at
		at += e.net.Values[v].Size()
	}
	return work{len(copies), func(_, task int) {
		i := copies[task]
		copy(dst[starts[i]:], e.value(ws, step.In[i]))
	}}
}

func (e *Executor) dense(ws *workspace, step *ir.Step, dst []float32) work {
	const group = 16
	f := len(step.W) / len(step.B)
	return work{(len(dst) + group - 1) / group, func(_, task int) {
		k0, k1 := task*group, min((task+1)*group, len(dst))
		ref.Dense(dst[k0:k1], e.value(ws, step.In[0]), 1, ref.Layer[float32]{W: step.W[k0*f:], B: step.B[k0:k1], F: f})
	}}
}
