package bfloat16

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/c236555e/rehead/internal/_generate/avx"
	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// generateMaxPool writes the kernel of one channel block's max pool. A NaN among the taps makes the
// result NaN.
func generateMaxPool() {
	const name = "poolMaxPairs"
	avx.PoolBegin(name, "takes the largest of each pixel's taps.")
	avx.PoolPixel(name)
	MOVQ(Mem{Base: avx.PoolList}, avx.PoolTap)
	avx.WidenPairs(avx.PoolAt(0), Z0)
	VCMPPS(Imm(3), Z0, Z0, K1)
	JMP(LabelRef(name + "_next"))
	Label(name + "_tap")
	MOVQ(Mem{Base: avx.PoolList}, avx.PoolTap)
	avx.WidenPairs(avx.PoolAt(0), Z2)
	VCMPPS(Imm(3), Z2, Z2, K2)
	VMAXPS(Z2, Z0, Z0)
	KORW(K1, K2, K1)
	Label(name + "_next")
	avx.PoolNext(name)
	VPTERNLOGD(Imm(0xff), Z0, Z0, K1, Z0) // all bits set are a NaN
	avx.NarrowPairs(Z0)
	avx.PoolEnd(name, func(o ...Op) { VMOVUPS(o[0], o[1]) })
}

// generateAvgPool writes the kernel of one channel block's average pool:
// max(sum*scale + bias, floor).
func generateAvgPool() {
	const name = "poolAvgPairs"
	avx.PoolBegin(name, "averages each pixel's taps, adds a bias and clamps below.")
	MOVQ(avx.Arg(PoolBias), RDI)
	VMOVUPS(Mem{Base: RDI}, Z5)
	VBROADCASTSS(avx.Arg(PoolScale), Z4)
	VBROADCASTSS(avx.Arg(PoolFloor), Z6)
	avx.PoolPixel(name)
	VPXORQ(Z0, Z0, Z0)
	Label(name + "_tap")
	MOVQ(Mem{Base: avx.PoolList}, avx.PoolTap)
	avx.WidenPairs(avx.PoolAt(0), Z1)
	VADDPS(Z1, Z0, Z0)
	avx.PoolNext(name)
	VFMADD213PS(Z5, Z4, Z0)
	VMAXPS(Z0, Z6, Z0)
	avx.NarrowPairs(Z0)
	avx.PoolEnd(name, func(o ...Op) { VMOVUPS(o[0], o[1]) })
}
