package neon

import "fmt"

func gemmKernels(a *assembly) {
	gemmTile(a, 4)
	gemmTile(a, 2)
	dots(a)
}

// gemmTile writes a tile of six rows of the left operand by so many vectors of
// the right one.
func gemmTile(a *assembly, vectors int) {
	const rows = 6
	s := sums{rows, vectors}
	params := []string{"k", "a", "row", "step", "b", "ldb", "c", "ldc"}
	a.functionOf(fmt.Sprintf("tile%dx%dNEON", rows, 4*vectors),
		fmt.Sprintf("adds to %d rows and %d columns of c, rows ldc values apart,\n", rows, 4*vectors)+
			"// what k steps, at least 1, contribute: of a, whose rows and steps are row and\n"+
			"// step values apart, and of b, whose steps are ldb values apart.", params...)
	k, row, step, b, ldb, c, ldc := free[0], free[1], free[2], free[3], free[4], free[5], free[6]
	from := free[7 : 7+rows]
	for i, r := range []reg{k, from[0], row, step, b, ldb, c, ldc} {
		a.param(i, params[i], r)
	}
	for _, r := range []reg{row, step, ldb, ldc} {
		a.op("LSL $2, %v, %v", r, r)
	}
	for r := 1; r < rows; r++ {
		a.addTo(row, from[r-1], from[r])
	}
	for r := range rows {
		for v := range vectors {
			a.zero(s.acc(r, v))
		}
	}
	a.label("step")
	for r := range rows {
		a.one(from[r], 0, s.factor(r))
		a.add(step, from[r])
	}
	s.step(a, b, 0, 0)
	a.add(ldb, b)
	a.countDown(k, "step")
	for r := range rows {
		for v := range vectors {
			a.read(c, 16*v, s.other(v))
			a.fadd(s.acc(r, v), s.other(v), s.acc(r, v))
			a.write(s.acc(r, v), c, 16*v)
		}
		a.add(ldc, c)
	}
	a.op("RET")
}

// dots writes the products of four rows with three, both read along the sum in
// steps of eight: a sum has two vectors, one for either half of a step.
func dots(a *assembly) {
	const rows, cols = 4, 3
	params := []string{"k", "a", "b", "c"}
	a.functionOf("dot4x3NEON", "writes to c [4,3] the products of four rows of k values each with\n"+
		"// three; k is a multiple of 8 and at least 8.", params...)
	k, c, tmp := free[0], free[1], free[2]
	pointers := free[3 : 3+rows+cols]
	left, right := pointers[:rows], pointers[rows:]
	a.param(0, "k", k)
	for i, list := range [][]reg{left, right} {
		a.param(1+i, params[1+i], tmp)
		for j, r := range list {
			a.load(tmp, 8*j, r)
		}
	}
	a.param(3, "c", c)
	sum := func(i, j, half int) vec { return vec((i*cols+j)*2 + half) }
	x, y := vec(2*rows*cols), func(j int) vec { return vec(2*rows*cols + 1 + j) }
	for v := range x {
		a.zero(v)
	}
	a.label("step")
	for half := range 2 {
		for j, r := range right {
			a.read(r, 16*half, y(j))
		}
		for i, r := range left {
			a.read(r, 16*half, x)
			for j := range right {
				a.fma(x, y(j), sum(i, j, half))
			}
		}
	}
	for _, r := range pointers {
		a.addImm(32, r)
	}
	a.op("SUBS $8, %v, %v", k, k)
	a.op("BNE step")
	for i := range rows {
		for j := range cols {
			v := sum(i, j, 0)
			a.fadd(v, sum(i, j, 1), v)
			a.pairs(v, v, v)
			a.pairs(v, v, v)
			a.op("FMOVS F%d, %d(%v)", int(v), 4*(i*cols+j), c)
		}
	}
	a.op("RET")
}
