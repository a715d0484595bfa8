package neon

import (
	"fmt"

	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// bfloat16Kernels writes what is done with values of float32 that bfloat16 can hold.
func bfloat16Kernels(a *assembly) {
	for pixels := 6; pixels >= 4; pixels-- {
		roundedTile(a, pixels)
	}
	roundKernel(a)
}

// roundedTile writes a micro-kernel of the direct convolution by matrix products of bfloat16: two pixels by
// two outputs by four channels each, so that three pairs of pixels by eight of outputs are held, eight
// channels a tap. The input's values are upper halves of words.
func roundedTile(a *assembly, pixels int) {
	const pairs = 8 // of outputs
	rows := (pixels + 1) / 2
	a.function(fmt.Sprintf("tile%dx16x8BFMMLA", pixels), "a",
		fmt.Sprintf("computes tiles of %d pixels by 16 output channels, 8 input channels a tap.", pixels))
	table, x, w, taps, left, tap, next := free[0], free[1], free[2], free[3], free[4], free[5], free[6]
	first := free[7 : 7+pixels]
	acc := func(r, j int) vec { return vec(r*pairs + j) }
	spare := func(i int) vec { return vec(rows*pairs + i) }

	a.label("tile")
	tilePixels(a, TileX, TileSrc, first, table, x)
	a.load(args, TileBias, table)
	for v := range quads {
		a.read(table, 16*v, spare(0))
		for lane := range 2 {
			a.op("VDUP %v.D[%d], %v.D2", spare(0), lane, acc(0, 2*v+lane))
		}
	}
	for i := pairs; i < rows*pairs; i++ {
		a.copy(vec(i%pairs), vec(i))
	}
	a.load(args, TileW, w)
	a.load(args, TileTaps, taps)
	a.load(args, TileNTaps, left)
	a.label("tap")
	a.op("MOVD.P 8(%v), %v", taps, tap)
	a.op("ADD $16, %v, %v", tap, next)
	for half, at := range []reg{tap, next} {
		for r := range rows {
			a.readAt(first[2*r], at, spare(r))
			a.readAt(first[min(2*r+1, pixels-1)], at, spare(rows))
			a.word(0x4e405800|uint32(spare(rows))<<16|uint32(spare(r))<<5|uint32(spare(r)), "uzp2 v%d.8h, v%d.8h, v%d.8h",
				spare(r), spare(r), spare(rows))
		}
		for j := range pairs {
			weights := spare(rows + 1 + j%2)
			a.read(w, (half*pairs+j)*16, weights)
			for r := range rows {
				a.matrix("bfmmla", spare(r), weights, acc(r, j))
			}
		}
	}
	a.addImm(4*width, w)
	a.countDown(left, "tap")
	res, free := make([][quads]vec, 2*rows), spare(0)
	for v := range quads {
		for r := range rows {
			one, two := acc(r, 2*v), acc(r, 2*v+1)
			a.lower(one, two, free)
			a.upper(one, two, two)
			res[2*r][v], res[2*r+1][v], free = free, two, one
		}
	}
	directStore(a, res[:pixels], spare(1))
}

// roundKernel writes the kernel that rounds float32 to what bfloat16 can hold, half to even: numbers below
// 2^-126 become zeros, NaNs quiet ones.
func roundKernel(a *assembly) {
	a.functionOf("roundWords", "rounds so many groups of eight words.", "to", "from", "groups")
	to, from, groups, tmp := free[0], free[1], free[2], free[3]
	for i, r := range []reg{to, from, groups} {
		a.param(i, []string{"to", "from", "groups"}[i], r)
	}
	one, most, exponent, quiet, sign, top := vec(0), vec(1), vec(2), vec(3), vec(4), vec(5)
	for v, value := range []uint32{1, 0x7fff, 0x7f800000, 0x400000, 1 << 31, 0xffff0000} {
		a.op("MOVD $%#x, %v", value, tmp)
		a.op("VDUP %v, %v.S4", tmp, vec(v))
	}
	bits := func(name string, x, y, to vec) { a.op("%s %v.B16, %v.B16, %v.B16", name, x, y, to) }
	a.label("group")
	for half := range 2 {
		x, sum, number, other := vec(6), vec(7), vec(8), vec(9)
		a.read(from, 16*half, x)
		a.op("VUSHR $16, %v.S4, %v.S4", x, sum)
		bits("VAND", one, sum, sum)
		a.op("VADD %v.S4, %v.S4, %v.S4", most, sum, sum)
		a.op("VADD %v.S4, %v.S4, %v.S4", x, sum, sum) // rounded, but for the lower half
		a.three(0x4e20e400, "fcmeq", x, x, number)
		bits("VORR", quiet, x, other)
		bits("VBSL", other, sum, number)
		a.op("VCMTST %v.S4, %v.S4, %v.S4", exponent, x, other)
		bits("VORR", sign, other, other) // a small number keeps its sign alone
		bits("VAND", top, other, other)
		bits("VAND", other, number, number)
		a.write(number, to, 16*half)
	}
	a.addImm(32, from)
	a.addImm(32, to)
	a.countDown(groups, "group")
	a.op("RET")
}
