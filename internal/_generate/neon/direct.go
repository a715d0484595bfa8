package neon

import (
	"fmt"

	. "github.com/c236555e/rehead/internal/_generate/layout"
)

const (
	quads = 4  // vectors of a micro-kernel's 16 outputs
	width = 64 // bytes of them
)

// sums is a register tile of rows x vectors of sums: the first registers. With
// six rows of four vectors, one factor of each row and two vectors of the other
// factor fill all 32.
type sums struct{ rows, vectors int }

func (s sums) acc(r, v int) vec { return vec(r*s.vectors + v) }
func (s sums) factor(r int) vec { return vec(s.rows*s.vectors + r) }
func (s sums) other(v int) vec  { return vec(s.rows*(s.vectors+1) + v%2) }

// step adds to all sums the products of one lane of each row's factor with the
// values at off.
func (s sums) step(a *assembly, base reg, off, lane int) {
	for v := range s.vectors {
		a.read(base, off+16*v, s.other(v))
		for r := range s.rows {
			a.fmaLane(s.other(v), s.factor(r), lane, s.acc(r, v))
		}
	}
}

func directKernels(a *assembly) {
	for pixels := 6; pixels >= 4; pixels-- {
		directTile(a, pixels, 8)
	}
	directTile(a, 6, 1)
}

// directTile writes a micro-kernel of the direct convolution: pixels x 16
// outputs stay in registers through the whole sum; each tap has depth input
// channels.
func directTile(a *assembly, pixels, depth int) {
	s := sums{pixels, quads}
	a.function(fmt.Sprintf("tile%dx16x%dNEON", pixels, depth), "a",
		fmt.Sprintf("computes tiles of %d pixels by 16 output channels, %d input channels a tap.", pixels, depth))
	table, x, w, taps, left, tap := free[0], free[1], free[2], free[3], free[4], free[5]
	first, here := free[6:6+pixels], free[6+pixels:]

	a.label("tile")
	tilePixels(a, TileX, TileSrc, first, table, x)
	a.load(args, TileBias, table)
	for v := range quads {
		a.read(table, 16*v, s.acc(0, v))
	}
	for p := 1; p < pixels; p++ {
		for v := range quads {
			a.copy(s.acc(0, v), s.acc(p, v))
		}
	}
	a.load(args, TileW, w)
	a.load(args, TileTaps, taps)
	a.load(args, TileNTaps, left)

	a.label("tap")
	a.op("MOVD.P 8(%v), %v", taps, tap)
	for p := range pixels {
		a.addTo(tap, first[p], here[p])
	}
	if depth == 1 {
		for p := range pixels {
			a.one(here[p], 0, s.factor(p))
		}
		s.step(a, w, 0, 0)
	}
	for c := 0; c+4 <= depth; c += 4 {
		for p := range pixels {
			a.read(here[p], 4*c, s.factor(p))
		}
		for lane := range 4 {
			s.step(a, w, (c+lane)*width, lane)
		}
	}
	a.addImm(depth*width, w)
	a.countDown(left, "tap")
	res := make([][quads]vec, pixels)
	for p := range res {
		for v := range quads {
			res[p][v] = s.acc(p, v)
		}
	}
	directStore(a, res, s.other(0))
}

// directStore ends a tile: it clamps what its pixels are if asked to, by way of none, and stores it. Of
// each pixel the second channel block is stored first, so that with a plane
// pitch of 0 the first one overwrites it.
func directStore(a *assembly, res [][quads]vec, none vec) {
	table, out, plane, low, high, flags := free[0], free[1], free[2], free[3], free[4], free[5]
	a.load(args, TileFlags, flags)
	a.op("TBZ $0, %v, store", flags)
	a.zero(none)
	for _, q := range res {
		for _, v := range q {
			a.fmax(v, none, v)
		}
	}
	a.label("store")
	a.load(args, TilePlane, plane)
	a.load(args, TileOut, out)
	a.load(args, TileDst, table)
	for p, q := range res {
		a.op("MOVW %d(%v), %v", 4*p, table, low)
		a.add(out, low)
		a.addTo(plane, low, high)
		a.write(q[2], high, 0)
		a.write(q[3], high, 16)
		a.write(q[0], low, 0)
		a.write(q[1], low, 16)
	}
	a.addImm(4*len(res), table)
	a.store(table, args, TileDst)
	a.countArg(TileTiles, table, "tile")
	a.op("RET")
}
