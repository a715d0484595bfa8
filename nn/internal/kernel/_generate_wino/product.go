package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Offsets of winoProduct's fields.
const (
	productA = 8 * iota
	productB
	productC
	productBlocks
	productAStep
	productCStep
	productGroups
	productAhead
	productFetch
)

// product writes the matrix product of rows tiles by 16 outputs:
// A [blocks][..][8] by block pitch, B [blocks*8][16], C [2][..][8] by pitch.
func product(rows int) {
	name := fmt.Sprintf("winoProduct%d", rows)
	TEXT(name, NOSPLIT, "func(p *byte)")
	Doc(fmt.Sprintf("%s multiplies groups of %d tiles by 16 outputs.", name, rows))
	a, b, c, blocks, aStep := R8, R9, R10, R11, R12
	Load(Param("p"), args)
	fetch, step := R13, R14
	MOVQ(arg(productAStep), aStep)
	MOVQ(arg(productB), fetch)
	ADDQ(arg(productAhead), fetch)
	MOVQ(arg(productFetch), step)
	Label(name + "_group")
	MOVQ(arg(productA), a)
	MOVQ(arg(productB), b)
	MOVQ(arg(productBlocks), blocks)
	acc := func(r, v int) VecPhysical { return ymm[2*r+v] }
	w := []VecPhysical{ymm[12], ymm[13]}
	for r := range rows {
		for v := range 2 {
			VXORPS(acc(r, v), acc(r, v), acc(r, v))
		}
	}
	Label(name + "_block")
	for k := range 8 {
		if k%2 == 0 {
			PREFETCHT1(Mem{Base: fetch})
			ADDQ(step, fetch)
		}
		for v := range 2 {
			VMOVUPS(Mem{Base: b, Disp: (2*k + v) * vec}, w[v])
		}
		for r := range rows {
			x := ymm[14+r%2]
			VBROADCASTSS(Mem{Base: a, Disp: r*vec + 4*k}, x)
			for v := range 2 {
				VFMADD231PS(w[v], x, acc(r, v))
			}
		}
	}
	ADDQ(aStep, a)
	ADDQ(U32(16*vec), b)
	DECQ(blocks)
	JNE(LabelRef(name + "_block"))
	MOVQ(arg(productC), c)
	for r := range rows {
		VMOVUPS(acc(r, 0), Mem{Base: c, Disp: r * vec})
	}
	ADDQ(U32(rows*vec), arg(productA))
	ADDQ(U32(rows*vec), arg(productC))
	ADDQ(arg(productCStep), c)
	for r := range rows {
		VMOVUPS(acc(r, 1), Mem{Base: c, Disp: r * vec})
	}
	DECQ(arg(productGroups))
	JNE(LabelRef(name + "_group"))
	VZEROUPPER()
	RET()
}

// productWide writes the same product as product for AVX-512: all 16 outputs in
// one register, and up to 16 tiles.
func productWide(rows int) {
	name := fmt.Sprintf("winoProductWide%d", rows)
	TEXT(name, NOSPLIT, "func(p *byte)")
	Doc(fmt.Sprintf("%s multiplies groups of %d tiles by 16 outputs.", name, rows))
	a, b, c, blocks, aStep, fetch, step, half := R8, R9, R10, R11, R12, R13, R14, R15
	Load(Param("p"), args)
	MOVQ(arg(productAStep), aStep)
	MOVQ(arg(productB), fetch)
	ADDQ(arg(productAhead), fetch)
	MOVQ(arg(productFetch), step)
	MOVQ(step, half)
	SHRQ(Imm(1), half)
	acc, low := zmm[:rows], ymm[:rows]
	weights := []VecPhysical{zmm[16], zmm[17]}
	Label(name + "_group")
	MOVQ(arg(productA), a)
	MOVQ(arg(productB), b)
	MOVQ(arg(productBlocks), blocks)
	for _, z := range acc {
		VPXORQ(z, z, z)
	}
	Label(name + "_block")
	for k := range 8 {
		if k%2 == 0 {
			PREFETCHT1(Mem{Base: fetch})
			PREFETCHT1(Mem{Base: fetch, Index: half, Scale: 1})
			ADDQ(step, fetch)
		}
		w := weights[k%2]
		VMOVUPS(Mem{Base: b, Disp: 2 * k * vec}, w)
		for r, z := range acc {
			VFMADD231PS_BCST(Mem{Base: a, Disp: r*vec + 4*k}, w, z)
		}
	}
	ADDQ(aStep, a)
	ADDQ(U32(16*vec), b)
	DECQ(blocks)
	JNE(LabelRef(name + "_block"))
	MOVQ(arg(productC), c)
	for r, y := range low {
		VMOVUPS(y, Mem{Base: c, Disp: r * vec})
	}
	ADDQ(U32(rows*vec), arg(productA))
	ADDQ(U32(rows*vec), arg(productC))
	ADDQ(arg(productCStep), c)
	for r, z := range acc {
		VEXTRACTF64X4(Imm(1), z, Mem{Base: c, Disp: r * vec})
	}
	DECQ(arg(productGroups))
	JNE(LabelRef(name + "_group"))
	VZEROUPPER()
	RET()
}
