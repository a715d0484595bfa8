package int8

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/c236555e/rehead/internal/_generate/avx"
	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// generateMoments writes the kernel that sums the bytes of a cell of one channel block, and their
// squares, in 32 bits.
func generateMoments() {
	const name = "byteMoments"
	avx.Func(name, "a", "sums the bytes of a cell of one channel block, and their squares.")
	MOVQ(avx.Arg(MomentsX), R8)
	MOVQ(avx.Arg(MomentsRows), R9)
	MOVQ(avx.Arg(MomentsRow), R10)
	sum, square := avx.Y[:4], avx.Y[4:8]
	for _, y := range avx.Y[:8] {
		VPXOR(y, y, y)
	}
	Label(name + "_row")
	MOVQ(avx.Arg(MomentsColumns), RCX)
	Label(name + "_pixel")
	for i := range sum {
		x := avx.Y[8+i]
		VPMOVZXBD(Mem{Base: R8, Disp: 8 * i}, x)
		VPADDD(x, sum[i], sum[i])
		VPMADDWD(x, x, x)
		VPADDD(x, square[i], square[i])
	}
	ADDQ(Imm(32), R8)
	DECQ(RCX)
	JNE(LabelRef(name + "_pixel"))
	ADDQ(R10, R8)
	DECQ(R9)
	JNE(LabelRef(name + "_row"))
	MOVQ(avx.Arg(MomentsOut), RDI)
	for i, y := range avx.Y[:8] {
		VMOVDQU(y, Mem{Base: RDI, Disp: 32 * i})
	}
	VZEROUPPER()
	RET()
}

// generateFinish writes the kernel that makes moments of the sums of a plane's cells, of eight channels of a
// block of bytes.
func generateFinish() {
	avx.Func("finishBytes", "a", "makes moments of the sums of the cells of a block of bytes, eight channels of it.")
	MOVQ(avx.Arg(PlaneSums), R12)
	const stride, squares = 256, 128
	magic := avx.Y[1]
	avx.Plane{
		Stride: stride, Scale: true,
		Sums: func(m Mem, y int) { VCVTDQ2PD(m, avx.Y[y]) },
		Square: func(half int) { // sums of 64 bits, which become float64 by way of 2^52
			for i := range Cells {
				m := Mem{Base: R12, Disp: stride*i + squares + 16*half}
				if i == 0 {
					VPMOVZXDQ(m, Y0)
					continue
				}
				VPMOVZXDQ(m, magic)
				VPADDQ(magic, Y0, Y0)
			}
			MOVQ(U64(0x433<<52), RAX)
			VMOVQ(RAX, X1)
			VPBROADCASTQ(X1, magic)
			VPOR(magic, Y0, Y0)
			VSUBPD(magic, Y0, Y0)
		},
	}.Finish()
	VZEROUPPER()
	RET()
}
