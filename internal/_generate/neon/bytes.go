package neon

import (
	"fmt"

	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// byteKernels writes the convolutions of bytes, 16 outputs wide: by matrix products of 2x8 times 8x2
// (USMMLA), by dot products of signed bytes (SDOT), and where pixels have one word of four channels,
// by dot products of signed with unsigned bytes (SUDOT).
func byteKernels(a *assembly) {
	for pixels := 6; pixels >= 4; pixels-- {
		matrixTile(a, pixels)
	}
	for _, d := range []dotTile{{"SDOT", 4}, {"SDOT", 1}, {"SUDOT", 1}} {
		for pixels := 6; pixels >= 4; pixels-- {
			d.write(a, pixels)
		}
	}
}

// tilePixels points first at the pixels of a tile, and moves their list on; it takes two registers.
func tilePixels(a *assembly, x, src int, first []reg, table, base reg) {
	a.load(args, src, table)
	a.load(args, x, base)
	for p, r := range first {
		a.op("MOVW %d(%v), %v", 4*p, table, r)
		a.add(base, r)
	}
	a.addImm(4*len(first), table)
	a.store(table, args, src)
}

// A dotTile is a kernel of dot products of four channels, depth words a tap. SDOT takes both factors for
// signed: bytes have 128 taken off by turning their highest bit, and sums start with what that loses.
type dotTile struct {
	by    string
	depth int
}

func (d dotTile) write(a *assembly, pixels int) {
	s := sums{pixels, quads}
	a.function(fmt.Sprintf("byteTile%dx16x%d%s", pixels, d.depth, d.by), "a",
		fmt.Sprintf("computes tiles of %d pixels by 16 output channels, %d words a tap.", pixels, d.depth))
	table, x, w, taps, left, tap := free[0], free[1], free[2], free[3], free[4], free[5]
	first := free[6 : 6+pixels]
	signed := d.by == "SDOT"

	a.label("tile")
	tilePixels(a, ByteX, ByteSrc, first, table, x)
	if signed {
		a.load(args, ByteStart, table)
		for v := range quads {
			a.read(table, 16*v, s.acc(0, v))
		}
	}
	for i := range s.rows * quads {
		switch {
		case !signed:
			a.zero(vec(i))
		case i >= quads:
			a.copy(vec(i%quads), vec(i))
		}
	}
	a.load(args, ByteW, w)
	a.load(args, ByteTaps, taps)
	a.load(args, ByteNTaps, left)
	a.label("tap")
	a.op("MOVD.P 8(%v), %v", taps, tap)
	high := s.other(0)
	if signed {
		a.op("VMOVI $128, %v.B16", high)
	}
	for p := range pixels {
		if d.depth == 1 {
			a.oneAt(first[p], tap, s.factor(p))
		} else {
			a.readAt(first[p], tap, s.factor(p))
		}
		if signed {
			a.op("VEOR %v.B16, %v.B16, %v.B16", high, s.factor(p), s.factor(p))
		}
	}
	for lane := range d.depth {
		for v := range quads {
			a.read(w, lane*width+16*v, s.other(v))
			for r := range pixels {
				a.dotLane(signed, s.other(v), s.factor(r), lane, s.acc(r, v))
			}
		}
	}
	a.addImm(d.depth*width, w)
	a.countDown(left, "tap")
	res := make([][quads]vec, pixels)
	for v := range quads {
		scale, shift := s.factor(0), s.factor(1)
		a.affine(v, table, scale, shift)
		for p := range res {
			res[p][v] = s.acc(p, v)
			a.toInteger(res[p][v], scale, shift)
		}
	}
	byteStore(a, res)
}

// matrixTile writes a kernel of matrix products: two pixels by two outputs by eight channels each, so that
// three pairs of pixels by eight of outputs are held, 16 channels a tap.
func matrixTile(a *assembly, pixels int) {
	const pairs = 8 // of outputs
	rows := (pixels + 1) / 2
	a.function(fmt.Sprintf("byteTile%dx16x4USMMLA", pixels), "a",
		fmt.Sprintf("computes tiles of %d pixels by 16 output channels, 4 words a tap.", pixels))
	table, x, w, taps, left, tap := free[0], free[1], free[2], free[3], free[4], free[5]
	first := free[6 : 6+pixels]
	acc := func(r, j int) vec { return vec(r*pairs + j) }

	a.label("tile")
	tilePixels(a, ByteX, ByteSrc, first, table, x)
	for i := range rows * pairs {
		a.zero(vec(i))
	}
	a.load(args, ByteW, w)
	a.load(args, ByteTaps, taps)
	a.load(args, ByteNTaps, left)
	a.label("tap")
	a.op("MOVD.P 8(%v), %v", taps, tap)
	at := func(p int) vec { return vec(rows*pairs + p) }
	for p := range pixels {
		a.readAt(first[p], tap, at(p))
	}
	// Of each pair of pixels, channels 0 to 7 and 8 to 15 side by side.
	spare, weights := at(2*rows), at(2*rows+1)
	halves := make([][2]vec, rows)
	for r := range rows {
		one, two := at(2*r), at(min(2*r+1, pixels-1))
		a.lower(one, two, spare)
		a.upper(one, two, at(2*r+1))
		halves[r], spare = [2]vec{spare, at(2*r + 1)}, one
	}
	for half := range 2 {
		for j := range pairs {
			a.read(w, (half*pairs+j)*16, weights)
			for r := range rows {
				a.matrix("usmmla", halves[r][half], weights, acc(r, j))
			}
			weights, spare = spare, weights
		}
	}
	a.addImm(4*width, w)
	a.countDown(left, "tap")
	scale, shift, spare := at(0), at(1), at(2)
	res := make([][quads]vec, 2*rows)
	for v := range quads {
		a.affine(v, table, scale, shift)
		for r := range rows {
			one, two := acc(r, 2*v), acc(r, 2*v+1)
			a.lower(one, two, spare)
			a.upper(one, two, two)
			res[2*r][v], res[2*r+1][v], spare = spare, two, one
			a.toInteger(res[2*r][v], scale, shift)
			a.toInteger(two, scale, shift)
		}
	}
	byteStore(a, res[:pixels])
}

// affine reads scales and shifts of four outputs, by way of table.
func (a *assembly) affine(v int, table reg, scale, shift vec) {
	a.load(args, ByteScale, table)
	a.read(table, 16*v, scale)
	a.load(args, ByteShift, table)
	a.read(table, 16*v, shift)
}

// toInteger turns four sums into round(sum*scale + shift), 0 where that is less.
func (a *assembly) toInteger(sum, scale, shift vec) {
	a.two(0x4e21d800, "scvtf v%d.4s, v%d.4s", sum, sum)
	a.fmul(sum, scale, sum)
	a.fadd(sum, shift, sum)
	a.two(0x6e21a800, "fcvtnu v%d.4s, v%d.4s", sum, sum)
}

// byteStore ends a tile: it narrows what the tile's pixels are, held to 255, and stores it.
func byteStore(a *assembly, res [][quads]vec) {
	table, out, place := free[0], free[1], free[2]
	a.load(args, ByteGroups, out)
	a.load(args, ByteOut, place)
	a.add(place, out)
	a.load(args, ByteDst, table)
	for p, q := range res {
		a.toBytes(q)
		a.op("MOVW %d(%v), %v", 4*p, table, place)
		a.add(out, place)
		a.write(q[0], place, 0)
	}
	a.addImm(4*len(res), table)
	a.store(table, args, ByteDst)
	a.countArg(ByteTiles, table, "tile")
	a.op("RET")
}

// toBytes narrows four vectors of unsigned 32 bits to one of bytes, the first, held to 255.
func (a *assembly) toBytes(q [quads]vec) {
	a.two(0x2e614800, "uqxtn v%d.4h, v%d.4s", q[0], q[0])
	a.two(0x6e614800, "uqxtn2 v%d.8h, v%d.4s", q[1], q[0])
	a.two(0x2e614800, "uqxtn v%d.4h, v%d.4s", q[2], q[2])
	a.two(0x6e614800, "uqxtn2 v%d.8h, v%d.4s", q[3], q[2])
	a.two(0x2e214800, "uqxtn v%d.8b, v%d.8h", q[0], q[0])
	a.two(0x6e214800, "uqxtn2 v%d.16b, v%d.8h", q[2], q[0])
}

// dotLane adds to four sums the products of x's signed bytes, four a sum, with those of one lane of y,
// which are signed or not.
func (a *assembly) dotLane(signed bool, x, y vec, lane int, sum vec) {
	code, name := uint32(0x4f00f000), "sudot"
	if signed {
		code, name = 0x4f80e000, "sdot"
	}
	code |= uint32(lane&1)<<21 | uint32(y)<<16 | uint32(lane>>1)<<11 | uint32(x)<<5 | uint32(sum)
	a.word(code, "%s v%d.4s, v%d.16b, v%d.4b[%d]", name, sum, x, y, lane)
}

// matrix adds to 2x2 sums the products of two rows of x with two of y.
func (a *assembly) matrix(name string, x, y, sum vec) {
	code, kind := uint32(0x4e80ac00), "16b"
	if name == "bfmmla" {
		code, kind = 0x6e40ec00, "8h"
	}
	a.word(code|uint32(y)<<16|uint32(x)<<5|uint32(sum), "%s v%d.4s, v%d.%s, v%d.%s", name, sum, x, kind, y, kind)
}

// lower takes the lower halves of x and y, upper the upper ones.
func (a *assembly) lower(x, y, to vec) {
	a.word(0x4ec02800|uint32(y)<<16|uint32(x)<<5|uint32(to), "trn1 v%d.2d, v%d.2d, v%d.2d", to, x, y)
}

func (a *assembly) upper(x, y, to vec) {
	a.word(0x4ec06800|uint32(y)<<16|uint32(x)<<5|uint32(to), "trn2 v%d.2d, v%d.2d, v%d.2d", to, x, y)
}

// two writes an instruction of one operand: to = op x.
func (a *assembly) two(code uint32, format string, x, to vec) {
	a.word(code|uint32(x)<<5|uint32(to), format, to, x)
}

// oneAt reads the four bytes at base + index into lane 0 and clears the others.
func (a *assembly) oneAt(base, index reg, v vec) {
	a.word(0xbc606800|uint32(index)<<16|uint32(base)<<5|uint32(v), "ldr s%d, [x%d, x%d]", v, base, index)
}
