// Package raster writes the assembly of dataset/picture/internal/raster for amd64.
package raster

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Write adds the functions of raster_amd64.s.
func Write() {
	generateBlend()
	generateStraight()
	generateTriangle()
	generateColours("planesAVX2", "func(red, green, blue *float32, luma *byte, pairs *int16, n int)", storePlanes)
	generateColours("pixelsAVX2", "func(dst, luma *byte, pairs *int16, n int)", storePixels)
	generateAcross()
	generateDown()
}

// load puts a parameter into a register.
func load(name string, r GPPhysical) GPPhysical {
	Load(Param(name), r)
	return r
}

// words fills dst with copies of the low word of parameter name.
func words(name string, dst VecPhysical) {
	Load(Param(name), RAX)
	VMOVD(EAX, dst.AsX())
	VPBROADCASTW(dst.AsX(), dst)
}

// doubles fills dst with copies of v.
func doubles(v int32, dst VecPhysical) {
	MOVL(U32(uint32(v)), EAX)
	VMOVD(EAX, dst.AsX())
	VPBROADCASTD(dst.AsX(), dst)
}

// loop closes a loop that does step elements a round.
func loop(label string, left GPPhysical, step int) {
	SUBQ(Imm(uint64(step)), left)
	JNE(LabelRef(label))
	VZEROUPPER()
	RET()
}

func generateBlend() {
	TEXT("blendAVX2", NOSPLIT, "func(dst *int16, near, far *byte, n, a, b int)")
	Doc("blendAVX2 computes a*near + b*far; n is a multiple of 16, above zero.")
	dst, near, far, left := load("dst", RDI), load("near", RSI), load("far", RBX), load("n", RCX)
	words("a", Y14)
	words("b", Y15)
	Label("blend")
	VPMOVZXBW(Mem{Base: near}, Y0)
	VPMOVZXBW(Mem{Base: far}, Y1)
	VPMULLW(Y14, Y0, Y0)
	VPMULLW(Y15, Y1, Y1)
	VPADDW(Y1, Y0, Y0)
	VMOVDQU(Y0, Mem{Base: dst})
	ADDQ(Imm(16), near)
	ADDQ(Imm(16), far)
	ADDQ(Imm(32), dst)
	loop("blend", left, 16)
}

func generateStraight() {
	TEXT("straightAVX2", NOSPLIT, "func(dst, cb, cr *int16, n, add, down int)")
	Doc("straightAVX2 pairs (s+add)>>down - 128 of both chroma rows; n is a multiple of 8, above zero.")
	dst, cb, cr, left := load("dst", RDI), load("cb", RSI), load("cr", RBX), load("n", RCX)
	words("add", Y13)
	Load(Param("down"), RAX)
	VMOVQ(RAX, X14)
	MOVL(U32(128), EAX)
	VMOVD(EAX, X15)
	VPBROADCASTW(X15, X15)
	Label("straight")
	for i, from := range []GPPhysical{cb, cr} {
		x := []VecPhysical{X0, X1}[i]
		VPADDW(Mem{Base: from}, X13, x)
		VPSRLW(X14, x, x)
		VPSUBW(X15, x, x)
	}
	VPUNPCKLWD(X1, X0, X2)
	VPUNPCKHWD(X1, X0, X3)
	VMOVDQU(X2, Mem{Base: dst})
	VMOVDQU(X3, Mem{Base: dst, Disp: 16})
	ADDQ(Imm(16), cb)
	ADDQ(Imm(16), cr)
	ADDQ(Imm(32), dst)
	loop("straight", left, 8)
}

func generateTriangle() {
	TEXT("triangleAVX2", NOSPLIT, "func(dst, cb, cr *int16, n, even, odd, down int)")
	Doc("triangleAVX2 pairs the interpolated chroma of 2n pixels; n is a multiple of 8, above zero,",
		"and each row has one more sample on either side.")
	dst, cb, cr, left := load("dst", RDI), load("cb", RSI), load("cr", RBX), load("n", RCX)
	words("even", Y12)
	words("odd", Y13)
	Load(Param("down"), RAX)
	VMOVQ(RAX, X14)
	MOVL(U32(128), EAX)
	VMOVD(EAX, X15)
	VPBROADCASTW(X15, X15)
	Label("triangle")
	for i, from := range []GPPhysical{cb, cr} {
		even, odd := []VecPhysical{X0, X1}[i], []VecPhysical{X2, X3}[i]
		VMOVDQU(Mem{Base: from}, X4)
		VPADDW(X4, X4, X5)
		VPADDW(X4, X5, X5) // three times the sample
		for _, side := range []struct {
			at       int
			add, out VecPhysical
		}{{-2, X12, even}, {2, X13, odd}} {
			VPADDW(Mem{Base: from, Disp: side.at}, X5, side.out)
			VPADDW(side.add, side.out, side.out)
			VPSRLW(X14, side.out, side.out)
			VPSUBW(X15, side.out, side.out)
		}
	}
	// Cb and Cr side by side, then even pixels and odd ones in turn.
	VPUNPCKLWD(X1, X0, X4)
	VPUNPCKHWD(X1, X0, X5)
	VPUNPCKLWD(X3, X2, X6)
	VPUNPCKHWD(X3, X2, X7)
	for i, pair := range [][2]VecPhysical{{X4, X6}, {X5, X7}} {
		VPUNPCKLDQ(pair[1], pair[0], X8)
		VPUNPCKHDQ(pair[1], pair[0], X9)
		VMOVDQU(X8, Mem{Base: dst, Disp: 32 * i})
		VMOVDQU(X9, Mem{Base: dst, Disp: 32*i + 16})
	}
	ADDQ(Imm(16), cb)
	ADDQ(Imm(16), cr)
	ADDQ(Imm(64), dst)
	loop("triangle", left, 8)
}

