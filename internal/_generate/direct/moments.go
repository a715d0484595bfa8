package direct

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/c236555e/rehead/internal/_generate/avx"
	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// generateMoments writes the kernel that sums x-k and (x-k)^2 over a cell of one channel block. Two
// pixels have sums of their own, so that additions need not wait for each other.
func generateMoments() {
	const name = "moments"
	avx.Func(name, "a", "sums x-k and its square over a cell of one channel block.")
	MOVQ(avx.Arg(MomentsX), R8)
	MOVQ(avx.Arg(MomentsK), RDI)
	VMOVUPS(Mem{Base: RDI}, Y8)
	MOVQ(avx.Arg(MomentsRows), R9)
	MOVQ(avx.Arg(MomentsRow), R10)
	for _, y := range avx.Y[:4] {
		VXORPS(y, y, y)
	}
	pixel := func(at, sum int) {
		VMOVUPS(Mem{Base: R8, Disp: 32 * at}, avx.Y[4+at])
		VSUBPS(Y8, avx.Y[4+at], avx.Y[4+at])
		VADDPS(avx.Y[4+at], avx.Y[sum], avx.Y[sum])
		VFMADD231PS(avx.Y[4+at], avx.Y[4+at], avx.Y[sum+1])
	}
	Label(name + "_row")
	MOVQ(avx.Arg(MomentsColumns), RCX)
	SUBQ(Imm(2), RCX)
	JLT(LabelRef(name + "_odd"))
	Label(name + "_pair")
	pixel(0, 0)
	pixel(1, 2)
	ADDQ(Imm(64), R8)
	SUBQ(Imm(2), RCX)
	JGE(LabelRef(name + "_pair"))
	Label(name + "_odd")
	CMPQ(RCX, I32(-1))
	JNE(LabelRef(name + "_next"))
	pixel(0, 0)
	ADDQ(Imm(32), R8)
	Label(name + "_next")
	ADDQ(R10, R8)
	DECQ(R9)
	JNE(LabelRef(name + "_row"))
	VADDPS(Y2, Y0, Y0)
	VADDPS(Y3, Y1, Y1)
	MOVQ(avx.Arg(MomentsOut), RDI)
	VMOVUPS(Y0, Mem{Base: RDI})
	VMOVUPS(Y1, Mem{Base: RDI, Disp: 32})
	VZEROUPPER()
	RET()
}
