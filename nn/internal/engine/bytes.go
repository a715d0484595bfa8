package engine

import (
	"fmt"
	"math"
	"slices"

	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/kernel"
)

// A network of bytes computes what a network of float32 does, with every value from the input to
// the global average held in 8 bits. The input may have either sign and has a zero of its own; all
// other values follow a ReLU, or a pool of such values, and are bytes times a step. A buffer has
// one step, so a concatenation and its parts share theirs. Weights have a step for each output.
// Sums are integers; a convolution's result is turned into bytes of the buffer that it is written
// to, with the bias added, by one multiplication and one addition of float32. All of it is the same
// on every set of kernels, byte for byte.

// quantize is a step of the engine's own: the network's input into bytes.
const quantize ir.Kind = 201

// byteNet says which numbers the bytes of a network stand for.
type byteNet struct {
	input kernel.Quantized
	step  map[*buffer]float32
}

// rewriteBytes returns the network's steps and values with a step that turns the
// input into bytes, or an error that names the first step that bytes cannot do.
func rewriteBytes(net *ir.Net) (steps []ir.Step, values []ir.Value, err error) {
	steps, values = slices.Clone(net.Steps), slices.Clone(net.Values)
	in := len(values)
	v := values[net.Input]
	values = append(values, ir.Value{Name: v.Name + " in bytes", Shape: v.Shape})
	if len(v.Shape) != 3 || v.Shape[0] > kernel.WordChannels {
		return nil, nil, fmt.Errorf("engine: int8: input %q: got shape %v, want pictures [C,H,W] of up to %d channels",
			v.Name, v.Shape, kernel.WordChannels)
	}
	vectors := map[int]bool{}
	for i := range steps {
		s := &steps[i]
		bad := func(what string) error {
			return fmt.Errorf("engine: int8: step %q: %s: compile it with float32", s.Name, what)
		}
		reads := slices.Contains(s.In, net.Input)
		switch {
		case slices.ContainsFunc(s.In, func(v int) bool { return vectors[v] }):
			return nil, nil, bad("got a step after the global average or the moments, want none")
		case s.Kind == ir.Conv && !s.ReLU:
			return nil, nil, bad("got a convolution without a ReLU right behind it, whose results may be below zero")
		case reads && s.Kind != ir.Conv:
			return nil, nil, bad("got a " + s.Kind.String() + " of the input, want a convolution")
		case s.Kind == ir.GlobalAvgPool || s.Kind == ir.Moments:
			vectors[s.Out] = true
		case !slices.Contains([]ir.Kind{ir.Conv, ir.MaxPool, ir.AvgPool, ir.Concat}, s.Kind):
			return nil, nil, bad("got a " + s.Kind.String() + ", want convolutions with ReLU, pools and concatenations")
		}
		if reads {
			s.In = []int{in}
		}
	}
	first := ir.Step{Kind: quantize, Name: values[in].Name, In: []int{net.Input}, Out: in}
	return slices.Insert(steps, 0, first), values, nil
}

// newByteNet gives every buffer its step.
func newByteNet(p *planner, ranges map[string]ir.Range) (*byteNet, error) {
	b := &byteNet{step: map[*buffer]float32{}}
	find := func(name string) (ir.Range, error) {
		r, ok := ranges[name]
		if !ok {
			return r, fmt.Errorf("engine: int8: no range for %q: calibrate this network", name)
		}
		if d := r.High - r.Low; !(d >= 0 && d <= math.MaxFloat32) {
			return r, fmt.Errorf("engine: int8: range of %q: got %v to %v, want finite numbers in order: calibrate again", name,
				r.Low, r.High)
		}
		return r, nil
	}
	r, err := find(p.values[p.net.Input].name)
	if err != nil {
		return nil, err
	}
	low, high := min(r.Low, 0), max(r.High, 0)
	b.input.Step = step(high - low)
	b.input.Zero = byte(math.RoundToEven(float64(-low / b.input.Step)))
	for _, s := range p.steps {
		buf := p.values[s.Out].buf
		if _, done := b.step[buf]; done || s.Kind == ir.GlobalAvgPool || s.Kind == ir.Moments {
			continue
		}
		switch {
		case s.Kind == quantize:
			buf.thin = true
			b.step[buf] = b.input.Step
		case s.Kind == ir.MaxPool && buf.name == p.values[s.Out].name:
			b.step[buf] = b.step[p.values[s.In[0]].buf] // exact
		default:
			r, err := find(buf.name)
			if err != nil {
				return nil, err
			}
			b.step[buf] = step(r.High)
		}
	}
	return b, nil
}

