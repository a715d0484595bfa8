package neon

import (
	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// moments writes the kernel that sums x-k and (x-k)^2 over a cell of one channel block: eight lanes,
// two vectors.
func moments(a *assembly) {
	a.function("moments", "a", "sums x-k and its square over a cell of one channel block.")
	x, rows, columns, row, left, out := free[0], free[1], free[2], free[3], free[4], free[5]
	sum, square, at, k := [2]vec{0, 1}, [2]vec{2, 3}, [2]vec{4, 5}, [2]vec{6, 7}
	a.load(args, MomentsK, out)
	for i := range 2 {
		a.read(out, 16*i, k[i])
		a.zero(sum[i])
		a.zero(square[i])
	}
	for i, r := range []reg{x, rows, columns, row, out} {
		a.load(args, []int{MomentsX, MomentsRows, MomentsColumns, MomentsRow, MomentsOut}[i], r)
	}
	a.label("row")
	a.op("MOVD %v, %v", columns, left)
	a.label("pixel")
	for i := range 2 {
		a.read(x, 16*i, at[i])
		a.fsub(at[i], k[i], at[i])
		a.fadd(sum[i], at[i], sum[i])
		a.fma(at[i], at[i], square[i])
	}
	a.addImm(32, x)
	a.countDown(left, "pixel")
	a.add(row, x)
	a.countDown(rows, "row")
	for i := range 2 {
		a.write(sum[i], out, 16*i)
		a.write(square[i], out, 32+16*i)
	}
	a.op("RET")
}
