package engine

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/kernel"
)

// task is one step made ready to run.
type task struct {
	name      string
	algorithm string
	shape     string
	flop      float64 // multiplications and additions of the definition, an image
	cost      float64 // what a part costs, for the first division among threads
	parts     int
	scratch   int
	// sharesWeights says that a part's weights outweigh its input: the images
	// then take turns at each part, rather than each going through all parts.
	sharesWeights bool
	run           func(im image, part int, scratch []float32)
}

// image is one image of a batch under way.
type image struct {
	arena []float32
	in    []float32 // the image's input
	out   [][]float32
	index int // its place in out
}

// region is a group of tasks that do not depend on each other.
type region []task

// plan is a network made ready; it is read-only.
type plan struct {
	set     kernel.Set
	regions []region
	arena   int   // floats an image
	scratch int   // floats a thread
	outputs []int // floats of each output
}

// planner holds what planning needs.
type planner struct {
	set     kernel.Set
	threads int
	net     *ir.Net
	steps   []ir.Step
	values  []*value
	copies  []copyStep
	level   []int          // the region that writes each value, -1 for the input
	slab    kernel.Slab    // the packed weights
	prepare []func() error // convolutions still to be prepared
	plan    *plan
	bytes   *byteNet // how to compute with bytes, nil for float32
}

// newPlan plans net for a number of threads, which decides how work is divided,
// never what is computed. With ranges it computes with bytes.
func newPlan(net *ir.Net, set kernel.Set, threads int, ranges map[string]ir.Range) (*plan, error) {
	p := &planner{set: set, threads: threads, net: net, plan: &plan{set: set}}
	var steps []ir.Step
	var vals []ir.Value
	if ranges == nil {
		steps, vals = rewrite(net)
	} else {
		var err error
		if steps, vals, err = rewriteBytes(net); err != nil {
			return nil, err
		}
	}
	values, copies, err := layOut(net, steps, vals, ranges != nil)
	if err != nil {
		return nil, err
	}
	p.steps, p.values, p.copies = steps, values, copies
	if ranges != nil {
		if p.bytes, err = newByteNet(p, ranges); err != nil {
			return nil, err
		}
	}
	p.schedule()
	p.plan.arena = p.allocate()
	for _, s := range steps {
		if err := p.step(s); err != nil {
			return nil, err
		}
	}
	if err := parallel(threads, p.prepare); err != nil {
		return nil, err
	}
	p.zeroHalos()
	for i, o := range net.Outputs {
		p.output(i, o)
		p.plan.outputs = append(p.plan.outputs, vals[o].Size())
	}
	for _, r := range p.plan.regions {
		slices.SortStableFunc(r, func(a, b task) int { return cmp.Compare(b.cost, a.cost) })
		for _, t := range r {
			p.plan.scratch = max(p.plan.scratch, t.scratch)
		}
	}
	return p.plan, nil
}

// schedule finds each step's region, each buffer's life and each halo.
func (p *planner) schedule() {
	p.level = make([]int, len(p.values))
	for i := range p.level {
		p.level[i] = -1
	}
	for _, s := range p.steps {
		at := p.region(s)
		p.level[s.Out] = at
		p.write(s.Out, at)
		for _, i := range s.In {
			p.read(i, at)
		}
		if s.Kind == ir.Conv && s.In[0] != p.net.Input && !p.fast(s) {
			b := &p.values[s.In[0]].buf.halo
			h := halo(s.Window, p.values[s.In[0]], p.values[s.Out])
			*b = kernel.Border{Top: max(b.Top, h.Top), Bottom: max(b.Bottom, h.Bottom), Left: max(b.Left, h.Left), Right: max(b.Right, h.Right)}
		}
	}
	for _, o := range p.net.Outputs {
		p.read(o, p.level[o]+1)
	}
}

// region returns the region of s: the one after all its inputs, or for a
// concatenation written in place, that of the last part.
func (p *planner) region(s ir.Step) int {
	at := -1
	for _, i := range s.In {
		at = max(at, p.level[i])
	}
	if s.Kind == ir.Concat && !slices.ContainsFunc(p.copies, func(c copyStep) bool { return c.to == s.Out }) {
		return at
	}
	return at + 1
}

