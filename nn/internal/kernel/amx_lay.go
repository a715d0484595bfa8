package kernel

import "slices"

// A tileAxis is one direction of a convolution.
type tileAxis struct {
	outs, taps, stride, pad int
	step                    int // bytes from one pixel of the input to the next
}

// most is the farthest from an output's first pixel that a tap reads, in pixels of its phase.
func (a tileAxis) most() int { return (a.taps - 1) / a.stride }

// at is the bytes from the input's pixel 0 to what output i reads at an offset of d pixels.
func (a tileAxis) at(i, d int) int { return (i*a.stride + d - a.pad) * a.step }

// A tileOrder is how a convolution's pixels lie in the scratch memory: line after line of the outer axis, as
// many pixels in each as outputs, and as many more as taps reach beyond. Pixels of different remainders by the
// stride are phases, copied apart. The inner axis is the one with fewer taps, so that 1x7 has no pixels
// between its lines; where these would be many, each tap along a line is a phase of its own instead.
type tileOrder struct {
	outer, inner tileAxis
	across       bool // the inner axis is the vertical one
	apart        bool // inner taps are phases
	pitch        int  // pixels of a line
	total, reach int  // pixels, and those that a tap reads ahead
	plane        int  // floats from one channel block to the next
	last         int  // bytes from the input's pixel 0 to the last one that is read
	sources      [][]int32
}

// newTileOrder lays out the pixels of s, whose weights and channels are not looked at.
func newTileOrder(s *Spec) tileOrder {
	o := tileOrder{
		outer: tileAxis{s.Out.H, s.KH, s.StrideH, s.PadTop, 4 * s.In.Row},
		inner: tileAxis{s.Out.W, s.KW, s.StrideW, s.PadLeft, 4 * Block},
		plane: s.In.Plane,
	}
	if s.KW > s.KH {
		o.outer, o.inner, o.across = o.inner, o.outer, true
	}
	o.apart = 8*o.inner.most() > o.inner.outs
	o.pitch = o.inner.outs
	if !o.apart {
		o.pitch += o.inner.most()
	}
	o.total = (o.outer.outs-1)*o.pitch + o.inner.outs
	o.reach = o.outer.most() * o.pitch
	if !o.apart {
		o.reach += o.inner.most()
	}
	o.last = o.outer.at(o.outer.outs-1, o.outer.taps-1) + o.inner.at(o.inner.outs-1, o.inner.taps-1)
	for phase := range min(o.outer.stride, o.outer.taps) * o.innerPhases() {
		o.sources = append(o.sources, o.from(phase, o.last))
	}
	return o
}

// from lists the bytes from the input's pixel 0 to each of a phase, none beyond last: what lies behind that is
// not used.
func (o *tileOrder) from(phase, last int) []int32 {
	from := make([]int32, (o.total+tilePixels-1)/tilePixels*tilePixels+o.reach)
	a, b := phase/o.innerPhases(), phase%o.innerPhases()
	for i := range from {
		from[i] = int32(min(last, o.outer.at(i/o.pitch, a)+o.inner.at(i%o.pitch, b)))
	}
	return from
}

func (o *tileOrder) innerPhases() int {
	if o.apart {
		return o.inner.taps
	}
	return min(o.inner.stride, o.inner.taps)
}

// tap is the phase of a tap, and how many pixels ahead it reads there.
func (o *tileOrder) tap(outer, inner int) (phase, ahead int) {
	phase, ahead = outer%o.outer.stride*o.innerPhases(), outer/o.outer.stride*o.pitch
	if o.apart {
		return phase + inner, ahead
	}
	return phase + inner%o.inner.stride, ahead + inner/o.inner.stride
}

// index is a tap's place in a filter.
func (o *tileOrder) index(outer, inner int) int {
	if o.across {
		return inner*o.outer.taps + outer
	}
	return outer*o.inner.taps + inner
}

// places is the bytes from the start of an image's memory to each pixel of out.
func (o *tileOrder) places(out Tensor) []int32 {
	places := make([]int32, (o.total+tilePixels-1)/tilePixels*tilePixels)
	for i := range places {
		y, x := i/o.pitch, i%o.pitch
		if places[i] = -1; i < o.total && x < o.inner.outs {
			if o.across {
				y, x = x, y
			}
			places[i] = int32(4 * (y*out.Row + x*Block))
		}
	}
	return places
}

// gatherIndex is where in the scratch memory a gather lies.
func (t *tiled) gatherIndex(g tileGather) int {
	i := slices.Index(t.gathers, g)
	if i >= 0 {
		return i
	}
	t.gathers = append(t.gathers, g)
	from := t.order.sources[g.phase]
	if g.beyond != 0 && g.beyond != 4*t.order.plane { // a neighbour, which the last pixel has not
		from = t.order.from(g.phase, t.order.last-g.beyond)
	}
	t.from = append(t.from, from)
	return len(t.gathers) - 1
}

// A tileStep is a step before the size of the scratch memory is known.
type tileStep struct{ gather, ahead int }

