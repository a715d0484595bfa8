package kernel

import (
	"fmt"
	"math"
	"unsafe"
)

// A Tiling names one of Winograd's fast convolutions by the outputs, down and
// across, that one tile computes: F(H x W, KH x KW). A side whose kernel is one
// tap wide is not transformed and has 1.
type Tiling struct{ H, W int }

// sides lists the outputs per tile that are implemented for a side of r taps
// and that stride.
func sides(r, stride int) []int {
	switch [2]int{r, stride} {
	case [2]int{1, 1}:
		return []int{1}
	case [2]int{3, 1}:
		return []int{2, 4, 6}
	case [2]int{3, 2}:
		return []int{3}
	case [2]int{5, 1}:
		return []int{2, 4}
	case [2]int{7, 1}:
		return []int{4, 6}
	}
	return nil
}

// Tilings returns the fast convolutions that can compute s: none unless its
// input is blocked, and its kernel 1, 3, 5 or 7 taps wide along each side and
// more than 1 along one, with stride 1, or 2 for 3 taps.
func Tilings(s *Spec) []Tiling {
	if s.Planar || s.KH*s.KW == 1 {
		return nil
	}
	if s.KH == 1 && (s.PadTop != 0 || s.Out.H > s.In.H) || s.KW == 1 && (s.PadLeft != 0 || s.Out.W > s.In.W) {
		return nil
	}
	var list []Tiling
	for _, h := range sides(s.KH, s.StrideH) {
		for _, w := range sides(s.KW, s.StrideW) {
			if (h+s.KH-1)*(w+s.KW-1) <= maxTilePoints {
				list = append(list, Tiling{h, w})
			}
		}
	}
	return list
}

const (
	maxPoints     = 12 // along one side
	maxTilePoints = 64
	winoWidth     = 16 // outputs of a panel of transformed weights
)

// side is the transform along one side of a tile.
type side struct {
	m, r, n int       // outputs, taps, points
	advance int       // input elements from one tile to the next
	forward []float32 // constants, each eight times
	inverse []float32
	filter  [][]float64
	step    int // floats from one input element to the next along this side
	outStep int
	len     int // input elements along this side
	outLen  int // outputs
	pad     int
	tiles   int
}

func newSide(m, r, stride int) side {
	s := side{m: m, r: r, n: m + r - 1, advance: m * stride}
	switch {
	case stride == 2:
		s.n, s.filter = stridedPoints, stridedFilter()
	case r == 1:
		s.filter = [][]float64{{1}}
	default:
		p := points(s.n)
		s.forward, s.inverse = spread(p.forward()), spread(p.inverse(m))
		s.filter = p.filter(m, r)
	}
	return s
}

// spread repeats every value eight times.
func spread(v []float32) []float32 {
	out := make([]float32, 0, len(v)*Block)
	for _, x := range v {
		for range Block {
			out = append(out, x)
		}
	}
	return out
}

// NewWinograd prepares the convolution s by the fast algorithm t, which must be
// one of Tilings(s). Its work is split for that many threads; what it computes
// does not depend on them. Its results differ from the direct convolution's by
// rounding that grows with the tile.
//
// A part transforms the input of some tiles, multiplies by the transformed
// weights one panel of outputs at a time and transforms back, all in scratch
// memory sized for the second-level cache.
func NewWinograd(set Set, s Spec, t Tiling, threads int) (Conv, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	ok := false
	for _, x := range Tilings(&s) {
		ok = ok || x == t
	}
	if !ok {
		return nil, fmt.Errorf("kernel: Winograd convolution: no tiling %dx%d of a %dx%d kernel with stride %dx%d: choose one of %v",
			t.H, t.W, s.KH, s.KW, s.StrideH, s.StrideW, Tilings(&s))
	}
	w := &winograd{level: min(set.level, levelAVX2), in: s.In, out: s.Out}
	w.floor = float32(math.Inf(-1))
	if s.ReLU {
		w.floor = 0
	}
	w.v, w.h = newSide(t.H, s.KH, s.StrideH), newSide(t.W, s.KW, s.StrideW)
	w.v.step, w.v.outStep, w.v.len, w.v.outLen, w.v.pad = s.In.Row, s.Out.Row, s.In.H, s.Out.H, s.PadTop
	w.h.step, w.h.outStep, w.h.len, w.h.outLen, w.h.pad = Block, Block, s.In.W, s.Out.W, s.PadLeft
	// One side alone: the other one's elements are so many independent tiles.
	for _, x := range []*side{&w.v, &w.h} {
		x.tiles = (x.outLen + x.m - 1) / x.m
	}
	w.points = w.v.n * w.h.n
	w.depth = Blocks(s.In.C)
	w.pack(&s)
	w.split(threads)
	return w, nil
}