func (p *planner) write(v, at int) {
	if b := p.values[v].buf; b != nil {
		if b.first < 0 {
			b.first = at
		}
		b.first = min(b.first, at)
		b.last = max(b.last, at)
	}
}

func (p *planner) read(v, at int) {
	if b := p.values[v].buf; b != nil {
		b.last = max(b.last, at)
	}
}

// halo returns the border that window w needs around in.
func halo(w ir.Window, in, out *value) kernel.Border {
	return kernel.Border{
		Top: w.Top, Left: w.Left,
		Bottom: max(0, (out.h-1)*w.StrideH+w.KH-w.Top-in.h),
		Right:  max(0, (out.w-1)*w.StrideW+w.KW-w.Left-in.w),
	}
}

// allocate gives every buffer its place in the arena and returns its size. The
// largest are placed first, each at the lowest place that is free for its life.
func (p *planner) allocate() int {
	var all []*buffer
	for _, v := range p.values {
		if v.buf != nil && v.buf.first >= 0 && !slices.Contains(all, v.buf) {
			all = append(all, v.buf)
		}
	}
	slices.SortStableFunc(all, func(a, b *buffer) int { return b.size() - a.size() })
	type spot struct {
		at int
		b  *buffer
	}
	var placed []spot
	total := 0
	for _, b := range all {
		at := 0
		for _, s := range placed { // in order of place
			if s.b.first > b.last || b.first > s.b.last {
				continue
			}
			if s.at >= at+b.size() {
				break
			}
			at = max(at, s.at+s.b.size())
		}
		b.tensor, b.allocated = b.layout().At(at), true
		i, _ := slices.BinarySearchFunc(placed, at, func(s spot, at int) int { return s.at - at })
		placed = slices.Insert(placed, i, spot{at, b})
		total = max(total, at+b.size())
	}
	return total
}

// add puts t into region at and returns its index there.
func (p *planner) add(at int, t task) int {
	for len(p.plan.regions) <= at {
		p.plan.regions = append(p.plan.regions, nil)
	}
	p.plan.regions[at] = append(p.plan.regions[at], t)
	return len(p.plan.regions[at]) - 1
}

// zeroHalos adds a task for each buffer with a halo to the region that writes
// it first: before that its memory is others'.
func (p *planner) zeroHalos() {
	var done []*buffer
	for _, v := range p.values {
		if v.buf == nil || v.buf.first < 0 || v.buf.thin || v.buf.halo == (kernel.Border{}) || slices.Contains(done, v.buf) {
			continue
		}
		done = append(done, v.buf)
		t := v.buf.tensor
		p.add(v.buf.first, task{
			name: v.name, algorithm: "zero halo", parts: 1, cost: float64(v.buf.size()) / 16,
			run: func(im image, _ int, _ []float32) { t.ZeroHalo(im.arena) },
		})
	}
}

// output adds the task that hands value v to the caller as output i.
func (p *planner) output(i, v int) {
	val := p.values[v]
	size := val.c * val.h * val.w
	pack := func(to []float32, im image) { copy(to, im.in) }
	if val.buf != nil {
		t, lanes := val.tensor(), val.lanes
		if val.per > 1 {
			step := p.bytes.step[val.buf]
			pack = func(to []float32, im image) { kernel.Dequantize(to, im.arena, t, lanes, step) }
		} else {
			pack = func(to []float32, im image) { kernel.Pack(to, im.arena, t, lanes) }
		}
	}
	run := func(im image, _ int, _ []float32) {
		if im.out[i] != nil { // else it is not wanted
			pack(im.out[i][im.index*size:][:size], im)
		}
	}
	p.add(p.level[v]+1, task{name: val.name, algorithm: "output", parts: 1, cost: float64(size), run: run})
}

