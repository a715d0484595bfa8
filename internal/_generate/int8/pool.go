package int8

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/c236555e/rehead/internal/_generate/avx"
	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// generateMaxPool writes the kernel of one channel block's max pool.
func generateMaxPool() {
	const name = "bytePoolMax"
	avx.PoolBegin(name, "takes the largest of each pixel's taps.")
	avx.PoolPixel(name)
	VPXOR(Y0, Y0, Y0)
	Label(name + "_tap")
	MOVQ(Mem{Base: avx.PoolList}, avx.PoolTap)
	VPMAXUB(avx.PoolAt(0), Y0, Y0)
	avx.PoolNext(name)
	avx.PoolEnd(name, func(o ...Op) { VMOVDQU(o[0], o[1]) })
}

// generateMeanPool writes the kernel of one channel block's average pool:
// round(sum*scale) held to 255. The sum has 16 bits, for up to 257 taps.
func generateMeanPool() {
	const name = "bytePoolMean"
	avx.PoolBegin(name, "adds up each pixel's taps and scales the sum.")
	VBROADCASTSS(avx.Arg(PoolScale), Y8)
	MOVL(U32(math.Float32bits(255)), EAX)
	VMOVD(EAX, X9)
	VPBROADCASTD(X9, Y9)
	avx.PoolPixel(name)
	sum, low, words := avx.Y[:4], avx.X[:4], avx.Y[4:6]
	for _, y := range words {
		VPXOR(y, y, y)
	}
	Label(name + "_tap")
	MOVQ(Mem{Base: avx.PoolList}, avx.PoolTap)
	for i, y := range words {
		VPMOVZXBW(avx.PoolAt(16*i), avx.Y[6+i])
		VPADDW(avx.Y[6+i], y, y)
	}
	avx.PoolNext(name)
	for i, y := range words {
		VPMOVZXWD(avx.X[4+i], sum[2*i])
		VEXTRACTI128(Imm(1), y, low[2*i+1])
		VPMOVZXWD(low[2*i+1], sum[2*i+1])
	}
	for _, y := range sum {
		VCVTDQ2PS(y, y)
		VMULPS(Y8, y, y)
		VMINPS(Y9, y, y)
		VCVTPS2DQ(y, y)
	}
	packBytes(0, 1)
	packBytes(2, 3)
	VINSERTI128(Imm(1), X2, Y0, Y0)
	avx.PoolEnd(name, func(o ...Op) { VMOVDQU(o[0], o[1]) })
}
