package direct

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/c236555e/rehead/internal/_generate/avx"
	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// generateMaxPool writes the kernel of one channel block's max pool. A NaN
// among the taps makes the result NaN.
func generateMaxPool() {
	const name = "poolMax"
	avx.PoolBegin(name, "takes the largest of each pixel's taps.")
	avx.PoolPixel(name)
	MOVQ(Mem{Base: avx.PoolList}, avx.PoolTap)
	VMOVUPS(avx.PoolAt(0), Y0)
	VCMPPS(Imm(3), Y0, Y0, Y1)
	JMP(LabelRef(name + "_next"))
	Label(name + "_tap")
	MOVQ(Mem{Base: avx.PoolList}, avx.PoolTap)
	VMOVUPS(avx.PoolAt(0), Y2)
	VCMPPS(Imm(3), Y2, Y2, Y3)
	VMAXPS(Y2, Y0, Y0)
	VORPS(Y3, Y1, Y1)
	Label(name + "_next")
	avx.PoolNext(name)
	VORPS(Y1, Y0, Y0)
	avx.PoolEnd(name, func(o ...Op) { VMOVUPS(o[0], o[1]) })
}

// generateAvgPool writes the kernel of one channel block's average pool:
// max(sum*scale + bias, floor).
func generateAvgPool() {
	const name = "poolAvg"
	avx.PoolBegin(name, "averages each pixel's taps, adds a bias and clamps below.")
	MOVQ(avx.Arg(PoolBias), RDI)
	VMOVUPS(Mem{Base: RDI}, Y5)
	VBROADCASTSS(avx.Arg(PoolScale), Y4)
	VBROADCASTSS(avx.Arg(PoolFloor), Y6)
	avx.PoolPixel(name)
	VXORPS(Y0, Y0, Y0)
	Label(name + "_tap")
	MOVQ(Mem{Base: avx.PoolList}, avx.PoolTap)
	VADDPS(avx.PoolAt(0), Y0, Y0)
	avx.PoolNext(name)
	VFMADD213PS(Y5, Y4, Y0)
	VMAXPS(Y0, Y6, Y0)
	avx.PoolEnd(name, func(o ...Op) { VMOVUPS(o[0], o[1]) })
}
