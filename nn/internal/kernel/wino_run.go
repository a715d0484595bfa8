package kernel

import "unsafe"

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
	// to move on after every second row of b: by one cache line at most with
	// AVX2, two with AVX-512.
	ahead, fetch int
}

// Run computes one part.
func (w *winograd) Run(part int, out, in, scratch []float32) {
	p := w.parts[part]
	// The kernels check no bounds: these stand for all of theirs.
	_ = in[:w.in.Index((Blocks(w.in.C)-1)*Block, w.in.H-1, w.in.W-1)+Block]
	_ = out[:w.out.Index((Blocks(w.out.C)-1)*Block, w.out.H-1, w.out.W-1)+Block]
	_ = scratch[:w.scratch]
	s := scratch[alignment(scratch):]
	if w.flat() {
		w.forwardFlat(p, in, s)
	} else {
		w.forwardTiles(p, in, s)
	}
	for q := p.panel; q < p.panel+p.panels; q++ {
		w.multiply(p, q, s)
		each := winoWidth / w.lanes // blocks of a panel
		for b := each * q; b < min(each*(q+1), Blocks(w.out.C)); b++ {
			if w.flat() {
				w.inverseFlat(p, b, out, s)
			} else {
				w.inverseTiles(p, b, out, s)
			}
		}
	}
}

// forwardAny applies the input transform of side x, to the tensor itself or to what is half
// transformed.
func (w *winograd) forwardAny(x *side, tensor bool, l *winoLines) {
	if w.pairs {
		forwardPairs(x.n, tensor, l)
	} else {
		w.forward(x, l)
	}
}

// inverseAny applies the output transform of side x; the last one of a convolution adds the bias and
// clamps.
func (w *winograd) inverseAny(x *side, last bool, l *winoLines) {
	if w.pairs {
		inversePairs(x.m, x.n, last, l)
	} else {
		w.inverse(x, last, l)
	}
}

// forwardFlat transforms the input of the tiles of p along the only side.
func (w *winograd) forwardFlat(p winoPart, in, s []float32) {
	along, across := w.order()
	l := winoLines{
		inStep: 4 * across.step, outStep: 4 * w.lanes,
		inLine: 4 * w.in.Plane, outLine: 4 * p.tiles * w.lanes, coef: unsafe.SliceData(along.forward),
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
				l.out[x] = &s[x*w.vStep+(b*p.tiles+t-p.tile)*w.lanes]
			}
			w.forwardAny(along, true, &l)
		}
	}
}

// inverseFlat transforms the products of the tiles of p for output block b.
func (w *winograd) inverseFlat(p winoPart, b int, out, s []float32) {
	along, across := w.order()
	l := winoLines{
		inStep: 4 * w.lanes, outStep: 4 * across.outStep,
		coef: unsafe.SliceData(along.inverse), bias: &w.bias[b*w.lanes], floor: w.floor,
	}
	for t := p.tile; t < p.tile+p.tiles; t += l.n {
		i, k := t/across.outLen, t%across.outLen
		l.n, l.lines = min(across.outLen-k, p.tile+p.tiles-t), 1
		for x := range along.n {
			l.in[x] = &s[w.productAt(p, b, x, t)]
		}
		for y := range along.m {
			if at := i*along.m + y; at < along.outLen {
				l.out[y] = &out[w.out.Off+b*w.out.Plane+at*along.outStep+k*across.outStep]
			} else {
				l.out[y] = &s[w.waste]
			}
		}
		w.inverseAny(along, true, &l)
	}
}

// productAt returns where the product of point x, tile t and output block b lies.
func (w *winograd) productAt(p winoPart, b, x, t int) int {
	half := b % (winoWidth / w.lanes)
	return w.mAt + x*w.mStep + (half*p.tiles+t-p.tile)*w.lanes
}

