package engine

import (
	"fmt"

	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/kernel"
)

// step adds the tasks of s.
func (p *planner) step(s ir.Step) error {
	out := p.values[s.Out]
	t := task{name: s.Name, parts: 1, cost: float64(out.c * out.h * out.w), only: p.sole[s.Out]}
	t.shape = fmt.Sprintf("%dx%dx%d", out.c, out.h, out.w)
	if p.bytes != nil {
		return p.byteStep(s, t)
	}
	var err error
	switch s.Kind {
	case ir.Conv, ir.Dense:
		p.conv(s, t)
		return nil
	case ir.MaxPool, ir.AvgPool, ir.GlobalAvgPool:
		if s.Kind == ir.GlobalAvgPool && p.format == pairs {
			p.meanPairs(s, &t)
			break
		}
		err = p.pool(s, &t)
	case ir.Concat:
		p.copyParts(s)
		return nil
	case ir.Moments:
		err = p.moments(s, &t)
	case ir.Affine, ir.ReLU:
		p.elementwise(s, &t)
	case ir.Softmax:
		p.softmax(s, &t)
	case ir.Activation:
		err = p.activation(s, &t)
	case ir.Add:
		p.sum(s, &t)
	case ir.Flatten:
		p.flatten(s, &t)
	case unpack:
		p.unpackStep(out, &t)
	case round:
		p.round(s, &t)
	default:
		err = fmt.Errorf("engine: step %q: unknown kind %v", s.Name, s.Kind)
	}
	if err != nil {
		return err
	}
	p.add(p.level[s.Out], t)
	return nil
}

// spec describes the convolution or dense layer s, without its weights.
func (p *planner) spec(s ir.Step) wanted {
	in, out := p.values[s.In[0]], p.values[s.Out]
	window := s.Window
	if s.Kind == ir.Dense {
		window = ir.Window{KH: 1, KW: 1, StrideH: 1, StrideW: 1}
	}
	spec := kernel.Spec{
		Out: kernel.Tensor{C: out.words(), H: out.h, W: out.w},
		In:  kernel.Tensor{C: in.words(), H: in.h, W: in.w}, Pairs: p.format == pairs && out.per > 1,
		KH: window.KH, KW: window.KW, StrideH: window.StrideH, StrideW: window.StrideW, PadTop: window.Top,
		PadLeft: window.Left, Bias: s.B, ReLU: s.ReLU, Alloc: p.slab.Alloc,
		Floats: p.format == pairs && out.per > 1 && in.per == 1 && s.In[0] != p.net.Input,
	}
	if out.buf.allocated {
		spec.Out = out.tensor()
	}
	switch {
	case s.In[0] == p.net.Input:
		spec.Planar = true
		spec.In.C, spec.In.Row, spec.In.Plane = in.c, in.w, in.h*in.w
	case in.buf.allocated:
		spec.In = in.tensor()
	}
	w := wanted{Spec: spec, ins: in.span(), outs: out.span(), lean: p.lean}
	if p.format != floats { // the same choice in both layouts of bfloat16, as rounding shows differences
		w.ins, w.outs, w.alike = in.c, out.c, true
	}
	return w
}

// fast reports whether s will be computed by an algorithm that minds the border
// itself and needs no halo.
func (p *planner) fast(s ir.Step) bool {
	if p.bytes != nil {
		return false
	}
	spec := p.spec(s)
	_, ok := tiling(p.set, &spec)
	return ok
}

// together lists the convolutions that are computed in s's place, none where that is another's: all that read
// the same pixels one by one, if the kernels take them together, or else s.
func (p *planner) together(s ir.Step) (all []ir.Step) {
	single := func(s ir.Step) bool {
		w := s.Window
		return s.Kind == ir.Conv && w == ir.Window{KH: 1, KW: 1, StrideH: 1, StrideW: 1}
	}
	if !single(s) || s.In[0] == p.net.Input || !p.joins(s) {
		return []ir.Step{s}
	}
	for _, other := range p.steps {
		if single(other) && other.In[0] == s.In[0] && p.sole[other.Out] == p.sole[s.Out] && p.joins(other) {
			all = append(all, other)
		}
	}
	if all[0].Out != s.Out {
		return nil
	}
	return all
}

// joins reports whether the kernels compute a convolution together with others.
func (p *planner) joins(s ir.Step) bool {
	if p.bytes != nil {
		in := p.values[s.In[0]]
		return (&kernel.ByteSpec{Thin: in.buf.thin}).Together(p.set)
	}
	w := p.spec(s)
	return w.Together(p.set) || w.apart(p.set)
}