// generateColours writes a conversion of 8 pixels a round from YCbCr, by
// BT.601 with 16 bits of fraction. 91881, 46802 and 116130 are 65536 a few
// times and a rest of 16 bits, so that one multiplication of words serves the
// rest of both samples.
func generateColours(name, signature string, store func(red, green, blue VecPhysical)) {
	TEXT(name, NOSPLIT, signature)
	Doc(name + " converts YCbCr to RGB; n is a multiple of 8, above zero.")
	luma, pairs, left := load("luma", RSI), load("pairs", RBX), load("n", RCX)
	if name == "pixelsAVX2" {
		load("dst", RDI)
		doubles(-1<<24, Y8)
	} else {
		load("red", RDI)
		load("green", R8)
		load("blue", R9)
	}
	pair := func(cb, cr int32) int32 { return cr<<16 | cb&0xffff }
	doubles(pair(0, 91881-65536), Y9)
	doubles(pair(-22554, 65536-46802), Y10)
	doubles(pair(116130-131072, 0), Y11)
	doubles(1<<15, Y12)
	doubles(255, Y13)
	VPXOR(Y14, Y14, Y14)
	Label(name)
	VMOVDQU(Mem{Base: pairs}, Y0)
	VPMOVZXBD(Mem{Base: luma}, Y1)
	VPSRAD(Imm(16), Y0, Y2) // Cr
	VPSLLD(Imm(16), Y0, Y3)
	VPSRAD(Imm(15), Y3, Y3) // twice Cb
	for i, c := range []VecPhysical{Y9, Y10, Y11} {
		out := []VecPhysical{Y4, Y5, Y6}[i]
		VPMADDWD(c, Y0, out)
		VPADDD(Y12, out, out)
		VPSRAD(Imm(16), out, out)
		VPADDD(Y1, out, out)
	}
	VPADDD(Y2, Y4, Y4)
	VPSUBD(Y2, Y5, Y5)
	VPADDD(Y3, Y6, Y6)
	for _, out := range []VecPhysical{Y4, Y5, Y6} {
		VPMAXSD(Y14, out, out)
		VPMINSD(Y13, out, out)
	}
	store(Y4, Y5, Y6)
	ADDQ(Imm(32), pairs)
	ADDQ(Imm(8), luma)
	loop(name, left, 8)
}

func storePlanes(red, green, blue VecPhysical) {
	for i, v := range []VecPhysical{red, green, blue} {
		to := []GPPhysical{RDI, R8, R9}[i]
		VCVTDQ2PS(v, v)
		VMOVUPS(v, Mem{Base: to})
		ADDQ(Imm(32), to)
	}
}

func storePixels(red, green, blue VecPhysical) {
	VPSLLD(Imm(8), green, green)
	VPSLLD(Imm(16), blue, blue)
	VPOR(green, red, red)
	VPOR(Y8, blue, blue)
	VPOR(blue, red, red)
	VMOVDQU(red, Mem{Base: RDI})
	ADDQ(Imm(32), RDI)
}

func generateAcross() {
	TEXT("acrossAVX2", NOSPLIT, "func(dst, row *float32, left, right *int32, lerp *float32, n int)")
	Doc("acrossAVX2 interpolates between two places of a row; n is a multiple of 8, above zero.")
	dst, row, l, r, t, left := load("dst", RDI), load("row", RSI), load("left", RBX), load("right", RDX), load("lerp", R8),
		load("n", RCX)
	Label("across")
	for i, at := range []GPPhysical{l, r} {
		index, mask, out := []VecPhysical{Y0, Y1}[i], []VecPhysical{Y2, Y3}[i], []VecPhysical{Y4, Y5}[i]
		VMOVDQU(Mem{Base: at}, index)
		VPCMPEQD(mask, mask, mask)
		VXORPS(out, out, out)
		VGATHERDPS(mask, Mem{Base: row, Index: index, Scale: 4}, out)
		ADDQ(Imm(32), at)
	}
	VSUBPS(Y4, Y5, Y5)
	VMULPS(Mem{Base: t}, Y5, Y5)
	VADDPS(Y5, Y4, Y4)
	VMOVUPS(Y4, Mem{Base: dst})
	ADDQ(Imm(32), t)
	ADDQ(Imm(32), dst)
	loop("across", left, 8)
}

func generateDown() {
	TEXT("downAVX2", NOSPLIT, "func(dst, top, bottom *float32, n int, lerp, mean, std float32)")
	Doc("downAVX2 interpolates between two rows and scales; n is a multiple of 8, above zero.")
	dst, top, bottom, left := load("dst", RDI), load("top", RSI), load("bottom", RBX), load("n", RCX)
	for i, name := range []string{"lerp", "mean", "std"} {
		a, err := Param(name).Resolve()
		if err != nil {
			panic(err)
		}
		VBROADCASTSS(a.Addr, []VecPhysical{Y13, Y14, Y15}[i])
	}
	Label("down")
	VMOVUPS(Mem{Base: top}, Y0)
	VMOVUPS(Mem{Base: bottom}, Y1)
	VSUBPS(Y0, Y1, Y1)
	VMULPS(Y13, Y1, Y1)
	VADDPS(Y1, Y0, Y0)
	VSUBPS(Y14, Y0, Y0)
	VDIVPS(Y15, Y0, Y0)
	VMOVUPS(Y0, Mem{Base: dst})
	ADDQ(Imm(32), top)
	ADDQ(Imm(32), bottom)
	ADDQ(Imm(32), dst)
	loop("down", left, 8)
}
