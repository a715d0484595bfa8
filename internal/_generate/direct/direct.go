// Package direct writes the direct convolution and pooling kernels of nn/internal/kernel for amd64.
package direct

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/c236555e/rehead/internal/_generate/avx"
	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// Write adds the functions of kernel_amd64.s.
func Write() {
	for pixels := 6; pixels >= 4; pixels-- {
		tile{"AVX2", pixels, 2, 8}.generate()
	}
	tile{"AVX2", 6, 2, 1}.generate()
	for vectors := 3; vectors >= 1; vectors-- {
		for pixels := 8; pixels >= 5; pixels-- {
			tile{"AVX512", pixels, vectors, 8}.generate()
		}
	}
	tile{"AVX512", 8, 2, 1}.generate()
	tile{"AVX512", 8, 1, 1}.generate()
	generateMaxPool()
	generateAvgPool()
	generateMoments(false)
	generateMoments(true)
}

// A tile is a convolution micro-kernel: pixels x (vectors*lanes) outputs kept in
// registers through the whole sum, depth input channels a tap.
type tile struct {
	isa             string
	pixels, vectors int
	depth           int
}

func (t tile) lanes() int {
	if t.isa == "AVX512" {
		return 16
	}
	return 8
}

func (t tile) name() string {
	return fmt.Sprintf("tile%dx%dx%d%s", t.pixels, t.vectors*t.lanes(), t.depth, t.isa)
}

func (t tile) reg(i int) VecPhysical {
	if t.isa == "AVX512" {
		return avx.Z[i]
	}
	return avx.Y[i]
}

// acc returns the accumulator of pixel p and vector v.
func (t tile) acc(p, v int) VecPhysical { return t.reg(p*t.vectors + v) }

// weight returns the register of weight vector v.
func (t tile) weight(v int) VecPhysical { return t.reg(t.pixels*t.vectors + v) }

// spare returns the i-th register beyond accumulators and weights.
func (t tile) spare(i int) VecPhysical { return t.reg((t.pixels+1)*t.vectors + i) }

func (t tile) generate() {
	name, width := t.name(), 4*t.lanes()
	avx.Func(name, "a", fmt.Sprintf("computes tiles of %d pixels by %d output channels, %d input channels a tap.",
		t.pixels, t.vectors*t.lanes(), t.depth))
	tap, taps, w, left, tmp := RAX, RCX, RBX, RDX, RDI

	Label(name + "_tile")
	avx.TilePixels(t.pixels, TileX, TileSrc)

	// Accumulators start at the bias.
	MOVQ(avx.Arg(TileBias), tmp)
	for v := range t.vectors {
		VMOVUPS(Mem{Base: tmp, Disp: v * width}, t.acc(0, v))
	}
	for p := 1; p < t.pixels; p++ {
		for v := range t.vectors {
			VMOVAPS(t.acc(0, v), t.acc(p, v))
		}
	}
	MOVQ(avx.Arg(TileW), w)
	MOVQ(avx.Arg(TileTaps), taps)
	MOVQ(avx.Arg(TileNTaps), left)
	Label(name + "_tap")
	MOVQ(Mem{Base: taps}, tap)
	ADDQ(Imm(8), taps)
	t.multiply(w, tap)
	ADDQ(U32(t.depth*t.vectors*width), w)
	DECQ(left)
	JNE(LabelRef(name + "_tap"))

	TESTQ(U32(FlagReLU), avx.Arg(TileFlags))
	JEQ(LabelRef(name + "_store"))
	t.clamp()
	Label(name + "_store")
	t.each(func(p, v int, at, high Mem) {
		if t.lanes() == 8 {
			VMOVUPS(t.acc(p, v), at)
			return
		}
		VEXTRACTF64X4(Imm(1), t.acc(p, v), high)
		VMOVUPS(avx.Y[p*t.vectors+v], at)
	})
	ADDQ(U32(4*t.pixels), avx.Arg(TileDst))
	DECQ(avx.Arg(TileTiles))
	JNE(LabelRef(name + "_tile"))
	VZEROUPPER()
	RET()
}

// multiply adds the products of one tap's weights, from w on, with its input channels.
func (t tile) multiply(w, tap GPPhysical) {
	for c := range t.depth {
		for v := range t.vectors {
			VMOVUPS(Mem{Base: w, Disp: (c*t.vectors + v) * 4 * t.lanes()}, t.weight(v))
		}
		for p := range t.pixels {
			x := t.spare(p & 1)
			if t.lanes() == 8 {
				x = t.spare(p % (16 - (t.pixels+1)*t.vectors))
			}
			VBROADCASTSS(Mem{Base: avx.Pixels[p], Index: tap, Scale: 1, Disp: 4 * c}, x)
			for v := range t.vectors {
				VFMADD231PS(t.weight(v), x, t.acc(p, v))
			}
		}
	}
}

// clamp is the ReLU.
func (t tile) clamp() {
	zero := t.spare(0)
	if t.lanes() == 8 {
		VXORPS(zero, zero, zero)
	} else {
		VPXORQ(zero, zero, zero)
	}
	for p := range t.pixels {
		for v := range t.vectors {
			// The second source in Intel's order comes through when either is
			// NaN: it is the accumulator, so a NaN stays one.
			VMAXPS(t.acc(p, v), zero, t.acc(p, v))
		}
	}
}

// each visits the places of the tile's outputs: vector v of pixel p lies at at, its upper
// eight lanes, if it has any, at high. The last channel block of a pixel is
// visited first, so that with a plane pitch of 0 the first one overwrites it:
// that is how a panel with one block too many is stored.
func (t tile) each(visit func(p, v int, at, high Mem)) {
	plane, plane3, dst, pix, pix4 := RCX, RAX, RDX, RDI, RBX
	MOVQ(avx.Arg(TilePlane), plane)
	if t.vectors*t.lanes() > 24 {
		LEAQ(Mem{Base: plane, Index: plane, Scale: 2}, plane3)
	}
	MOVQ(avx.Arg(TileDst), dst)
	for p := range t.pixels {
		MOVLQSX(Mem{Base: dst, Disp: 4 * p}, pix)
		ADDQ(avx.Arg(TileOut), pix)
		if t.vectors*t.lanes() > 32 {
			LEAQ(Mem{Base: pix, Index: plane, Scale: 4}, pix4)
		}
		block := func(b int) Mem {
			m := Mem{Base: pix}
			if b >= 4 {
				m.Base, b = pix4, b-4
			}
			switch b {
			case 1, 2:
				m.Index, m.Scale = plane, uint8(b)
			case 3:
				m.Index, m.Scale = plane3, 1
			}
			return m
		}
		for v := t.vectors - 1; v >= 0; v-- {
			if t.lanes() == 8 {
				visit(p, v, block(v), Mem{})
			} else {
				visit(p, v, block(2*v), block(2*v+1))
			}
		}
	}
}
