package engine

import (
	"cmp"
	"context"
	"slices"

	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/nn/internal/arena"
	"github.com/c236555e/rehead/nn/internal/device"
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
	// only is the output, counted from 1, that nothing else needs the task for: where it is not
	// wanted the task is left out. 0: others need it.
	only int
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
	arena   int // floats an image
	// Images go through the first regions one after the other, as what those write is large and their
	// weights are small: all images but the last keep no more than the first kept floats for the rest.
	alone, kept int
	scratch     int   // floats a thread
	outputs     []int // floats of each output
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
	packed  int            // about how many floats they take
	prepare []func() error // convolutions still to be prepared
	plan    *plan
	bytes   *byteNet // how to compute with bytes, nil for others
	format  format
	lean    bool
	sole    []int // of each value, the output that is all it is for, counted from 1; else 0
}

// newPlan plans net for a number of threads, which decides how work is divided,
// never what is computed. With ranges it computes with bytes.
func newPlan(net *ir.Net, set kernel.Set, threads int, cfg device.Config) (*plan, error) {
	p := &planner{set: set, threads: threads, net: net, plan: &plan{set: set}, format: formatOf(set, cfg),
		lean: cfg.Lean}
	err := onlyFloats(net, p.format)
	if err != nil {
		return nil, err
	}
	var vals []ir.Value
	var whole []bool // the values that stay float32
	switch p.format {
	case octets:
		p.steps, vals, err = rewriteBytes(net)
	case pairs, rounded:
		p.steps, vals, whole, err = rewriteBFloat16(net, cfg, p.format == rounded)
	default:
		p.steps, vals = rewrite(net)
	}
	if err != nil {
		return nil, err
	}
	if p.values, p.copies, err = layOut(net, p.steps, vals, p.format, whole); err != nil {
		return nil, err
	}
	if p.format == octets {
		if p.bytes, err = newByteNet(p, cfg.Ranges); err != nil {
			return nil, err
		}
	}
	p.schedule()
	p.findSole()
	p.allocate()
	for _, s := range p.steps {
		if err := p.step(s); err != nil {
			return nil, err
		}
	}
	p.slab.Reserve(p.packed)
	err = par.Each(context.Background(), threads, len(p.prepare), func(_, i int) error { return p.prepare[i]() })
	if err != nil {
		return nil, err
	}
	p.zeroHalos()
	for i, o := range net.Outputs {
		if made := slices.IndexFunc(p.steps, func(s ir.Step) bool { return s.Out == o }); made < 0 ||
			p.steps[made].Kind != ir.Moments || p.sole[o] != i+1 { // else it is there already
			p.output(i, o)
		}
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
			*b = kernel.Border{Top: max(b.Top, h.Top), Bottom: max(b.Bottom, h.Bottom), Left: max(b.Left, h.Left),
				Right: max(b.Right, h.Right)}
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

// findSole finds the values that one output and nothing else needs.
func (p *planner) findSole() {
	const none, many = 0, -1
	p.sole = make([]int, len(p.values))
	meet := func(v, who int) {
		if p.sole[v] == none {
			p.sole[v] = who
		} else if p.sole[v] != who {
			p.sole[v] = many
		}
	}
	for i, o := range p.net.Outputs {
		meet(o, i+1)
	}
	for i := len(p.steps) - 1; i >= 0; i-- {
		for _, v := range p.steps[i].In {
			meet(v, p.sole[p.steps[i].Out])
		}
	}
	for v := range p.sole {
		p.sole[v] = max(p.sole[v], 0)
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

// allocate gives every buffer its place in the arena.
func (p *planner) allocate() {
	places := p.place(p.regionsAlone())
	if p.plan.arena < leastAlone {
		places = p.place(0)
	}
	for b, at := range places {
		b.tensor, b.allocated = b.layout().At(at.At), true
	}
}

// place finds the buffers' places where images go through so many regions alone: those that are needed
// later come first.
func (p *planner) place(alone int) map[*buffer]*arena.Buffer {
	places := map[*buffer]*arena.Buffer{}
	var kept, others []*arena.Buffer
	for _, v := range p.values {
		b := v.buf
		if b == nil || b.first < 0 || places[b] != nil {
			continue
		}
		places[b] = &arena.Buffer{Size: b.size(), First: b.first, Last: b.last}
		if b.last >= alone {
			kept = append(kept, places[b])
		} else {
			others = append(others, places[b])
		}
	}
	p.plan.alone = alone
	p.plan.kept, p.plan.arena = arena.PlaceTwo(kept, others)
	return places
}

// leastAlone is the arena, in floats, from which on images go through the first regions alone.
const leastAlone = 1 << 20

// regionsAlone counts the regions before the first whose weights are worth sharing among images.
func (p *planner) regionsAlone() int {
	first := len(p.steps)
	for _, s := range p.steps {
		if in := p.values[s.In[0]]; len(s.W) > in.c*in.h*in.w {
			first = min(first, p.level[s.Out])
		}
	}
	if first == len(p.steps) {
		return 0
	}
	return first
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
		switch {
		case p.format == octets && val.per > 1:
			step := p.bytes.step[val.buf]
			pack = func(to []float32, im image) { kernel.Dequantize(to, im.arena, t, lanes, step) }
		case val.per > 1:
			pack = func(to []float32, im image) { kernel.PackPairs(to, im.arena, t, lanes) }
		case t.Plane == kernel.Block && slices.Equal(lanes, count(val.c)): // a vector lies as it is handed out
			pack = func(to []float32, im image) { copy(to, im.arena[t.Off:]) }
		default:
			pack = func(to []float32, im image) { kernel.Pack(to, im.arena, t, lanes) }
		}
	}
	run := func(im image, _ int, _ []float32) { pack(im.out[i][im.index*size:][:size], im) }
	p.add(p.level[v]+1, task{name: val.name, algorithm: "output", parts: 1, cost: float64(size), run: run, only: i + 1})
}
