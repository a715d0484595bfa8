package neon

import (
	"fmt"

	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// product writes the matrix product of rows tiles by 16 outputs:
// A [blocks][..][8] by block pitch, B [blocks*8][16], C [2][..][8] by pitch.
func product(a *assembly, rows int) {
	s := sums{rows, quads}
	a.function(fmt.Sprintf("winoProduct%d", rows), "p",
		fmt.Sprintf("multiplies groups of %d tiles by 16 outputs.", rows))
	from, b, blocks, aStep, fetch, step, c := free[0], free[1], free[2], free[3], free[4], free[5], free[6]
	a.load(args, ProductAStep, aStep)
	a.load(args, ProductB, fetch)
	a.load(args, ProductAhead, step)
	a.add(step, fetch)
	a.load(args, ProductFetch, step)
	a.label("group")
	a.load(args, ProductA, from)
	a.load(args, ProductB, b)
	a.load(args, ProductBlocks, blocks)
	for r := range rows {
		for v := range quads {
			a.zero(s.acc(r, v))
		}
	}
	a.label("block")
	for k := range 8 {
		if k%2 == 0 {
			a.op("PRFM (%v), PLDL2KEEP", fetch)
			a.add(step, fetch)
		}
		if k%4 == 0 {
			for r := range rows {
				a.read(from, 32*r+4*k, s.factor(r))
			}
		}
		s.step(a, b, k*width, k%4)
	}
	a.add(aStep, from)
	a.addImm(8*width, b)
	a.countDown(blocks, "block")
	a.load(args, ProductC, c)
	a.load(args, ProductCStep, from)
	a.add(c, from)
	for r := range rows {
		a.write(s.acc(r, 0), c, 32*r)
		a.write(s.acc(r, 1), c, 32*r+16)
		a.write(s.acc(r, 2), from, 32*r)
		a.write(s.acc(r, 3), from, 32*r+16)
	}
	a.addImm(32*rows, c)
	a.store(c, args, ProductC)
	a.addArg(32*rows, ProductA, b)
	a.countArg(ProductGroups, b, "group")
	a.op("RET")
}

// expand writes the product of a small matrix of float64 and taps x 16 lanes,
// row by row, stored as float64 or narrowed to float32.
func expand(a *assembly, narrow bool) {
	name, doc := "winoExpand16", "multiplies a small matrix by lanes of 16."
	if narrow {
		name, doc = "winoExpandNarrow16", "multiplies a small matrix by lanes of 16 and rounds to float32."
	}
	a.function(name, "e", doc)
	in, matrix, out, rows, taps, step, left := free[0], free[1], free[2], free[3], free[4], free[5], free[6]
	for i, r := range []reg{matrix, out, rows, taps, step} {
		a.load(args, ExpandMatrix+8*i, r)
	}
	const pairs = 8 // vectors of two float64
	factor, x := vec(pairs), vec(pairs+1)
	a.label("row")
	for v := vec(0); v < pairs; v++ {
		a.zero(v)
	}
	a.load(args, ExpandIn, in)
	a.op("MOVD %v, %v", taps, left)
	a.label("tap")
	a.op("VLD1R.P 8(%v), [%v.D2]", matrix, factor)
	for v := vec(0); v < pairs; v++ {
		a.read(in, 16*int(v), x+v)
		a.op("VFMLA %v.D2, %v.D2, %v.D2", factor, x+v, v)
	}
	a.addImm(16*pairs, in)
	a.countDown(left, "tap")
	for v := vec(0); v < pairs; v++ {
		if !narrow {
			a.write(v, out, 16*int(v))
			continue
		}
		half := x + v/2
		a.narrow(v, v%2 == 1, half)
		if v%2 == 1 {
			a.write(half, out, 8*int(v-1))
		}
	}
	a.add(step, out)
	a.countDown(rows, "row")
	a.op("RET")
}