// conv prepares a convolution or a dense layer, which is one of a single pixel.
func (p *planner) conv(s ir.Step, t task) {
	all := p.together(s)
	if len(all) == 0 {
		return
	}
	in := p.values[s.In[0]]
	spec := p.spec(s)
	tile, fast := tiling(p.set, &spec)
	if !fast {
		tile = kernel.Tiling{}
	}
	narrow := p.format != floats && s.Kind == ir.Conv
	direct := narrow && !fast && !spec.Planar // of weights that bfloat16 holds
	spec.Rounded = direct && p.format == rounded && p.set.Rounds()
	for _, s := range all {
		one := p.spec(s)
		p.packed += one.Packed(tile)
	}
	p.later(all, t, ir.Window{KH: spec.KH, KW: spec.KW, StrideH: spec.StrideH}, func(t *task) error {
		specs := make([]wanted, len(all))
		for i, s := range all {
			specs[i] = p.spec(s)
			specs[i].Rounded = spec.Rounded
			w, out := s.W, p.values[s.Out]
			if specs[i].Fine = p.fine(s); direct && !specs[i].Fine {
				w = kernel.RoundWeights(w)
			}
			specs[i].Filter = spread(w, out.c, in, spec.KH*spec.KW)
			if narrow {
				spread16(&specs[i], out)
			}
		}
		c, err := choose(p.set, specs, p.threads)
		if err != nil {
			return fmt.Errorf("engine: step %q: %w", s.Name, err)
		}
		t.kernel(c, t.flop/64, spec.Planar)
		return nil
	})
}

// fine reports whether the tile unit takes the weights of s for what they are, as all others do: few channels
// average out no errors.
func (p *planner) fine(s ir.Step) bool {
	return p.format == pairs && p.set.PairTiles() && p.values[s.In[0]].c <= fineChannels && s.In[0] != p.net.Input
}

// fineChannels is the most channels of an input whose weights are not rounded to one bfloat16.
const fineChannels = 32

// later adds t, convolutions of one input with window w whose weights are packed by prepare, on all
// processors.
func (p *planner) later(all []ir.Step, t task, w ir.Window, prepare func(t *task) error) {
	s := all[0]
	in, out, weights := p.values[s.In[0]], *p.values[s.Out], 0
	out.c = 0
	for _, s := range all {
		out.c += p.values[s.Out].c
		weights += len(s.W)
	}
	if len(all) > 1 {
		t.name = fmt.Sprintf("%s and %d more", s.Name, len(all)-1)
	}
	t.shape = shape(in, &out, w)
	t.flop = 2 * float64(in.c*w.KH*w.KW) * float64(out.c*out.h*out.w)
	t.sharesWeights = weights > in.c*in.h*in.w
	at, index := p.level[s.Out], p.add(p.level[s.Out], t)
	p.prepare = append(p.prepare, func() error { return prepare(&p.plan.regions[at][index]) })
}

// shape describes a step that moves a window over in.
func shape(in, out *value, w ir.Window) string {
	return fmt.Sprintf("%dx%dx%d %dx%d/%d > %dx%dx%d", in.c, in.h, in.w, w.KH, w.KW, w.StrideH, out.c, out.h, out.w)
}

// kernel makes t run c.
func (t *task) kernel(c kernel.Conv, cost float64, planar bool) {
	t.algorithm, t.parts, t.scratch = c.Algorithm(), c.Parts(), c.Scratch()
	t.cost = cost / float64(t.parts)
	if planar {
		t.run = func(im image, part int, scratch []float32) { c.Run(part, im.arena, im.in, scratch) }
		return
	}
	t.run = func(im image, part int, scratch []float32) { c.Run(part, im.arena, im.arena, scratch) }
}

// divide makes t run over n blocks or rows in up to eight parts; it costs what going over v once does.
func (t *task) divide(algorithm string, n int, v *value, run func(im image, first, end int)) {
	parts := min(n, 8)
	t.algorithm, t.parts, t.cost = algorithm, parts, float64(v.c*v.h*v.w)/float64(parts)
	t.run = func(im image, part int, _ []float32) { run(im, part*n/parts, (part+1)*n/parts) }
}

// spread returns the filter [O,C,area] with a channel for each lane of in.
func spread(w []float32, outs int, in *value, area int) []float32 {
	span := in.span()
	if in.per == kernel.PairChannels {
		span = in.words() * in.per
	}
	if span == in.c && in.lanes[0] == 0 {
		return w
	}
	wide := make([]float32, outs*span*area)
	for o := range outs {
		for c, lane := range in.lanes {
			copy(wide[(o*span+lane)*area:][:area], w[(o*in.c+c)*area:][:area])
		}
	}
	return wide
}