// winograd is a fast convolution. It is immutable once made.
type winograd struct {
	level   level
	in, out Tensor
	v, h    side // down, across
	points  int
	depth   int // input channel blocks
	floor   float32
	weights []float32 // [panel][point][depth*8][16]
	bias    []float32 // [panels*16]
	zeros   []float32 // what lies outside the input
	size    int       // tiles of a part, at most
	parts   []winoPart
	// The scratch memory: transformed input, products, one row of tiles half
	// transformed, and a place for outputs beyond the edge.
	vStep, mStep    int // floats from one point to the next
	mAt, lineAt     int
	lineStep, waste int
	scratch         int
}

// A winoPart is some tiles for some panels.
type winoPart struct{ tile, tiles, panel, panels int }

func (w *winograd) Algorithm() string {
	name := fmt.Sprintf("winograd F(%dx%d,%dx%d)", w.v.m, w.h.m, w.v.r, w.h.r)
	if w.v.advance > w.v.m || w.h.advance > w.h.m {
		name += "/2"
	}
	return name
}
func (w *winograd) Parts() int   { return len(w.parts) }
func (w *winograd) Scratch() int { return w.scratch }

// flat reports whether only one side is transformed.
func (w *winograd) flat() bool { return w.v.n == 1 || w.h.n == 1 }

// sides returns the transformed side and the one along which tiles follow each
// other in memory.
func (w *winograd) order() (along, across *side) {
	if w.h.n == 1 {
		return &w.v, &w.h
	}
	return &w.h, &w.v
}

const (
	winoCache   = 512 << 10 // bytes of transformed input that a part may take,
	winoTiles   = 36        // unless it is this many tiles or fewer
	winoWeights = 4 << 20   // bytes of weights that each thread may read through
	winoRows    = 6         // tiles that a micro-kernel multiplies at once
)

// split divides the work: into blocks of tiles whose transforms fit the cache,
// as many as there are threads if the blocks do not become too small or the
// weights, which each reads, are too large; then, if that leaves threads idle,
// into groups of panels, each of which transforms the input again.
func (w *winograd) split(threads int) {
	tiles := w.v.tiles * w.h.tiles
	panels := len(w.bias) / winoWidth
	perTile := 4 * w.points * w.depth * Block
	most := max(winoTiles, winoCache/perTile)
	blocks := (tiles + most - 1) / most
	threads = max(1, threads)
	if 4*len(w.weights) <= winoWeights {
		even := (blocks + threads - 1) / threads * threads
		blocks = max(blocks, min(even, tiles/(2*winoRows)))
	}
	w.size = evenTiles(tiles, blocks)
	blocks = (tiles + w.size - 1) / w.size
	groups := 1
	for blocks*groups < 4*threads && blocks*groups%threads != 0 && groups < panels {
		groups++
	}
	for b := range blocks {
		for g := range groups {
			first := b * w.size
			p0, p1 := g*panels/groups, (g+1)*panels/groups
			w.parts = append(w.parts, winoPart{first, min(w.size, tiles-first), p0, p1 - p0})
		}
	}
	w.place()
}

// evenTiles returns how many tiles to give each block but the last so that the
// slowest block takes the least time.
func evenTiles(tiles, blocks int) int {
	size := (tiles + blocks - 1) / blocks
	best := size
	for s := size; s < size+winoRows && s <= tiles; s++ {
		if rowTime(s) < rowTime(best) {
			best = s
		}
	}
	return best
}

// rowTime returns the time that the products of a block of tiles take, in
// thousandths of what a tile takes in a full group.
func rowTime(tiles int) int {
	full, rest := rowGroups(tiles)
	each := [winoRows]int{0, 4000, 4000, 4050, 4350, 5300}
	return full*winoRows*1000 + each[rest[0]] + each[rest[1]]
}

