package cuda

import (
	"fmt"

	"github.com/c236555e/rehead/nn/cuda/internal/kernels"
	"github.com/c236555e/rehead/nn/internal/ir"
)

// unpack adds the task that turns the caller's numbers into lanes.
func (p *plan) unpack() {
	v := p.values[p.inputs]
	var all []float32
	for _, l := range p.levels {
		all = append(all, l[:]...)
	}
	table := p.constant(float32s(all))
	p.tasks = append(p.tasks, task{"input", p.module(v), nil, p.inputs, func(b batch) kernels.Launch {
		if b.bytes {
			return kernels.Levels{X: b.in, Of: b.constants + uint64(table), Y: p.at(b, v), N: int32(b.n), C: int32(v.c),
				Area: int32(v.area()), LDY: int32(v.buf.lanes)}.Launch()
		}
		return kernels.Unpack{X: b.in, Y: p.at(b, v), N: int32(b.n), C: int32(v.c), Area: int32(v.area()),
			LDY: int32(v.buf.lanes)}.Launch()
	}})
}

// step adds the tasks of s.
func (p *plan) step(s ir.Step, copies []copyStep) error {
	in, out := p.values[s.In[0]], p.values[s.Out]
	t := task{name: s.Name, module: p.module(in), reads: s.In, writes: s.Out}
	switch s.Kind {
	case ir.Conv, ir.Dense:
		return p.conv(s, t)
	case ir.Affine, ir.ReLU:
		t.launch = p.affine(s)
	case ir.MaxPool, ir.AvgPool:
		t.launch = p.pool(s)
	case ir.GlobalAvgPool, ir.Moments:
		t.launch = func(b batch) kernels.Launch {
			return kernels.Mean{X: p.at(b, in), Y: p.at(b, out), N: int32(b.n), H: int32(in.h), Width: int32(in.w),
				C: int32(in.span()), LDX: int32(in.buf.lanes), LDY: int32(out.buf.lanes), Moments: number(s.Kind == ir.Moments),
			}.Launch()
		}
	case ir.Softmax:
		t.launch = p.softmax(in, out)
	case ir.Concat:
		p.concat(s, copies)
		return nil
	default:
		return fmt.Errorf("got a %v, which GPUs do not compute; use --device cpu", s.Kind)
	}
	p.tasks = append(p.tasks, t)
	return nil
}

// number is a flag as kernels read it.
func number(flag bool) int32 {
	if flag {
		return 1
	}
	return 0
}

// conv adds a convolution, or a dense layer, which is one of vectors of float32.
func (p *plan) conv(s ir.Step, t task) error {
	in, out := p.values[s.In[0]], p.values[s.Out]
	precision, win := p.precision, s.Window
	if s.Kind == ir.Dense {
		precision, win = kernels.Precisions()[0], ir.Window{KH: 1, KW: 1, StrideH: 1, StrideW: 1}
	}
	filter := spread(s.W, win.KH*win.KW, in.lanes, in.span())
	data, err := precision.Append(make([]byte, 0, len(filter)*precision.Size), filter...)
	if err != nil {
		return fmt.Errorf("its weights do not fit: %w: use kernel bfloat16 or float32", err)
	}
	data = append(data, make([]byte, len(data)/out.c*(out.span()-out.c))...) // lanes without a channel
	c := kernels.Conv{
		H: int32(in.h), Width: int32(in.w), C: int32(in.span()), OH: int32(out.h), OW: int32(out.w), O: int32(out.span()),
		KH: int32(win.KH), KW: int32(win.KW), SH: int32(win.StrideH), SW: int32(win.StrideW), Top: int32(win.Top),
		Left: int32(win.Left), LDX: int32(in.buf.lanes), LDY: int32(out.buf.lanes), ReLU: number(s.ReLU),
	}
	weights, bias := uint64(p.constant(data)), uint64(p.floats(s.B, out.lanes, out.span()))
	t.module = precision.Name
	t.launch = func(b batch) kernels.Launch {
		c := c
		c.N, c.X, c.Y, c.W, c.Bias = int32(b.n), p.at(b, in), p.at(b, out), b.constants+weights, b.constants+bias
		return c.Launch(c.Choose(precision, p.processor))
	}
	p.tasks = append(p.tasks, t)
	return nil
}

// affine prepares a scale and shift, or a ReLU, that no convolution took into its epilogue.
func (p *plan) affine(s ir.Step) func(b batch) kernels.Launch {
	in, out := p.values[s.In[0]], p.values[s.Out]
	relu := number(s.ReLU || s.Kind == ir.ReLU)
	scale, shift := -1, -1
	if s.Kind == ir.Affine {
		scale, shift = p.floats(s.W, in.lanes, in.span()), p.floats(s.B, in.lanes, in.span())
	}
	return func(b batch) kernels.Launch {
		a := p.copies(b, in, out, out.first)
		a.ReLU = relu
		if scale >= 0 {
			a.Scale, a.Shift = b.constants+uint64(scale), b.constants+uint64(shift)
		}
		return a.Launch()
	}
}

// copies is a copy of a value to the lanes of to's buffer that begin with first.
func (p *plan) copies(b batch, from, to *value, first int) kernels.Affine {
	return kernels.Affine{
		X: p.at(b, from), Y: p.at(b, to) + uint64((first-to.first)*to.buf.element), Pixels: int32(b.n * from.area()),
		C: int32(from.span()), LDX: int32(from.buf.lanes), LDY: int32(to.buf.lanes),
	}
}

// pool prepares a max or an average pool.
func (p *plan) pool(s ir.Step) func(b batch) kernels.Launch {
	in, out, w := p.values[s.In[0]], p.values[s.Out], s.Window
	return func(b batch) kernels.Launch {
		pool := kernels.Pool{
			X: p.at(b, in), Y: p.at(b, out), N: int32(b.n), H: int32(in.h), Width: int32(in.w), C: int32(in.span()),
			OH: int32(out.h), OW: int32(out.w), KH: int32(w.KH), KW: int32(w.KW), SH: int32(w.StrideH), SW: int32(w.StrideW),
			Top: int32(w.Top), Left: int32(w.Left), LDX: int32(in.buf.lanes), LDY: int32(out.buf.lanes),
			Border: number(s.CountBorder),
		}
		if s.Kind == ir.MaxPool {
			return pool.Max()
		}
		return pool.Average()
	}
}

// softmax prepares the softmax of a vector.
func (p *plan) softmax(in, out *value) func(b batch) kernels.Launch {
	used := make([]int, in.span())
	for _, l := range in.lanes {
		used[l] = 1
	}
	at := p.table(used)
	return func(b batch) kernels.Launch {
		return kernels.Softmax{X: p.at(b, in), Used: b.constants + uint64(at), Y: p.at(b, out), N: int32(b.n),
			C: int32(in.span()), LDX: int32(in.buf.lanes), LDY: int32(out.buf.lanes)}.Launch()
	}
}

// concat adds a task for each part that is not written in place, and one without a launch that
// stands for those that are.
func (p *plan) concat(s ir.Step, copies []copyStep) {
	to := p.values[s.Out]
	for _, c := range copies {
		if c.to != s.Out {
			continue
		}
		from := p.values[c.from]
		p.tasks = append(p.tasks, task{s.Name, p.module(from), []int{c.from}, s.Out, func(b batch) kernels.Launch {
			return p.copies(b, from, to, c.first).Launch()
		}})
	}
	p.tasks = append(p.tasks, task{name: s.Name, reads: s.In, writes: s.Out})
}