// pool prepares a pooling; the bias of an average pool follows its input's
// lanes.
func (p *planner) pool(s ir.Step, t *task) error {
	in, out := p.values[s.In[0]], p.values[s.Out]
	w := s.Window
	if s.Kind == ir.GlobalAvgPool {
		w = ir.Window{KH: in.h, KW: in.w, StrideH: 1, StrideW: 1}
	}
	spec := p.poolSpec(s, w)
	if s.B != nil {
		spec.Bias = make([]float32, out.span())
		for c, lane := range out.lanes {
			spec.Bias[lane] = s.B[c]
		}
	}
	c, err := kernel.NewPool(p.set, spec)
	if err != nil {
		return fmt.Errorf("engine: step %q: %w", s.Name, err)
	}
	t.shape = shape(in, out, w)
	t.kernel(c, float64(w.KH*w.KW*out.c*out.h*out.w)/8, false)
	return nil
}

// poolSpec describes the pooling s of window w.
func (p *planner) poolSpec(s ir.Step, w ir.Window) kernel.PoolSpec {
	in := p.values[s.In[0]]
	return kernel.PoolSpec{
		In: in.tensor(), Out: p.values[s.Out].tensor(), KH: w.KH, KW: w.KW, StrideH: w.StrideH, StrideW: w.StrideW,
		PadTop: w.Top, PadLeft: w.Left, Max: s.Kind == ir.MaxPool, CountBorder: s.CountBorder, ReLU: s.ReLU,
		Pairs: p.format == pairs && in.per > 1,
	}
}

// moments prepares the moments of each channel. What is an output and read by nothing else goes straight
// to the caller's slice.
func (p *planner) moments(s ir.Step, t *task) (err error) {
	in, out := p.values[s.In[0]], p.values[s.Out].tensor()
	var m *kernel.Moments
	switch p.format {
	case octets:
		if m, err = kernel.NewByteMoments(p.set, in.tensor(), in.lanes, p.bytes.step[in.buf]); err != nil {
			return fmt.Errorf("engine: int8: step %q: %w: compile it with float32", s.Name, err)
		}
	case pairs:
		m = kernel.NewPairMoments(p.set, in.tensor(), in.lanes)
	default:
		m = kernel.NewMoments(p.set, in.tensor(), in.lanes)
	}
	t.algorithm, t.parts, t.scratch = m.Algorithm(), m.Parts(), m.Scratch()
	t.shape = fmt.Sprintf("%dx%dx%d > %d", in.c, in.h, in.w, p.values[s.Out].c)
	t.cost = float64(in.c*in.h*in.w) / 8 / float64(t.parts)
	t.run = func(im image, part int, scratch []float32) { m.Run(part, im.arena[out.Off:], im.arena, scratch) }
	if i, size := t.only-1, p.values[s.Out].c; i >= 0 && p.net.Outputs[i] == s.Out {
		t.run = func(im image, part int, scratch []float32) {
			m.Run(part, im.out[i][im.index*size:][:size], im.arena, scratch)
		}
	}
	return nil
}

// copyParts adds a task for each part of a concatenation that is not in place.
func (p *planner) copyParts(s ir.Step) {
	for _, c := range p.copies {
		if c.to != s.Out {
			continue
		}
		from, to := p.values[c.from], p.values[c.to]
		dst := to.buf.tensor.Slice(to.block+c.block, from.words())
		t := task{name: s.Name, algorithm: "copy", parts: 1, cost: float64(from.c * from.h * from.w), only: p.sole[s.Out]}
		src := from.tensor()
		t.run = func(im image, _ int, _ []float32) { kernel.Copy(im.arena, dst, im.arena, src) }
		p.add(p.level[s.Out], t)
	}
}

// elementwise prepares a scale and shift, or a ReLU, that no convolution took
// into its epilogue.
func (p *planner) elementwise(s ir.Step, t *task) {
	in, out := p.values[s.In[0]], p.values[s.Out]
	// To the end of the last block, so that nothing stale is left in it: what
	// reads the block multiplies its spare lanes by zero, and that keeps a NaN.
	lanes := kernel.Blocks(out.span()) * kernel.Block
	scale, shift := make([]float32, lanes), make([]float32, lanes)
	relu := s.ReLU
	for c, lane := range out.lanes {
		scale[lane] = 1
		if s.Kind == ir.Affine {
			scale[lane], shift[lane] = s.W[c], s.B[c]
		} else {
			relu = true
		}
	}
	from, to := in.tensor(), out.tensor()
	t.algorithm = "elementwise"
	t.run = func(im image, _ int, _ []float32) {
		kernel.Affine(im.arena, to, im.arena, from, scale, shift, relu)
	}
}

// softmax prepares the softmax of a vector.
func (p *planner) softmax(s ir.Step, t *task) {
	in, out := p.values[s.In[0]].tensor(), p.values[s.Out].tensor()
	lanes := p.values[s.In[0]].lanes
	t.algorithm = "softmax"
	spare := kernel.Blocks(out.C) * kernel.Block
	t.run = func(im image, _ int, _ []float32) {
		dst := im.arena[out.Off:][:spare]
		kernel.Softmax(dst, im.arena[in.Off:], lanes)
		clear(dst[len(lanes):])
	}
}