// place lays out the scratch memory. Steps between points are odd numbers of
// cache lines, lest all points of a tile fall into the same cache set.
func (w *winograd) place() {
	const line = 16 // floats of a cache line
	odd := func(n int) int { return ((n+line-1)/line | 1) * line }
	w.vStep = odd(w.depth * w.size * Block)
	w.mStep = odd(2 * w.size * Block)
	n := w.points * w.vStep
	w.mAt = n
	n += w.points * w.mStep
	w.lineAt = n
	if w.flat() {
		_, across := w.order()
		w.zeros = make([]float32, (across.len-1)*across.step+Block)
		w.waste = n
		n += (across.outLen-1)*across.outStep + Block
	} else {
		run := min(w.size, w.h.tiles)
		w.lineStep = odd(max((run-1)*w.h.advance+w.h.n, run*w.h.m) * Block)
		n += w.v.n * w.lineStep
		w.zeros = make([]float32, w.in.W*Block)
		w.waste = n
		n += w.h.tiles * w.h.m * Block
	}
	w.scratch = n + line // to align
}

// pack transforms the filters in float64 and lays them out as the products
// read them.
func (w *winograd) pack(s *Spec) {
	panels := (s.Out.C + winoWidth - 1) / winoWidth
	w.bias = make([]float32, panels*winoWidth)
	copy(w.bias, s.Bias)
	ic := w.depth * Block
	w.weights = s.alloc(panels * w.points * ic * winoWidth)
	gv, gh := w.v.filter, w.h.filter
	taps := s.KH * s.KW
	half := make([]float64, len(gv)*s.KW*winoWidth) // [point down][kw][output]
	var sum [winoWidth]float64
	for p := range panels {
		outs := min(winoWidth, s.Out.C-p*winoWidth)
		for c := range s.In.C {
			clear(half)
			for o := range outs {
				f := s.Filter[((p*winoWidth+o)*s.In.C+c)*taps:][:taps]
				for i, g := range gv {
					for x := range s.KW {
						v := 0.0
						for y, a := range g {
							v += a * float64(f[y*s.KW+x])
						}
						half[(i*s.KW+x)*winoWidth+o] = v
					}
				}
			}
			for i := range gv {
				for j, g := range gh {
					sum = [winoWidth]float64{}
					for x, a := range g {
						h := half[(i*s.KW+x)*winoWidth:][:winoWidth]
						for o, v := range h {
							sum[o] += a * v
						}
					}
					at := ((p*w.points+i*len(gh)+j)*ic + c) * winoWidth
					for o, v := range sum {
						w.weights[at+o] = float32(v)
					}
				}
			}
		}
	}
}

// aligned returns n zeros that start at a cache line.
func aligned(n int) []float32 {
	v := make([]float32, n+16)
	return v[alignment(v):][:n]
}

// alignment returns the index of the first element of v at a cache line.
func alignment(v []float32) int {
	return int(-uintptr(unsafe.Pointer(&v[0]))&63) / 4
}

// winoLines applies a one-dimensional transform to lines x n vectors of eight
// lanes: vector (line, k) of element i lies line*inLine + k*inStep bytes after
// in[i], and its result likewise. The kernels move the pointers and count lines
// down. The generator knows the layout.
type winoLines struct {
	in, out         [maxPoints]*float32
	inStep, outStep int
	inLine, outLine int
	n, lines        int
	coef            *float32
	bias            *float32 // of the eight lanes, in the last transform
	floor           float32  // least output: 0 or -Inf
}

// winoProduct multiplies groups of tiles by 16 outputs. The kernels move a and
// c on and count groups down. The generator knows the layout.
type winoProduct struct {
	a      *float32 // [blocks][...][8], a step of aStep bytes
	b      *float32 // [blocks*8][16]
	c      *float32 // [2][...][8], a step of cStep bytes
	blocks int
	aStep  int
	cStep  int
	groups int
	// What to fetch into the cache meanwhile, in bytes from b on, and how far
	// to move on after every second row of b.
	ahead, fetch int
}

