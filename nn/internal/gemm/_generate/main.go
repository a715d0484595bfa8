// Command _generate writes the AVX2 tile of nn/internal/gemm. Run it through
// generate.sh beside it.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// The tile: rows of the left panel, vectors of eight columns of the right one.
// Twelve sums, two vectors and two broadcasts fill the sixteen registers.
const (
	rows    = 6
	vectors = 2
	lanes   = 8
)

func main() {
	TEXT("tile6x16AVX2", NOSPLIT, "func(k int, a, b, c *float32, ldc int)")
	Doc("tile6x16AVX2 adds to six rows and sixteen columns of c, rows ldc values",
		"apart, what k steps, at least 1, of the packed panels a and b contribute.")
	k := Load(Param("k"), GP64())
	a := Load(Param("a"), GP64())
	b := Load(Param("b"), GP64())
	var sum [rows][vectors]VecVirtual
	for i := range sum {
		for j := range sum[i] {
			sum[i][j] = YMM()
			VXORPS(sum[i][j], sum[i][j], sum[i][j])
		}
	}
	Label("step")
	var right [vectors]VecVirtual
	for j := range right {
		right[j] = YMM()
		VMOVUPS(Mem{Base: b, Disp: 4 * lanes * j}, right[j])
	}
	for i := range sum {
		left := YMM()
		VBROADCASTSS(Mem{Base: a, Disp: 4 * i}, left)
		for j := range right {
			VFMADD231PS(right[j], left, sum[i][j])
		}
	}
	ADDQ(Imm(4*rows), a)
	ADDQ(Imm(4*lanes*vectors), b)
	DECQ(k)
	JNZ(LabelRef("step"))

	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())
	SHLQ(Imm(2), ldc)
	for i := range sum {
		for j := range sum[i] {
			at := Mem{Base: c, Disp: 4 * lanes * j}
			VADDPS(at, sum[i][j], sum[i][j])
			VMOVUPS(sum[i][j], at)
		}
		if i+1 < rows {
			ADDQ(ldc, c)
		}
	}
	VZEROUPPER()
	RET()
	Generate()
}