// step adds the tasks of s.
func (p *planner) step(s ir.Step) error {
	out := p.values[s.Out]
	t := task{name: s.Name, parts: 1, cost: float64(out.c * out.h * out.w)}
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
		err = p.pool(s, &t)
	case ir.Concat:
		p.copyParts(s)
		return nil
	case ir.Affine, ir.ReLU:
		p.elementwise(s, &t)
	case ir.Softmax:
		p.softmax(s, &t)
	case unpack:
		to, c := out.tensor(), out.c
		t.algorithm = "convert"
		t.run = func(im image, _ int, _ []float32) { kernel.Unpack(im.arena, to, im.in, c) }
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
func (p *planner) spec(s ir.Step) kernel.Spec {
	in, out := p.values[s.In[0]], p.values[s.Out]
	w := s.Window
	if s.Kind == ir.Dense {
		w = ir.Window{KH: 1, KW: 1, StrideH: 1, StrideW: 1}
	}
	spec := kernel.Spec{
		Out: kernel.Tensor{C: out.span(), H: out.h, W: out.w},
		In:  kernel.Tensor{C: in.span(), H: in.h, W: in.w},
		KH:  w.KH, KW: w.KW, StrideH: w.StrideH, StrideW: w.StrideW, PadTop: w.Top, PadLeft: w.Left,
		Bias: s.B, ReLU: s.ReLU, Alloc: p.slab.Alloc,
	}
	if out.buf.allocated {
		spec.Out = out.tensor()
	}
	switch {
	case s.In[0] == p.net.Input:
		spec.Planar = true
		spec.In.Row, spec.In.Plane = in.w, in.h*in.w
	case in.buf.allocated:
		spec.In = in.tensor()
	}
	return spec
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

// conv prepares a convolution or a dense layer, which is one of a single pixel.
// Packing the weights is put off: it is worth doing on all processors.
func (p *planner) conv(s ir.Step, t task) {
	in, out := p.values[s.In[0]], p.values[s.Out]
	spec := p.spec(s)
	t.shape = fmt.Sprintf("%dx%dx%d %dx%d/%d > %dx%dx%d", in.c, in.h, in.w, spec.KH, spec.KW, spec.StrideH, out.c, out.h, out.w)
	t.flop = 2 * float64(in.c*spec.KH*spec.KW) * float64(out.c*out.h*out.w)
	t.sharesWeights = len(s.W) > in.c*in.h*in.w
	at, index := p.level[s.Out], p.add(p.level[s.Out], t)
	p.prepare = append(p.prepare, func() error {
		spec.Filter = spread(s.W, out.c, in, spec.KH*spec.KW)
		c, err := choose(p.set, spec, p.threads)
		if err != nil {
			return fmt.Errorf("engine: step %q: %w", s.Name, err)
		}
		t := &p.plan.regions[at][index]
		t.kernel(c, t.flop/64, spec.Planar)
		return nil
	})
}

// parallel calls all functions, n at a time, and returns the first error in
// their order.
func parallel(n int, calls []func() error) error {
	errs := make([]error, len(calls))
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(n, len(calls)) {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(calls); i = int(next.Add(1)) - 1 {
				errs[i] = calls[i]()
			}
		})
	}
	wait.Wait()
	return cmp.Or(errs...)
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

// spread returns the filter [O,C,area] with a channel for each lane of in.
func spread(w []float32, outs int, in *value, area int) []float32 {
	span := in.span()
	if span == in.c {
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
	spec := kernel.PoolSpec{
		In: in.tensor(), Out: out.tensor(), KH: w.KH, KW: w.KW, StrideH: w.StrideH, StrideW: w.StrideW,
		PadTop: w.Top, PadLeft: w.Left, Max: s.Kind == ir.MaxPool, CountBorder: s.CountBorder, ReLU: s.ReLU,
	}
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
	t.shape = fmt.Sprintf("%dx%dx%d %dx%d/%d > %dx%dx%d", in.c, in.h, in.w, w.KH, w.KW, w.StrideH, out.c, out.h, out.w)
	t.kernel(c, float64(w.KH*w.KW*out.c*out.h*out.w)/8, false)
	return nil
}

// copyParts adds a task for each part of a concatenation that is not in place.
func (p *planner) copyParts(s ir.Step) {
	for _, c := range p.copies {
		if c.to != s.Out {
			continue
		}
		from, to := p.values[c.from], p.values[c.to]
		dst := to.buf.tensor.Slice(to.block+c.block, from.span())
		t := task{name: s.Name, algorithm: "copy", parts: 1, cost: float64(from.c * from.h * from.w)}
		if from.buf == nil {
			t.run = func(im image, _ int, _ []float32) { kernel.Unpack(im.arena, dst, im.in, from.c) }
		} else {
			src := from.tensor()
			t.run = func(im image, _ int, _ []float32) { kernel.Copy(im.arena, dst, im.arena, src) }
		}
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
