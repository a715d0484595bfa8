// Package softmax writes the assembly of train/head/internal/softmax for amd64.
package softmax

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Write adds the functions of softmax_amd64.s.
func Write() {
	generateTop()
	generateExponentials()
	generateScale()
}

// fill fills dst with copies of v.
func fill(v float32, dst VecPhysical) {
	MOVL(U32(math.Float32bits(v)), EAX)
	VMOVD(EAX, dst.AsX())
	VBROADCASTSS(dst.AsX(), dst)
}

// loop closes a loop over eights.
func loop(label string, left Register) {
	SUBQ(Imm(8), left)
	JNE(LabelRef(label))
}

func generateTop() {
	TEXT("topAVX2", NOSPLIT, "func(n int, dst, u, b, top *float32)")
	Doc("topAVX2 writes u + b to dst, and the largest of each lane to top; n is a multiple of 8, above zero.")
	n, dst, u, b := Load(Param("n"), GP64()), Load(Param("dst"), GP64()), Load(Param("u"), GP64()), Load(Param("b"), GP64())
	top := Load(Param("top"), GP64())
	fill(float32(math.Inf(-1)), Y0)
	Label("top")
	VMOVUPS(Mem{Base: u}, Y1)
	VADDPS(Mem{Base: b}, Y1, Y1)
	VMOVUPS(Y1, Mem{Base: dst})
	VMAXPS(Y1, Y0, Y0)
	for _, p := range []Register{dst, u, b} {
		ADDQ(Imm(32), p)
	}
	loop("top", n)
	VMOVUPS(Y0, Mem{Base: top})
	VZEROUPPER()
	RET()
}

func generateExponentials() {
	TEXT("exponentialsAVX2", NOSPLIT, "func(n int, u *float32, top float32, sums *float32)")
	Doc("exponentialsAVX2 replaces u by exp(u - top), and adds to the first eight of sums those of each lane",
		"that are not of 0, to the others how many are of 0; n is a multiple of 8, above zero.")
	n, u, sums := Load(Param("n"), GP64()), Load(Param("u"), GP64()), Load(Param("sums"), GP64())
	x, k, r, p, keep, zero, one, least := Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7
	VBROADCASTSS(NewParamAddr("top", 16), Y8)
	fill(1, one)
	fill(-86, least)
	fill(math.Log2E, Y9)
	fill(0.5, Y10)
	fill(0.693359375, Y11)
	fill(2.12194440e-4, Y12)
	VXORPS(Y13, Y13, Y13) // sums
	VXORPS(Y14, Y14, Y14) // counts
	VXORPS(zero, zero, zero)
	steps := GLOBL("polynomial", RODATA|NOPTR)
	for i, c := range []float32{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
		5.0000001201e-1} {
		DATA(4*i, F32(c))
	}
	DATA(24, U32(127))
	Label("exponentials")
	VMOVUPS(Mem{Base: u}, x)
	VSUBPS(Y8, x, x)
	VCMPPS(Imm(6), least, x, keep) // not less or equal: a NaN is kept
	VMULPS(Y9, x, k)
	VSUBPS(Y10, k, k)
	VCVTTPS2DQ(k, Y15)
	VCVTDQ2PS(Y15, k)
	VMULPS(Y11, k, r)
	VSUBPS(r, x, r)
	VMULPS(Y12, k, k)
	VADDPS(k, r, r)
	VBROADCASTSS(steps.Offset(0), p)
	for i := 1; i < 6; i++ {
		VMULPS(r, p, p)
		VBROADCASTSS(steps.Offset(4*i), k)
		VADDPS(k, p, p)
	}
	VMULPS(r, p, p)
	VMULPS(r, p, p)
	VADDPS(r, p, p)
	VADDPS(one, p, p)
	VPBROADCASTD(steps.Offset(24), k)
	VPADDD(k, Y15, Y15)
	VPSLLD(Imm(23), Y15, Y15)
	VMULPS(Y15, p, p)
	VANDPS(keep, p, p)
	VMOVUPS(p, Mem{Base: u})
	VCMPPS(Imm(0), zero, x, keep)
	VANDPS(one, keep, k)
	VADDPS(k, Y14, Y14)
	VANDNPS(p, keep, p)
	VADDPS(p, Y13, Y13)
	ADDQ(Imm(32), u)
	loop("exponentials", n)
	VADDPS(Mem{Base: sums}, Y13, Y13)
	VADDPS(Mem{Base: sums, Disp: 32}, Y14, Y14)
	VMOVUPS(Y13, Mem{Base: sums})
	VMOVUPS(Y14, Mem{Base: sums, Disp: 32})
	VZEROUPPER()
	RET()
}

func generateScale() {
	TEXT("scaleAVX2", NOSPLIT, "func(n int, u *float32, by float32, sums *float64)")
	Doc("scaleAVX2 multiplies u by a number and adds the products to sums; n is a multiple of 8, above zero.")
	n, u, sums := Load(Param("n"), GP64()), Load(Param("u"), GP64()), Load(Param("sums"), GP64())
	VBROADCASTSS(NewParamAddr("by", 16), Y0)
	Label("scale")
	VMULPS(Mem{Base: u}, Y0, Y1)
	VMOVUPS(Y1, Mem{Base: u})
	VEXTRACTF128(Imm(1), Y1, X2)
	VCVTPS2PD(X1, Y1)
	VCVTPS2PD(X2, Y2)
	VADDPD(Mem{Base: sums}, Y1, Y1)
	VADDPD(Mem{Base: sums, Disp: 32}, Y2, Y2)
	VMOVUPD(Y1, Mem{Base: sums})
	VMOVUPD(Y2, Mem{Base: sums, Disp: 32})
	ADDQ(Imm(32), u)
	ADDQ(Imm(64), sums)
	loop("scale", n)
	VZEROUPPER()
	RET()
}
