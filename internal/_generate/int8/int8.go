// Package int8 writes the convolution and pooling kernels of bytes of nn/internal/kernel for amd64.
package int8

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/c236555e/rehead/internal/_generate/avx"
	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// Write adds the functions of int8_amd64.s.
func Write() {
	for _, depth := range []int{4, 1} {
		for vectors := 3; vectors >= 1; vectors-- {
			for pixels := 8; pixels >= 5; pixels-- {
				tile{"VNNI", pixels, vectors, depth}.generate()
			}
		}
		tile{"AVX2", 5, 2, depth}.generate()
		tile{"AVX2", 4, 2, depth}.generate()
	}
	generateMaxPool()
	generateMeanPool()
	generateMoments()
	generateFinish()
	generateQuantize()
}

// A tile is a convolution micro-kernel: pixels x outputs kept in registers
// through the whole sum, depth words of four input channels a tap.
type tile struct {
	isa             string
	pixels, vectors int
	depth           int
}

// lanes is the number of outputs of a register.
func (t tile) lanes() int {
	if t.isa == "VNNI" {
		return 16
	}
	return 8
}

func (t tile) width() int { return t.vectors * t.lanes() }

func (t tile) name() string {
	return fmt.Sprintf("byteTile%dx%dx%d%s", t.pixels, t.width(), t.depth, t.isa)
}

func (t tile) reg(i int) VecPhysical {
	if t.isa == "VNNI" {
		return avx.Z[i]
	}
	return avx.Y[i]
}

// acc returns the accumulator of pixel p and vector v.
func (t tile) acc(p, v int) VecPhysical { return t.reg(p*t.vectors + v) }

// spare returns the i-th register beyond the accumulators.
func (t tile) spare(i int) VecPhysical { return t.reg(t.pixels*t.vectors + i) }

func (t tile) generate() {
	name, size := t.name(), 4*t.lanes()
	avx.Func(name, "a", fmt.Sprintf("computes tiles of %d pixels by %d output channels, %d words a tap.",
		t.pixels, t.width(), t.depth))
	tap, taps, w, left, tmp := RAX, RCX, RBX, RDX, RDI

	Label(name + "_tile")
	avx.TilePixels(t.pixels, ByteX, ByteSrc)
	for i := range t.pixels * t.vectors {
		if t.isa == "VNNI" {
			VPXORD(t.reg(i), t.reg(i), t.reg(i))
		} else {
			VPXOR(t.reg(i), t.reg(i), t.reg(i))
		}
	}
	if t.isa == "AVX2" {
		t.ones(tmp)
	}
	MOVQ(avx.Arg(ByteW), w)
	MOVQ(avx.Arg(ByteTaps), taps)
	MOVQ(avx.Arg(ByteNTaps), left)
	Label(name + "_tap")
	MOVQ(Mem{Base: taps}, tap)
	ADDQ(Imm(8), taps)
	for c := range t.depth {
		for v := range t.vectors {
			t.load(Mem{Base: w, Disp: (c*t.vectors + v) * size}, t.spare(v))
		}
		for p := range t.pixels {
			t.multiply(p, Mem{Base: avx.Pixels[p], Index: tap, Scale: 1, Disp: 4 * c})
		}
	}
	ADDQ(U32(t.depth*t.vectors*size), w)
	DECQ(left)
	JNE(LabelRef(name + "_tap"))
	t.store()
	ADDQ(U32(4*t.pixels), avx.Arg(ByteDst))
	DECQ(avx.Arg(ByteTiles))
	JNE(LabelRef(name + "_tile"))
	VZEROUPPER()
	RET()
}

// load reads a vector of weights.
func (t tile) load(from Mem, to VecPhysical) {
	if t.isa == "VNNI" {
		VMOVDQU32(from, to)
	} else {
		VMOVDQU(from, to)
	}
}

