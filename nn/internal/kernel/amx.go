package kernel

import "unsafe"

// tiled is convolutions of one input and one window by the tile unit, which multiplies 16 pixels by 16
// outputs by 64 bytes of each at once: 64 channels, or 32 of bfloat16. It is immutable once made.
//
// A part copies its pixels to scratch memory first, 64 bytes of each side by side, in an order in which
// what a tap reads lies the same distance from every pixel (see tileOrder). What is computed for pixels
// between the rows is left out.
type tiled struct {
	name         string
	in           int // index of the first element
	w            []int8
	scale, shift []float32 // of bfloat16: the least result, and what is added
	steps        []int     // bytes in the scratch memory from a pixel to each step's channels
	halves       [][2]tileHalf
	gathers      []tileGather
	from         [][]int32 // of each of these, bytes from the first element to each pixel
	order        tileOrder
	groups       []tileGroup
	held         int // pixels of a gather in the scratch memory
	cuts         []tilePart
	kind         tileKind
	fine         bool       // weights of bfloat16 come in two parts
	model        *tileModel // of tests; else nil
	threads      int
}

// tileModel stands for the kernels where they cannot run.
type tileModel struct {
	multiply func(a *tileUnit, kind tileKind, wide int)
	join     func(j *tileJoin, kind tileKind)
}

// A tileKind is what tiles multiply.
type tileKind uint8

const (
	tilesOfBytes  tileKind = iota
	tilesOfPairs           // bfloat16
	tilesOfHalves          // float32 as two bfloat16, to bfloat16
	tilesOfFloats          // float32 as three bfloat16, to float32
)

// tileUnit is what a kernel of the tile unit is handed; the generator knows its layout. The kernels
// count tiles and ahead down.
type tileUnit struct {
	x            *byte    // the first pixel's first 64 bytes; pixels lie 64 bytes apart
	w            *int8    // [steps][16 or 32 outputs by sixteens][16 words][16]
	scale, shift *float32 // of the outputs, as tiled has them
	out          *float32
	steps        *int // bytes from x to each step's channels
	nsteps       int
	dst          *int32 // bytes from out to each pixel, negative for those to leave out
	tiles        int    // groups of 32 pixels
	lone         int    // 1: 16 pixels more
	outs         [2]int // bytes from a pixel in out to each 16 outputs
	sums         *byte  // 4 KB
	shape        *[64]byte
	next         *int8 // weights to fetch
	ahead        int   // groups of pixels until they are
	few          int   // 1: a few groups fetch all of them
	apart        int   // bytes from a part of a pixel's float32 to the next
	plane        int   // bytes from 8 outputs of float32 to the next
}

// tileJoin is pixels to copy: to 64 bytes of each 32 from even and 32 from odd, or zeros if that is nil. Float32
// to be taken apart is 16 numbers, from both, or 32, from even and three planes behind it, whose parts go to
// places apart.
type tileJoin struct {
	to        *float32
	even, odd *float32
	from      *int32 // bytes from even, and from odd, to each pixel
	n         int
	plane     int // bytes
	apart     int // bytes
}

// tileShape configures eight tiles of 16 rows of 64 bytes.
var tileShape = func() (s [64]byte) {
	s[0] = 1 // palette
	for t := range 8 {
		s[16+2*t], s[48+t] = 64, 16
	}
	return s
}()

// A tileGather is 32 bytes of each pixel and 32 others: those of a channel block, and those that lie beyond
// bytes further on, none if that is zero.
type tileGather struct{ block, beyond, phase int }

// A tileHalf is what 32 bytes of a step are multiplied with: the weights of a channel block at a tap. The
// block is negative where there are none, and the part 1 of what weights leave that were rounded once.
type tileHalf struct{ block, tap, part int }

// A tileGroup is 16 or 32 outputs of one convolution.
type tileGroup struct {
	first  int // index of its scales
	wide   int // 1 of 32 outputs
	w      int // index of its weights
	outs   [2]int
	plane  int     // bytes from one channel block to the next
	places []int32 // bytes to each pixel, those between rows included, -1 for these
}

// A tilePart is some tiles of pixels, those between rows included, for some groups of outputs.
type tilePart struct{ tile, tiles, group, groups int }

const (
	tilePixels  = 16
	tileOutputs = 16
	tileRow     = 64 // bytes,
	tileBytes   = 16 * tileRow
	tileWords   = tileBytes / 4
	// A part's pixels fit the cache of a core's own, beside weights, and it is worth a thread's turn.
	tileRoom      = 768 << 10
	tileLeast     = 20000 // cycles
	tileFewTiles  = 8
	tilePartsEach = 2 // of a thread
)

func (t *tiled) Algorithm() string { return t.name }
func (t *tiled) Parts() int        { return len(t.cuts) }

// Scratch has room for the pixels and a group's sums.
func (t *tiled) Scratch() int {
	return (t.planes()*t.held*tileRow+4*tileBytes)/4 + 16
}

// planes is how many times 64 bytes of each pixel there are in the scratch memory.
func (t *tiled) planes() int {
	return t.parts() * len(t.gathers)
}

// parts is how many numbers each one becomes.
func (t *tiled) parts() int {
	if t.kind == tilesOfFloats {
		return 3
	}
	return 1
}

// gather copies the pixels of part p to x.
func (t *tiled) gather(p tilePart, in, x []float32) {
	plane := t.order.plane
	first := p.tile * tilePixels
	j := tileJoin{n: p.tiles*tilePixels + t.order.reach, plane: 4 * plane, apart: t.held * tileRow}
	for i, g := range t.gathers {
		j.to, j.from = &x[t.parts()*i*t.held*tileRow/4], &t.from[i][first]
		from := t.in + g.block*plane
		j.even, j.odd = &in[from], nil
		if g.beyond != 0 {
			j.odd = &in[from+g.beyond/4]
		}
		t.join(&j)
	}
}

func (t *tiled) Run(i int, out, in, scratch []float32) {
	p := t.cuts[i]
	s := scratch[alignment(scratch):]
	sums, x := s[:4*tileWords], s[4*tileWords:]
	t.gather(p, in, x)
	a := tileUnit{
		x: (*byte)(unsafe.Pointer(&x[0])), out: &out[0], steps: &t.steps[0], nsteps: len(t.steps),
		lone: p.tiles % 2, shape: &tileShape, sums: (*byte)(unsafe.Pointer(&sums[0])), apart: t.held * tileRow,
	}
	fetches := tileFetches
	if p.tiles <= tileFewTiles {
		a.few, fetches = 1, tileFetches/tileFewFetch
	}
	groups := t.groups[p.group:][:p.groups]
	for i, g := range groups {
		next := groups[min(i+1, len(groups)-1)]
		a.w, a.next, a.ahead = &t.w[g.w], &t.w[next.w], fetches
		a.dst, a.tiles, a.outs = &g.places[p.tile*tilePixels], p.tiles/2, g.outs
		a.plane = g.plane
		a.scale, a.shift = &t.scale[g.first], &t.shift[g.first]
		t.multiply(&a, g.wide)
	}
}

// join and multiply call the kernels by their names: what is handed over stays on the stack.
func (t *tiled) join(j *tileJoin) {
	if t.model != nil {
		copied := *j
		t.model.join(&copied, t.kind)
		return
	}
	joinTiles(j, t.kind)
}

func (t *tiled) multiply(a *tileUnit, wide int) {
	if t.model != nil {
		copied := *a
		t.model.multiply(&copied, t.kind, wide)
		return
	}
	multiplyTiles(a, t.kind, wide)
}
