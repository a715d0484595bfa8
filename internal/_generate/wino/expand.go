package wino

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/c236555e/rehead/internal/_generate/avx"
	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// expand writes the product of a small matrix of float64 and taps x 16 lanes,
// row by row, stored as float64 or narrowed to float32.
func expand(narrow bool) {
	name, doc := "winoExpand16", "multiplies a small matrix by lanes of 16."
	if narrow {
		name, doc = "winoExpandNarrow16", "multiplies a small matrix by lanes of 16 and rounds to float32."
	}
	avx.Func(name, "e", doc)
	in, matrix, out, rows, taps, step, at := R8, R9, R10, R11, R12, R13, R14
	MOVQ(avx.Arg(ExpandMatrix), matrix)
	MOVQ(avx.Arg(ExpandOut), out)
	MOVQ(avx.Arg(ExpandRows), rows)
	MOVQ(avx.Arg(ExpandTaps), taps)
	MOVQ(avx.Arg(ExpandStep), step)
	acc, c := avx.Y[:4], avx.Y[4]
	Label(name + "_row")
	for _, y := range acc {
		VXORPD(y, y, y)
	}
	MOVQ(avx.Arg(ExpandIn), in)
	MOVQ(taps, at)
	Label(name + "_tap")
	VBROADCASTSD(Mem{Base: matrix}, c)
	for i, y := range acc {
		VFMADD231PD(Mem{Base: in, Disp: i * vec}, c, y)
	}
	ADDQ(Imm(8), matrix)
	ADDQ(U32(4*vec), in)
	DECQ(at)
	JNE(LabelRef(name + "_tap"))
	for i, y := range acc {
		if narrow {
			VCVTPD2PSY(y, avx.X[i])
			VMOVUPS(avx.X[i], Mem{Base: out, Disp: i * vec / 2})
		} else {
			VMOVUPD(y, Mem{Base: out, Disp: i * vec})
		}
	}
	ADDQ(step, out)
	DECQ(rows)
	JNE(LabelRef(name + "_row"))
	VZEROUPPER()
	RET()
}