// ones sets the register by which AVX2 adds neighbouring sums: sixteen ones.
func (t tile) ones(tmp GPPhysical) {
	MOVL(U32(0x00010001), tmp.As32())
	VMOVD(tmp.As32(), avx.X[t.pixels*t.vectors+t.vectors])
	VPBROADCASTD(avx.X[t.pixels*t.vectors+t.vectors], t.spare(t.vectors))
}

// multiply adds the products of pixel p's word at x with the weights in the
// spare registers. AVX2 adds two products of a word in 16 bits, which the
// weights are made not to overflow.
func (t tile) multiply(p int, x Mem) {
	if t.isa == "VNNI" {
		word := t.spare(t.vectors + p&1)
		VPBROADCASTD(x, word)
		for v := range t.vectors {
			VPDPBUSD(t.spare(v), word, t.acc(p, v))
		}
		return
	}
	ones, word := t.spare(t.vectors), t.spare(t.vectors+1)
	VPBROADCASTD(x, word)
	for v := range t.vectors {
		pair := t.spare(t.vectors + 2 + v)
		VPMADDUBSW(t.spare(v), word, pair)
		VPMADDWD(ones, pair, pair)
		VPADDD(pair, t.acc(p, v), t.acc(p, v))
	}
}

// store turns the sums into bytes, round(sum*scale + shift) held to 0..255.
func (t tile) store() {
	dst, pix, tmp := RDX, RDI, RAX
	vec := []GPPhysical{RBX, RCX, R8}
	scale, shift := t.spare, func(v int) VecPhysical { return t.spare(t.vectors + v) }
	zero, top := t.spare(2*t.vectors), t.spare(2*t.vectors+1)
	MOVQ(avx.Arg(ByteScale), tmp)
	for v := range t.vectors {
		VMOVUPS(Mem{Base: tmp, Disp: v * 4 * t.lanes()}, scale(v))
	}
	MOVQ(avx.Arg(ByteShift), tmp)
	for v := range t.vectors {
		VMOVUPS(Mem{Base: tmp, Disp: v * 4 * t.lanes()}, shift(v))
	}
	if t.isa == "VNNI" {
		VPXORD(zero, zero, zero)
	} else {
		MOVL(U32(math.Float32bits(255)), tmp.As32())
		VPXOR(zero, zero, zero)
		low := avx.X[t.pixels*t.vectors+2*t.vectors+1]
		VMOVD(tmp.As32(), low)
		VPBROADCASTD(low, top)
	}
	groups := t.width() / 16
	for g := range groups {
		MOVQ(avx.Arg(ByteGroups+8*g), vec[g])
		ADDQ(avx.Arg(ByteOut), vec[g])
	}
	MOVQ(avx.Arg(ByteDst), dst)
	for p := range t.pixels {
		MOVLQSX(Mem{Base: dst, Disp: 4 * p}, pix)
		for v := range t.vectors {
			a := t.acc(p, v)
			VCVTDQ2PS(a, a)
			VMULPS(scale(v), a, a)
			VADDPS(shift(v), a, a)
			VMAXPS(zero, a, a)
			if t.isa == "AVX2" {
				VMINPS(top, a, a)
			}
			VCVTPS2DQ(a, a) // to 2^31 where it is more
		}
		if t.isa == "VNNI" {
			for v := range t.vectors {
				VPMOVUSDB(t.acc(p, v), Mem{Base: vec[v], Index: pix, Scale: 1})
			}
			continue
		}
		packBytes(2*p, 2*p+1)
		VMOVDQU(avx.X[2*p], Mem{Base: vec[0], Index: pix, Scale: 1})
	}
}

// packBytes narrows the 32-bit numbers 0..255 of ymm registers a and b to the
// sixteen bytes of xmm register a.
func packBytes(a, b int) {
	VPACKUSDW(avx.Y[b], avx.Y[a], avx.Y[a])
	VPERMQ(Imm(0xd8), avx.Y[a], avx.Y[a])
	VEXTRACTI128(Imm(1), avx.Y[a], avx.X[b])
	VPACKUSWB(avx.X[b], avx.X[a], avx.X[a])
}