func (w *winograd) Run(part int, out, in, scratch []float32) {
	p := w.parts[part]
	// The kernels check no bounds: these stand for all of theirs.
	_ = in[w.in.Index((w.depth-1)*Block, w.in.H-1, w.in.W-1)+Block-1]
	_ = out[w.out.Index((Blocks(w.out.C)-1)*Block, w.out.H-1, w.out.W-1)+Block-1]
	_ = scratch[:w.scratch]
	s := scratch[alignment(scratch):]
	if w.flat() {
		w.forwardFlat(p, in, s)
	} else {
		w.forwardTiles(p, in, s)
	}
	for q := p.panel; q < p.panel+p.panels; q++ {
		w.multiply(p, q, s)
		for b := 2 * q; b < min(2*q+2, Blocks(w.out.C)); b++ {
			if w.flat() {
				w.inverseFlat(p, b, out, s)
			} else {
				w.inverseTiles(p, b, out, s)
			}
		}
	}
}

// forwardFlat transforms the input of the tiles of p along the only side.
func (w *winograd) forwardFlat(p winoPart, in, s []float32) {
	along, across := w.order()
	l := winoLines{
		inStep: 4 * across.step, outStep: 4 * Block,
		inLine: 4 * w.in.Plane, outLine: 4 * p.tiles * Block, coef: unsafe.SliceData(along.forward),
	}
	for t := p.tile; t < p.tile+p.tiles; t += l.n {
		i, k := t/across.outLen, t%across.outLen
		l.n, l.lines = min(across.outLen-k, p.tile+p.tiles-t), 1
		for b := range w.depth {
			l.lines = 1
			for x := range along.n {
				at := i*along.advance - along.pad + x
				if at < 0 || at >= along.len {
					l.in[x] = &w.zeros[0]
				} else {
					l.in[x] = &in[w.in.Off+b*w.in.Plane+at*along.step+k*across.step]
				}
				l.out[x] = &s[x*w.vStep+(b*p.tiles+t-p.tile)*Block]
			}
			w.forward(along, &l)
		}
	}
}

// inverseFlat transforms the products of the tiles of p for output block b.
func (w *winograd) inverseFlat(p winoPart, b int, out, s []float32) {
	along, across := w.order()
	l := winoLines{
		inStep: 4 * Block, outStep: 4 * across.outStep,
		coef: unsafe.SliceData(along.inverse), bias: &w.bias[b*Block], floor: w.floor,
	}
	for t := p.tile; t < p.tile+p.tiles; t += l.n {
		i, k := t/across.outLen, t%across.outLen
		l.n, l.lines = min(across.outLen-k, p.tile+p.tiles-t), 1
		for x := range along.n {
			l.in[x] = &s[w.mAt+x*w.mStep+(b%2*p.tiles+t-p.tile)*Block]
		}
		for y := range along.m {
			if at := i*along.m + y; at < along.outLen {
				l.out[y] = &out[w.out.Off+b*w.out.Plane+at*along.outStep+k*across.outStep]
			} else {
				l.out[y] = &s[w.waste]
			}
		}
		w.inverse(along, true, &l)
	}
}

// forwardTiles transforms the input of the tiles of p: down into lines, then
// across, a run of tiles side by side at a time.
func (w *winograd) forwardTiles(p winoPart, in, s []float32) {
	down := winoLines{inStep: 4 * Block, outStep: 4 * Block, coef: unsafe.SliceData(w.v.forward)}
	across := winoLines{
		inStep: 4 * w.h.advance * Block, outStep: 4 * Block,
		inLine: 4 * w.lineStep, outLine: 4 * w.h.n * w.vStep, coef: unsafe.SliceData(w.h.forward),
	}
	lines := s[w.lineAt:]
	for t := p.tile; t < p.tile+p.tiles; t += across.n {
		i, j := t/w.h.tiles, t%w.h.tiles
		run := min(w.h.tiles-j, p.tile+p.tiles-t)
		across.n = run
		y0, x0 := i*w.v.advance-w.v.pad, j*w.h.advance-w.h.pad
		cols := (run-1)*w.h.advance + w.h.n
		lo := min(max(0, -x0), cols)
		hi := max(lo, min(cols, w.in.W-x0))
		for y := range w.v.n {
			clear(lines[y*w.lineStep:][:lo*Block])
			clear(lines[y*w.lineStep+hi*Block:][:(cols-hi)*Block])
		}
		for b := range w.depth {
			if hi > lo {
				w.forwardDown(&down, in, b, y0, x0+lo)
				for y := range w.v.n {
					down.out[y] = &lines[y*w.lineStep+lo*Block]
				}
				down.n, down.lines = hi-lo, 1
				w.forward(&w.v, &down)
			}
			across.lines = w.v.n
			for x := range w.h.n {
				across.in[x] = &lines[x*Block]
				across.out[x] = &s[x*w.vStep+(b*p.tiles+t-p.tile)*Block]
			}
			w.forward(&w.h, &across)
		}
	}
}