// step returns what one is worth where 255 stands for high.
func step(high float32) float32 {
	if s := high / 255; s > 0 {
		return s
	}
	return 1 // nothing but zeros
}

// byteStep adds the tasks of s, computed with bytes.
func (p *planner) byteStep(s ir.Step, t task) error {
	in, out := p.values[s.In[0]], p.values[s.Out]
	switch s.Kind {
	case ir.Conv:
		p.byteConv(s, t)
	case ir.MaxPool, ir.AvgPool:
		return p.bytePool(s, t)
	case ir.GlobalAvgPool:
		set, from, to := p.set, in.tensor(), out.tensor()
		scale := p.bytes.step[in.buf] / float32(in.h*in.w)
		t.divide("int8 mean", kernel.Blocks(from.C), in, func(im image, first, end int) {
			kernel.MeanBytes(set, im.arena, to, im.arena, from, first, end, scale)
		})
		p.add(p.level[s.Out], t)
	case ir.Moments:
		if err := p.moments(s, &t); err != nil {
			return err
		}
		p.add(p.level[s.Out], t)
	case ir.Concat:
		return p.byteCopies(s)
	case quantize:
		set, to, q, c, h := p.set, out.tensor(), p.bytes.input, in.c, in.h
		t.divide("int8 quantize", h, in, func(im image, first, end int) {
			kernel.Quantize(set, im.arena, to, im.in, c, first, end, q)
		})
		p.add(p.level[s.Out], t)
		if to.Halo != (kernel.Border{}) {
			p.add(p.level[s.Out], task{
				name: s.Name, algorithm: "int8 halo", parts: 1, cost: float64(to.Plane) / 64,
				run: func(im image, _ int, _ []float32) { kernel.FillThinHalo(im.arena, to, q) },
			})
		}
	}
	return nil
}

// bytePool adds a pool.
func (p *planner) bytePool(s ir.Step, t task) error {
	in, out := p.values[s.In[0]], p.values[s.Out]
	w := s.Window
	c, err := kernel.NewBytePool(p.set, p.poolSpec(s, w), p.bytes.step[in.buf]/p.bytes.step[out.buf])
	if err != nil {
		return fmt.Errorf("engine: step %q: %w", s.Name, err)
	}
	t.shape = shape(in, out, w)
	t.kernel(c, float64(w.KH*w.KW*out.c*out.h*out.w)/32, false)
	p.add(p.level[s.Out], t)
	return nil
}

// byteCopies adds a task for each part of a concatenation that is not in place.
func (p *planner) byteCopies(s ir.Step) error {
	for _, c := range p.copies {
		if c.to != s.Out {
			continue
		}
		from, to := p.values[c.from], p.values[c.to]
		pool, err := kernel.NewBytePool(p.set, kernel.PoolSpec{
			In: from.tensor(), Out: to.buf.tensor.Slice(to.block+c.block, from.words()), KH: 1, KW: 1, StrideH: 1, StrideW: 1,
		}, p.bytes.step[from.buf]/p.bytes.step[to.buf])
		if err != nil {
			return fmt.Errorf("engine: step %q: %w", s.Name, err)
		}
		t := task{name: s.Name, only: p.sole[s.Out]}
		t.kernel(pool, float64(from.c*from.h*from.w)/32, false)
		t.algorithm = "int8 copy"
		p.add(p.level[s.Out], t)
	}
	return nil
}

