package kernel

import (
	"fmt"
	"math"
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
// more than 1 along one, with stride 1, or 2 for 3 taps and float32.
func Tilings(s *Spec) []Tiling {
	if s.Planar || s.KH*s.KW == 1 {
		return nil
	}
	if s.Floats && (s.KH == 1 || s.KW == 1) {
		return nil
	}
	if s.KH == 1 && (s.PadTop != 0 || s.Out.H > s.In.H) || s.KW == 1 && (s.PadLeft != 0 || s.Out.W > s.In.W) {
		return nil
	}
	var list []Tiling
	for _, h := range sides(s.KH, s.StrideH) {
		for _, w := range sides(s.KW, s.StrideW) {
			if s.Pairs && (s.StrideH > 1 || s.StrideW > 1 || s.KH == 5 && h == 2 || s.KW == 5 && w == 2) {
				continue
			}
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
	filter  []float64 // the filter transform, [n][r]
	step    int       // floats from one input element to the next along this side
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
		s.filter = []float64{1}
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
		return nil, fmt.Errorf("kernel: Winograd convolution: no tiling %dx%d of a %dx%d kernel with stride "+
			"%dx%d: choose one of %v",
			t.H, t.W, s.KH, s.KW, s.StrideH, s.StrideW, Tilings(&s))
	}
	if err := s.validatePairs(set); err != nil {
		return nil, err
	}
	w := &winograd{level: set.level, in: s.In, out: s.Out, pairs: s.Pairs, floats: s.Floats, lanes: s.block()}
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
	w.depth = s.inBlocks()
	w.pack(&s)
	w.split(threads)
	return w, nil
}

// winograd is a fast convolution. It is immutable once made.
type winograd struct {
	level   level
	pairs   bool // out is of bfloat16, and in unless it is floats
	floats  bool
	lanes   int // channels of a block, and floats of a vector of the scratch memory
	in, out Tensor
	v, h    side // down, across
	points  int
	depth   int // input channel blocks of that many lanes
	floor   float32
	weights []float32 // [panel][point][depth*lanes][16]
	bias    []float32 // [panels*16]
	zeros   []float32 // what lies outside the input
	size    int       // tiles of a part, at most
	parts   []winoPart
	// The scratch memory: transformed input, products, one row of tiles half
	// transformed, and a place for outputs beyond the edge.
	vStep, mStep    int // floats from one point to the next
	mAt, lineAt     int
	lineStep, waste int
	rawAt           int // lines of a float32 input, blocks side by side
	scratch         int
}

// A winoPart is some tiles for some panels.
type winoPart struct{ tile, tiles, panel, panels int }

func (w *winograd) Algorithm() string {
	name := fmt.Sprintf("winograd F(%dx%d,%dx%d)", w.v.m, w.h.m, w.v.r, w.h.r)
	if w.pairs {
		name = "bfloat16 " + name
	}
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
	winoRows    = 6         // tiles that a micro-kernel multiplies at once,
	winoWide    = 16        // and one for AVX-512
)

// split divides the work: into blocks of tiles whose transforms fit the cache,
// as many as there are threads if the blocks do not become too small or the
// weights, which each reads, are too large; then, if that leaves threads idle,
// into groups of panels, each of which transforms the input again.
func (w *winograd) split(threads int) {
	tiles := w.v.tiles * w.h.tiles
	panels := len(w.bias) / winoWidth
	perTile := 4 * w.points * w.depth * w.lanes
	most := max(winoTiles, winoCache/perTile)
	blocks := (tiles + most - 1) / most
	threads = max(1, threads)
	if 4*len(w.weights) <= winoWeights {
		even := (blocks + threads - 1) / threads * threads
		blocks = max(blocks, min(even, tiles/(2*winoRows)))
	}
	w.size = w.evenTiles(tiles, blocks)
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
func (w *winograd) evenTiles(tiles, blocks int) int {
	size := (tiles + blocks - 1) / blocks
	best := size
	for s := size; s < size+winoRows && s <= tiles; s++ {
		if rowTime(w.level, s) < rowTime(w.level, best) {
			best = s
		}
	}
	return best
}

// place lays out the scratch memory. Steps between points are odd numbers of
// cache lines, lest all points of a tile fall into the same cache set.
func (w *winograd) place() {
	const line = 16 // floats of a cache line
	odd := func(n int) int { return ((n+line-1)/line | 1) * line }
	w.vStep = odd(w.depth * w.size * w.lanes)
	w.mStep = odd(w.size * winoWidth)
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
		w.lineStep = odd(max((run-1)*w.h.advance+w.h.n, run*w.h.m) * w.lanes)
		n += w.v.n * w.lineStep
		if w.floats {
			w.rawAt = n
			n += w.v.n * w.lineStep
		}
		w.zeros = make([]float32, w.in.W*w.lanes)
		w.waste = n
		n += w.h.tiles * w.h.m * Block
	}
	w.scratch = n + line // to align
}
