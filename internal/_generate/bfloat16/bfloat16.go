// Package bfloat16 writes the kernels of nn/internal/kernel that read and write bfloat16, for
// AVX-512 with its dot products of pairs. Two neighbouring channels share a word of 32 bits.
package bfloat16

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/c236555e/rehead/internal/_generate/avx"
	. "github.com/c236555e/rehead/internal/_generate/layout"
	"github.com/c236555e/rehead/internal/_generate/wino"
)

// Write adds the functions of bfloat16_amd64.s.
func Write() {
	for vectors := 3; vectors >= 1; vectors-- {
		for pixels := 8; pixels >= 5; pixels-- {
			tile{pixels, vectors, 2}.generate()
		}
	}
	tile{8, 2, 1}.generate()
	tile{8, 1, 1}.generate()
	generateMaxPool()
	generateAvgPool()
	wino.WritePairs()
}

// size is the bytes of a register.
const size = 64

// A tile is a convolution micro-kernel: pixels x (vectors*16) outputs kept in registers through the
// whole sum, depth words a tap: of two bfloat16, or where depth is 1, of one float32.
type tile struct{ pixels, vectors, depth int }

func (t tile) acc(p, v int) VecPhysical { return avx.Z[p*t.vectors+v] }

// spare returns the i-th register beyond the accumulators.
func (t tile) spare(i int) VecPhysical { return avx.Z[t.pixels*t.vectors+i] }

func (t tile) generate() {
	name, what := fmt.Sprintf("tile%dx%dx%dPairs", t.pixels, 16*t.vectors, t.depth), "pairs of input channels"
	if t.depth == 1 {
		what = "input channel of float32"
	}
	avx.Func(name, "a", fmt.Sprintf("computes tiles of %d pixels by %d output channels, %d %s a tap.",
		t.pixels, 16*t.vectors, t.depth, what))
	tap, taps, w, left, tmp := RAX, RCX, RBX, RDX, RDI

	Label(name + "_tile")
	avx.TilePixels(t.pixels, TileX, TileSrc)
	MOVQ(avx.Arg(TileBias), tmp)
	for v := range t.vectors {
		VMOVUPS(Mem{Base: tmp, Disp: v * size}, t.acc(0, v))
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
	for c := range t.depth {
		for v := range t.vectors {
			VMOVUPS(Mem{Base: w, Disp: (c*t.vectors + v) * size}, t.spare(v))
		}
		for p := range t.pixels {
			x := t.spare(t.vectors + p&1)
			VBROADCASTSS(Mem{Base: avx.Pixels[p], Index: tap, Scale: 1, Disp: 4 * c}, x)
			for v := range t.vectors {
				if t.depth == 1 {
					VFMADD231PS(t.spare(v), x, t.acc(p, v))
				} else {
					avx.DotPairs(t.spare(v), x, t.acc(p, v))
				}
			}
		}
	}
	ADDQ(U32(t.depth*t.vectors*size), w)
	DECQ(left)
	JNE(LabelRef(name + "_tap"))
	t.store(name)
	ADDQ(U32(4*t.pixels), avx.Arg(TileDst))
	DECQ(avx.Arg(TileTiles))
	JNE(LabelRef(name + "_tile"))
	VZEROUPPER()
	RET()
}

// store clamps, narrows and writes the sums: 16 outputs are a channel block.
func (t tile) store(name string) {
	plane, dst, pix, zero := RCX, RDX, RDI, t.spare(0)
	TESTQ(U32(FlagReLU), avx.Arg(TileFlags))
	JEQ(LabelRef(name + "_store"))
	VPXORQ(zero, zero, zero)
	for p := range t.pixels {
		for v := range t.vectors {
			VMAXPS(t.acc(p, v), zero, t.acc(p, v)) // in this order a NaN stays one
		}
	}
	Label(name + "_store")
	MOVQ(avx.Arg(TilePlane), plane)
	MOVQ(avx.Arg(TileDst), dst)
	for p := range t.pixels {
		MOVLQSX(Mem{Base: dst, Disp: 4 * p}, pix)
		ADDQ(avx.Arg(TileOut), pix)
		for v := range t.vectors {
			to := Mem{Base: pix}
			if v > 0 {
				to.Index, to.Scale = plane, uint8(v)
			}
			VMOVUPS(avx.NarrowPairs(t.acc(p, v)), to)
		}
	}
}
