package wino

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/c236555e/rehead/internal/_generate/avx"
	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// multiply writes the matrix product of rows tiles by 16 outputs:
// A [blocks][..][8] by block pitch, B [blocks*8][16], C [2][..][8] by pitch.
func multiply(rows int) {
	name := fmt.Sprintf("winoProduct%d", rows)
	avx.Func(name, "p", fmt.Sprintf("multiplies groups of %d tiles by 16 outputs.", rows))
	a, b, c, blocks, aStep := R8, R9, R10, R11, R12
	fetch, step := R13, R14
	MOVQ(avx.Arg(ProductAStep), aStep)
	MOVQ(avx.Arg(ProductB), fetch)
	ADDQ(avx.Arg(ProductAhead), fetch)
	MOVQ(avx.Arg(ProductFetch), step)
	Label(name + "_group")
	MOVQ(avx.Arg(ProductA), a)
	MOVQ(avx.Arg(ProductB), b)
	MOVQ(avx.Arg(ProductBlocks), blocks)
	acc := func(r, v int) VecPhysical { return avx.Y[2*r+v] }
	w := []VecPhysical{avx.Y[12], avx.Y[13]}
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
			x := avx.Y[14+r%2]
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
	MOVQ(avx.Arg(ProductC), c)
	for r := range rows {
		VMOVUPS(acc(r, 0), Mem{Base: c, Disp: r * vec})
	}
	ADDQ(U32(rows*vec), avx.Arg(ProductA))
	ADDQ(U32(rows*vec), avx.Arg(ProductC))
	ADDQ(avx.Arg(ProductCStep), c)
	for r := range rows {
		VMOVUPS(acc(r, 1), Mem{Base: c, Disp: r * vec})
	}
	DECQ(avx.Arg(ProductGroups))
	JNE(LabelRef(name + "_group"))
	VZEROUPPER()
	RET()
}

// multiplyWide writes the same product as multiply for AVX-512: all 16 outputs in
// one register, and up to 16 tiles.
func multiplyWide(rows int) {
	name := fmt.Sprintf("winoProductWide%d", rows)
	avx.Func(name, "p", fmt.Sprintf("multiplies groups of %d tiles by 16 outputs.", rows))
	a, b, c, blocks, aStep, fetch, step, half := R8, R9, R10, R11, R12, R13, R14, R15
	MOVQ(avx.Arg(ProductAStep), aStep)
	MOVQ(avx.Arg(ProductB), fetch)
	ADDQ(avx.Arg(ProductAhead), fetch)
	MOVQ(avx.Arg(ProductFetch), step)
	MOVQ(step, half)
	SHRQ(Imm(1), half)
	acc, low := avx.Z[:rows], avx.Y[:rows]
	weights := []VecPhysical{avx.Z[16], avx.Z[17]}
	Label(name + "_group")
	MOVQ(avx.Arg(ProductA), a)
	MOVQ(avx.Arg(ProductB), b)
	MOVQ(avx.Arg(ProductBlocks), blocks)
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
	MOVQ(avx.Arg(ProductC), c)
	for r, y := range low {
		VMOVUPS(y, Mem{Base: c, Disp: r * vec})
	}
	ADDQ(U32(rows*vec), avx.Arg(ProductA))
	ADDQ(U32(rows*vec), avx.Arg(ProductC))
	ADDQ(avx.Arg(ProductCStep), c)
	for r, z := range acc {
		VEXTRACTF64X4(Imm(1), z, Mem{Base: c, Disp: r * vec})
	}
	DECQ(avx.Arg(ProductGroups))
	JNE(LabelRef(name + "_group"))
	VZEROUPPER()
	RET()
}

// multiplyPairs writes the product for blocks of 16 channels: A [blocks][..][16] by block pitch,
// B [blocks*16][16], C [..][16]. Of two neighbouring channels the odd one is added first, as in dot
// products of pairs. Half a block is a turn of the loop.
func multiplyPairs(rows int) {
	name := fmt.Sprintf("winoProductPairs%d", rows)
	avx.Func(name, "p", fmt.Sprintf("multiplies groups of %d tiles by 16 outputs.", rows))
	a, b, c, halves, fetch, step, half := R8, R9, R10, R11, R13, R14, R15
	next, afterNext := RAX, R12 // from one half block to the next, and from that one
	MOVQ(avx.Arg(ProductB), fetch)
	ADDQ(avx.Arg(ProductAhead), fetch)
	MOVQ(avx.Arg(ProductFetch), step)
	MOVQ(step, half)
	SHRQ(Imm(1), half)
	acc := avx.Z[:rows]
	weights := []VecPhysical{avx.Z[16], avx.Z[17]}
	Label(name + "_group")
	MOVQ(avx.Arg(ProductA), a)
	MOVQ(avx.Arg(ProductB), b)
	MOVQ(avx.Arg(ProductBlocks), halves)
	SHLQ(Imm(1), halves)
	MOVQ(U32(vec), next)
	MOVQ(avx.Arg(ProductAStep), afterNext)
	SUBQ(next, afterNext)
	for _, z := range acc {
		VPXORQ(z, z, z)
	}
	Label(name + "_half")
	for i := range 8 {
		k := i ^ 1
		if i%2 == 0 {
			PREFETCHT1(Mem{Base: fetch})
			PREFETCHT1(Mem{Base: fetch, Index: half, Scale: 1})
			ADDQ(step, fetch)
		}
		w := weights[k%2]
		VMOVUPS(Mem{Base: b, Disp: 2 * k * vec}, w)
		for r, z := range acc {
			VFMADD231PS_BCST(Mem{Base: a, Disp: 2*r*vec + 4*k}, w, z)
		}
	}
	ADDQ(next, a)
	XCHGQ(next, afterNext)
	ADDQ(U32(16*vec), b)
	DECQ(halves)
	JNE(LabelRef(name + "_half"))
	MOVQ(avx.Arg(ProductC), c)
	for r, z := range acc {
		VMOVUPS(z, Mem{Base: c, Disp: 2 * r * vec})
	}
	ADDQ(U32(2*rows*vec), avx.Arg(ProductA))
	ADDQ(U32(2*rows*vec), avx.Arg(ProductC))
	DECQ(avx.Arg(ProductGroups))
	JNE(LabelRef(name + "_group"))
	VZEROUPPER()
	RET()
}