// byteConv adds convolutions.
func (p *planner) byteConv(s ir.Step, t task) {
	all := p.together(s)
	if len(all) == 0 {
		return
	}
	in, w := p.values[s.In[0]], s.Window
	for _, s := range all {
		outs := p.values[s.Out].c
		p.packed += kernel.Lines(kernel.Lines(outs) * w.KH * w.KW * in.span() / kernel.WordChannels)
	}
	p.later(all, t, w, func(t *task) error {
		var specs []kernel.ByteSpec
		for _, s := range all {
			specs = append(specs, p.byteSpec(s))
		}
		c, err := kernel.NewByteConv(p.set, specs[0], specs[1:]...)
		if err != nil {
			return fmt.Errorf("engine: step %q: %w", s.Name, err)
		}
		t.kernel(c, t.flop/512, false)
		return nil
	})
}

// byteSpec describes a convolution and quantizes its weights.
func (p *planner) byteSpec(s ir.Step) kernel.ByteSpec {
	in, out, w := p.values[s.In[0]], p.values[s.Out], s.Window
	from, to, outs := p.bytes.step[in.buf], p.bytes.step[out.buf], out.c
	filter := spread(s.W, outs, in, w.KH*w.KW)
	each := len(filter) / outs
	spec := kernel.ByteSpec{
		In: in.tensor(), Out: out.tensor(), KH: w.KH, KW: w.KW, StrideH: w.StrideH, StrideW: w.StrideW,
		PadTop: w.Top, PadLeft: w.Left, Thin: in.buf.thin, Channels: in.span(), Alloc: p.slab.Alloc, Threads: p.threads,
		Filter: make([]int8, len(filter)), Scale: make([]float32, outs), Shift: make([]float32, outs),
	}
	zero := 0.0
	if in.buf.thin {
		zero = float64(p.bytes.input.Zero)
	}
	for o := range outs {
		row := spec.Filter[o*each:][:each]
		step := QuantizeFilter(row, filter[o*each:][:each], w.KH*w.KW)
		sum := 0
		for _, q := range row {
			sum += int(q)
		}
		scale := step * float64(from) / float64(to)
		spec.Scale[o] = float32(scale)
		spec.Shift[o] = float32(float64(s.B[o])/float64(to) - zero*float64(sum)*scale)
	}
	return spec
}

// QuantizeFilter turns the weights of one output, [I,area], into steps of the size
// that it returns: as small as 8 bits and the kernels' bound on pairs of
// neighbouring channels allow. Few pairs come near that bound, so it costs less
// than the bit that halving all weights would.
func QuantizeFilter(q []int8, w []float32, area int) float64 {
	const most = 127
	unit := 0.0
	for i, v := range w {
		unit = max(unit, math.Abs(float64(v))/most)
		if i/area%2 == 0 && i+area < len(w) {
			unit = max(unit, math.Abs(float64(v)+float64(w[i+area]))/kernel.PairLimit)
		}
	}
	if unit == 0 {
		return 1
	}
	for i, v := range w {
		q[i] = int8(math.RoundToEven(float64(v) / unit))
	}
	for i := range q { // both of a pair may have been rounded away from zero
		if i/area%2 == 0 && i+area < len(q) {
			a, b := &q[i], &q[i+area]
			for int(*a)+int(*b) > kernel.PairLimit {
				*shrink(a, b)--
			}
			for int(*a)+int(*b) < -kernel.PairLimit {
				*shrink(a, b)++
			}
		}
	}
	return unit
}

// shrink returns the one of two numbers of one sign that is farther from zero.
func shrink(a, b *int8) *int8 {
	if max(*a, -*a) > max(*b, -*b) {
		return a
	}
	return b
}