// forwardTiles transforms the input of the tiles of p: down into lines, then
// across, a run of tiles side by side at a time.
func (w *winograd) forwardTiles(p winoPart, in, s []float32) {
	down := winoLines{inStep: 4 * Block, outStep: 4 * w.lanes, coef: unsafe.SliceData(w.v.forward)}
	if w.floats {
		down.inStep = 4 * w.lanes
	}
	across := winoLines{
		inStep: 4 * w.h.advance * w.lanes, outStep: 4 * w.lanes,
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
			clear(lines[y*w.lineStep:][:lo*w.lanes])
			clear(lines[y*w.lineStep+hi*w.lanes:][:(cols-hi)*w.lanes])
		}
		for b := range w.depth {
			if hi > lo {
				if w.floats {
					w.joinDown(&down, in, s[w.rawAt:], tileRows{b, y0, x0 + lo, hi - lo})
				} else {
					w.forwardDown(&down, in, b, y0, x0+lo)
				}
				for y := range w.v.n {
					down.out[y] = &lines[y*w.lineStep+lo*w.lanes]
				}
				down.n, down.lines = hi-lo, 1
				w.forwardAny(&w.v, !w.floats, &down)
			}
			across.lines = w.v.n
			for x := range w.h.n {
				across.in[x] = &lines[x*w.lanes]
				across.out[x] = &s[x*w.vStep+(b*p.tiles+t-p.tile)*w.lanes]
			}
			w.forwardAny(&w.h, false, &across)
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

// tileRows are the rows of some tiles: of input block b, from row y and column x on, so many columns.
type tileRows struct{ b, y, x, cols int }

// joinDown copies rows of a float32 input to raw, sixteen lanes a pixel, and points l at them.
func (w *winograd) joinDown(l *winoLines, in, raw []float32, r tileRows) {
	for y := range w.v.n {
		at := r.y + y
		if at < 0 || at >= w.in.H {
			l.in[y] = &w.zeros[0]
			continue
		}
		even := w.in.Off + 2*r.b*w.in.Plane + at*w.in.Row + r.x*Block
		var odd []float32
		if 2*r.b+1 < Blocks(w.in.C) {
			odd = in[even+w.in.Plane:]
		}
		to := raw[y*w.lineStep:]
		joinBlocks(to, in[even:], odd, r.cols)
		l.in[y] = &to[0]
	}
}

// inverseTiles transforms the products of the tiles of p for output block b:
// across into lines, then down.
func (w *winograd) inverseTiles(p winoPart, b int, out, s []float32) {
	across := winoLines{
		inStep: 4 * w.lanes, outStep: 4 * w.h.m * w.lanes,
		inLine: 4 * w.h.n * w.mStep, outLine: 4 * w.lineStep, coef: unsafe.SliceData(w.h.inverse),
	}
	down := winoLines{
		inStep: 4 * w.lanes, outStep: 4 * Block, coef: unsafe.SliceData(w.v.inverse),
		bias: &w.bias[b*w.lanes], floor: w.floor,
	}
	lines := s[w.lineAt:]
	for t := p.tile; t < p.tile+p.tiles; t += across.n {
		i, j := t/w.h.tiles, t%w.h.tiles
		across.n, across.lines = min(w.h.tiles-j, p.tile+p.tiles-t), w.v.n
		for x := range w.h.n {
			across.in[x] = &s[w.productAt(p, b, x, t)]
		}
		for x := range w.h.m {
			across.out[x] = &lines[x*w.lanes]
		}
		run := across.n
		w.inverseAny(&w.h, false, &across)
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
		w.inverseAny(&w.v, true, &down)
	}
}

// A rowGroup is a number of micro-kernel calls on so many tiles each.
type rowGroup struct{ rows, count int }

// rowGroups says how many tiles to multiply at a time. AVX2 takes as many full
// groups as leave no remainder of one to three, which would take as long as
// four; AVX-512 takes groups as even as can be.
func rowGroups(l level, tiles int) [3]rowGroup {
	if l == levelAVX512 {
		n := (tiles + winoWide - 1) / winoWide
		few := tiles / n
		return [3]rowGroup{{few + 1, tiles % n}, {few, n - tiles%n}}
	}
	full, r := tiles/winoRows, tiles%winoRows
	switch {
	case r == 0:
		return [3]rowGroup{{winoRows, full}}
	case r > 3 || full == 0:
		return [3]rowGroup{{winoRows, full}, {r, 1}}
	}
	r += winoRows
	return [3]rowGroup{{winoRows, full - 1}, {(r + 1) / 2, 1}, {r / 2, 1}}
}

// rowTime returns the time that the products of that many tiles take, in
// thousandths of what a tile takes in a full group.
func rowTime(l level, tiles int) int {
	few := [...]int{0, 4000, 4000, 4050, 4350, 5300} // with AVX2, as measured
	time := 0
	for _, g := range rowGroups(l, tiles) {
		switch {
		case l == levelAVX512:
			time += g.count * max(4, g.rows) * 1000
		case g.rows < len(few):
			time += g.count * few[g.rows]
		default:
			time += g.count * g.rows * 1000
		}
	}
	return time
}

// multiply computes the products of the tiles of p and panel q, point by point.
func (w *winograd) multiply(p winoPart, q int, s []float32) {
	groups := rowGroups(w.level, p.tiles)
	size := w.depth * w.lanes * winoWidth
	a := winoProduct{blocks: w.depth, aStep: 4 * p.tiles * w.lanes, cStep: 4 * p.tiles * w.lanes}
	passes := 0
	for _, g := range groups {
		passes += g.count
	}
	a.fetch = (128 + passes - 1) / passes
	if w.level != levelAVX512 {
		a.fetch = min(64, a.fetch)
	}
	for x := range w.points {
		a.b = &w.weights[(q*w.points+x)*size]
		a.ahead = 4 * size
		tile := 0
		for _, g := range groups {
			if g.count == 0 {
				continue
			}
			a.a, a.c = &s[x*w.vStep+tile*w.lanes], &s[w.mAt+x*w.mStep+tile*w.lanes]
			a.groups = g.count
			if w.pairs {
				productPairs(g.rows, &a)
			} else {
				w.product(g.rows, &a)
			}
			tile += g.count * g.rows
			a.ahead += g.count * w.depth * (w.lanes / 2) * a.fetch
		}
	}
}