// layChannels finds the steps: each tap of two channel blocks, and of a last one without another two taps of
// the same line. Of float32 a block is one of bfloat16, and there twice where it becomes two of these; of three,
// which are multiplied with each other in one step, two lie side by side. planes are those of the input.
func (t *tiled) layChannels(blocks, planes int) {
	var steps []tileStep
	o := &t.order
	add := func(g tileGather, outer, inner int, halves [2]tileHalf) {
		phase, ahead := o.tap(outer, inner)
		g.phase = phase
		for part := range t.weightParts() {
			steps = append(steps, tileStep{t.gatherIndex(g), ahead})
			halves[0].part, halves[1].part = part, part
			t.halves = append(t.halves, halves)
		}
	}
	each := 2
	if t.kind == tilesOfHalves {
		each = 1
	}
	for b := 0; b < blocks; b += each {
		for outer := range o.outer.taps {
			for inner := range o.inner.taps {
				tap := o.index(outer, inner)
				if t.kind == tilesOfFloats {
					add(tileGather{2 * b, 0, 0}, outer, inner, [2]tileHalf{{b, tap, 0}, {b + 1, tap, 0}})
				} else if t.kind == tilesOfHalves {
					g := tileGather{2 * b, 4 * o.plane, 0}
					if 2*b+1 == planes {
						g.beyond = 0
					}
					add(g, outer, inner, [2]tileHalf{{b, tap, 0}, {b, tap, 0}})
				} else if b+1 < blocks {
					add(tileGather{b, 4 * o.plane, 0}, outer, inner, [2]tileHalf{{b, tap, 0}, {b + 1, tap, 0}})
				} else if axis, at := o.pairing(outer, inner); at%2 == 0 && at+1 < axis.taps {
					next := o.index(outer, inner+1)
					if axis == o.outer {
						next = o.index(outer+1, inner)
					}
					add(tileGather{b, axis.step, 0}, outer, inner, [2]tileHalf{{b, tap, 0}, {b, next, 0}})
				} else if at%2 == 0 {
					add(tileGather{b, 0, 0}, outer, inner, [2]tileHalf{{b, tap, 0}, {-1, 0, 0}})
				}
			}
		}
	}
	t.cut(len(steps))
	for _, s := range steps {
		t.steps = append(t.steps, tileRow*(t.parts()*s.gather*t.held+s.ahead))
	}
}

// weightParts is in how many steps each weight is.
func (t *tiled) weightParts() int {
	if t.fine {
		return 2
	}
	return 1
}

// pairing is the axis along which taps go in twos, and the tap's place there.
func (o *tileOrder) pairing(outer, inner int) (tileAxis, int) {
	if o.inner.taps > 1 {
		return o.inner, inner
	}
	return o.outer, outer
}

// addOutputs adds a convolution's n outputs, written to out; block is how many of them a channel block has.
func (t *tiled) addOutputs(out Tensor, n, block int) {
	places := t.order.places(out)
	at := func(o int) int {
		return 4*(out.Off+o/block*out.Plane) + 4*Block*(o%block)/block
	}
	for o := 0; o < n; o += 2 * tileOutputs {
		g := tileGroup{first: len(t.scale), outs: [2]int{at(o), -1}, plane: 4 * out.Plane, places: places}
		if o+tileOutputs < n {
			g.wide, g.outs[1] = 1, at(o+tileOutputs)
		}
		t.groups = append(t.groups, g)
		t.scale = append(t.scale, make([]float32, 2*tileOutputs)...)
		t.shift = append(t.shift, make([]float32, 2*tileOutputs)...)
	}
}

// layWeights makes room for the weights and tells where they lie.
func (t *tiled) layWeights(alloc func(n int) []float32) {
	n := 0
	for i := range t.groups {
		g := &t.groups[i]
		g.w = n
		n += t.parts() * len(t.steps) * tileBytes * (1 + g.wide)
	}
	t.w = int8s(alloc(n / 4))
}

// pack puts down a part of the weights of output o of the convolution whose first group is given:
// word(of, part, i) is the i-th word of what they multiply.
func (t *tiled) pack(group, part, o int, word func(of tileHalf, part, i int) [4]int8) {
	g := t.groups[group+o/(2*tileOutputs)]
	half := o % (2 * tileOutputs) / tileOutputs
	for s, halves := range t.halves {
		to := t.w[g.w+tileBytes*((s*t.parts()+part)*(1+g.wide)+half):][:tileBytes]
		for h, from := range halves {
			if from.block < 0 {
				continue
			}
			for i := range Block {
				w := word(from, part+from.part, i)
				copy(to[(h*Block+i)*tileRow+o%tileOutputs*4:], w[:])
			}
		}
	}
}

// tileFetches is over how many groups of pixels the next weights are fetched: each step of one fetches an
// eighth of a step's, or half if there are few pixels.
const (
	tileFetches  = 8
	tileFewFetch = 4
)

// cut divides the work, first the pixels and then the outputs, for as many threads.
func (t *tiled) cut(steps int) {
	tiles := (t.order.total + tilePixels - 1) / tilePixels
	each := t.planes() * tileRow
	room := max(2, (tileRoom/each-t.order.reach)/tilePixels)
	want := 1
	if t.threads > 1 {
		want = min(tilePartsEach*t.threads, max(1, tiles*len(t.groups)*steps*t.parts()*32/tileLeast))
	}
	pixels := max((tiles+room-1)/room, min(want, max(1, tiles/tileFewTiles)))
	split := min(len(t.groups), max(1, (want+pixels-1)/pixels))
	for p := range pixels {
		first, end := p*tiles/pixels, (p+1)*tiles/pixels
		t.held = max(t.held, (end-first)*tilePixels+t.order.reach)
		for g := range split {
			g0, g1 := g*len(t.groups)/split, (g+1)*len(t.groups)/split
			t.cuts = append(t.cuts, tilePart{first, end - first, g0, g1 - g0})
		}
	}
}
