package int8

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/c236555e/rehead/internal/_generate/avx"
	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// generateQuantize writes the kernel that turns groups of eight pixels of three planes into words of
// bytes, round(v*inverse + shift) held to 0..255, a NaN becoming 0. The fourth byte is 0.
func generateQuantize() {
	const name = "quantize"
	avx.Func(name, "a", "turns groups of eight pixels of three planes into words of bytes.")
	for i, r := range []GPPhysical{R8, R9, R10} {
		MOVQ(avx.Arg(QuantizeSrc+8*i), r)
	}
	MOVQ(avx.Arg(QuantizeDst), R11)
	MOVQ(avx.Arg(QuantizeGroups), RCX)
	VBROADCASTSS(avx.Arg(QuantizeScale), Y8)
	VBROADCASTSS(avx.Arg(QuantizeShift), Y9)
	MOVL(U32(math.Float32bits(255)), EAX)
	VMOVD(EAX, X10)
	VPBROADCASTD(X10, Y10)
	VPXOR(Y11, Y11, Y11)
	XORQ(RDX, RDX)
	Label(name + "_group")
	for i, r := range []GPPhysical{R8, R9, R10} {
		y := avx.Y[i]
		VMULPS(Mem{Base: r, Index: RDX, Scale: 1}, Y8, y)
		VADDPS(Y9, y, y)
		VMAXPS(Y11, y, y) // in this order a NaN becomes zero
		VMINPS(Y10, y, y)
		VCVTPS2DQ(y, y)
		if i > 0 {
			VPSLLD(Imm(uint64(8*i)), y, y)
			VPOR(y, Y0, Y0)
		}
	}
	VMOVDQU(Y0, Mem{Base: R11, Index: RDX, Scale: 1})
	ADDQ(Imm(32), RDX)
	DECQ(RCX)
	JNE(LabelRef(name + "_group"))
	VZEROUPPER()
	RET()
}
