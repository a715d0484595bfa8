package gemm

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/c236555e/rehead/internal/_generate/avx"
)

// pairTile writes a tile of words of two bfloat16: 12 rows by 32 or 16 columns. DotPairs takes physical
// registers: sums, then what is read of the right operand, then two broadcasts in turn.
func pairTile(vectors int) {
	const rows, bytes = 12, 64
	name := fmt.Sprintf("tile%dx%dPairs", rows, 16*vectors)
	TEXT(name, NOSPLIT, "func(k int, a *float32, row, step int, b *float32, ldb int, c *float32, ldc int)")
	Doc(fmt.Sprintf("%s adds to %d rows and %d columns of c, rows ldc values apart, what k", name, rows, 16*vectors),
		"steps of two bfloat16, at least 1, contribute: of a, whose rows and steps are row and step",
		"words apart, and of b, whose steps are ldb words apart.")
	k := Load(Param("k"), GP64())
	row := Load(Param("row"), GP64())
	SHLQ(Imm(2), row)
	var left [rows / 3]Register // one pointer for every three rows
	left[0] = Load(Param("a"), GP64())
	for i := 1; i < len(left); i++ {
		p := GP64()
		LEAQ(Mem{Base: left[i-1], Index: row, Scale: 2}, p)
		ADDQ(row, p)
		left[i] = p
	}
	step := Load(Param("step"), GP64())
	SHLQ(Imm(2), step)
	b := Load(Param("b"), GP64())
	ldb := Load(Param("ldb"), GP64())
	SHLQ(Imm(2), ldb)

	sum := func(i, j int) VecPhysical { return avx.Z[i*vectors+j] }
	right := avx.Z[rows*vectors:][:vectors]
	spread := avx.Z[rows*vectors+vectors:][:2]
	for i := range rows * vectors {
		VPXORD(avx.Z[i], avx.Z[i], avx.Z[i])
	}
	Label(name + "step")
	for j := range right {
		VMOVUPS(Mem{Base: b, Disp: bytes * j}, right[j])
	}
	for i := range rows {
		from := Mem{Base: left[i/3]}
		if i%3 > 0 {
			from.Index, from.Scale = row, uint8(i%3)
		}
		VBROADCASTSS(from, spread[i%2])
		for j := range right {
			avx.DotPairs(right[j], spread[i%2], sum(i, j))
		}
	}
	for i := range left {
		ADDQ(step, left[i])
	}
	ADDQ(ldb, b)
	DECQ(k)
	JNZ(LabelRef(name + "step"))

	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())
	SHLQ(Imm(2), ldc)
	for i := range rows {
		for j := range vectors {
			at := Mem{Base: c, Disp: bytes * j}
			VADDPS(at, sum(i, j), sum(i, j))
			VMOVUPS(sum(i, j), at)
		}
		if i+1 < rows {
			ADDQ(ldc, c)
		}
	}
	VZEROUPPER()
	RET()
}

// turnPairs writes what makes words of two rows of words of two columns.
func turnPairs() {
	const words = 16
	var index [2]Mem // of the lower and the upper columns; 32 and up: of the second row
	for half := range index {
		index[half] = GLOBL([]string{"turnLower", "turnUpper"}[half], RODATA|NOPTR)
		for i := range 2 * words {
			DATA(2*i, U16(half*words+i/2+32*(i%2)))
		}
	}
	TEXT("turnPairs", NOSPLIT, "func(n int, from *float32, line int, to *float32)")
	Doc("turnPairs reads 16 words of two columns each from 2*n rows, line words apart, and writes n times 32 words,",
		"one a column, of two rows each.")
	n := Load(Param("n"), GP64())
	from := Load(Param("from"), GP64())
	line := Load(Param("line"), GP64())
	SHLQ(Imm(2), line)
	to := Load(Param("to"), GP64())
	lower, upper := ZMM(), ZMM()
	VMOVDQU16(index[0], lower)
	VMOVDQU16(index[1], upper)
	Label("turnstep")
	first, low, high := ZMM(), ZMM(), ZMM()
	VMOVDQU16(Mem{Base: from}, first)
	VMOVDQU16(Mem{Base: from, Index: line, Scale: 1}, low)
	VMOVDQA64(lower, high)
	VPERMI2W(low, first, high)
	VMOVDQU16(high, Mem{Base: to})
	VMOVDQA64(upper, high)
	VPERMI2W(low, first, high)
	VMOVDQU16(high, Mem{Base: to, Disp: 4 * words})
	LEAQ(Mem{Base: from, Index: line, Scale: 2}, from)
	ADDQ(Imm(8*words), to)
	DECQ(n)
	JNZ(LabelRef("turnstep"))
	VZEROUPPER()
	RET()
}