// forwardDown points l at the rows from y0 on of input block b, from column x on.
func (w *winograd) forwardDown(l *winoLines, in []float32, b, y0, x int) {
	for y := range w.v.n {
		if at := y0 + y; at < 0 || at >= w.in.H {
			l.in[y] = &w.zeros[0]
		} else {
			l.in[y] = &in[w.in.Off+b*w.in.Plane+at*w.in.Row+x*Block]
		}
	}
}

// inverseTiles transforms the products of the tiles of p for output block b:
// across into lines, then down.
func (w *winograd) inverseTiles(p winoPart, b int, out, s []float32) {
	across := winoLines{
		inStep: 4 * Block, outStep: 4 * w.h.m * Block,
		inLine: 4 * w.h.n * w.mStep, outLine: 4 * w.lineStep, coef: unsafe.SliceData(w.h.inverse),
	}
	down := winoLines{
		inStep: 4 * Block, outStep: 4 * Block, coef: unsafe.SliceData(w.v.inverse),
		bias: &w.bias[b*Block], floor: w.floor,
	}
	lines := s[w.lineAt:]
	for t := p.tile; t < p.tile+p.tiles; t += across.n {
		i, j := t/w.h.tiles, t%w.h.tiles
		across.n, across.lines = min(w.h.tiles-j, p.tile+p.tiles-t), w.v.n
		for x := range w.h.n {
			across.in[x] = &s[w.mAt+x*w.mStep+(b%2*p.tiles+t-p.tile)*Block]
		}
		for x := range w.h.m {
			across.out[x] = &lines[x*Block]
		}
		run := across.n
		w.inverse(&w.h, false, &across)
		down.n, down.lines = min(run*w.h.m, w.out.W-j*w.h.m), 1
		for y := range w.v.n {
			down.in[y] = &lines[y*w.lineStep]
		}
		for y := range w.v.m {
			if at := i*w.v.m + y; at < w.out.H {
				down.out[y] = &out[w.out.Off+b*w.out.Plane+at*w.out.Row+j*w.h.m*Block]
			} else {
				down.out[y] = &s[w.waste]
			}
		}
		w.inverse(&w.v, true, &down)
	}
}

// rowGroups says how many tiles to multiply at a time: as many full groups as
// leave no remainder of one to three, which the processor's latency would make
// as slow as four.
func rowGroups(tiles int) (full int, rest [2]int) {
	full = tiles / winoRows
	switch r := tiles % winoRows; {
	case r == 0:
	case r > 3 || full == 0:
		rest[0] = r
	default:
		full--
		rest[0] = (winoRows + r + 1) / 2
		rest[1] = winoRows + r - rest[0]
	}
	return full, rest
}

// multiply computes the products of the tiles of p and panel q, point by point.
func (w *winograd) multiply(p winoPart, q int, s []float32) {
	full, rest := rowGroups(p.tiles)
	size := w.depth * Block * winoWidth
	a := winoProduct{blocks: w.depth, aStep: 4 * p.tiles * Block, cStep: 4 * p.tiles * Block}
	passes := full
	for _, r := range rest {
		passes += min(r, 1)
	}
	a.fetch = min(64, (128+passes-1)/passes)
	for x := range w.points {
		a.b = &w.weights[(q*w.points+x)*size]
		tile := 0
		a.ahead = 4 * size
		next := func(groups, rows int) {
			if groups*rows > 0 {
				a.a, a.c = &s[x*w.vStep+tile*Block], &s[w.mAt+x*w.mStep+tile*Block]
				a.groups = groups
				w.product(rows, &a)
				tile += groups * rows
				a.ahead += groups * w.depth * (Block / 2) * a.fetch
			}
		}
		next(full, winoRows)
		next(1, rest[0])
		next(1, rest[1])
	}
}
