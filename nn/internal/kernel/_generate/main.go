// Command _generate writes the direct convolution and pooling kernels of
// nn/internal/kernel for amd64. Run it through go generate in that folder.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Offsets of tileArgs's fields, which direct_amd64.go declares.
const (
	argX = 8 * iota
	argW
	argBias
	argOut
	argTaps
	argNTaps
	argSrc
	argDst
	argTiles
	argPlane
	argFlags
)

// flagReLU is a bit of tileArgs.flags.
const flagReLU = 1

func main() {
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
	Generate()
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
		return []VecPhysical{
			Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15,
			Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31,
		}[i]
	}
	return []VecPhysical{Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14, Y15}[i]
}

func half(i int) VecPhysical {
	return []VecPhysical{
		Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14, Y15,
		Y16, Y17, Y18, Y19, Y20, Y21, Y22, Y23, Y24, Y25, Y26, Y27, Y28, Y29, Y30, Y31,
	}[i]
}

// acc returns the accumulator of pixel p and vector v.
func (t tile) acc(p, v int) VecPhysical { return t.reg(p*t.vectors + v) }

// weight returns the register of weight vector v.
func (t tile) weight(v int) VecPhysical { return t.reg(t.pixels*t.vectors + v) }

// spare returns the i-th register beyond accumulators and weights.
func (t tile) spare(i int) VecPhysical { return t.reg((t.pixels+1)*t.vectors + i) }

var pixelPtr = []GPPhysical{R8, R9, R10, R11, R12, R13, R14, R15}

func (t tile) generate() {
	name, width := t.name(), 4*t.lanes()
	TEXT(name, NOSPLIT, "func(a *byte)")
	Doc(fmt.Sprintf("%s computes tiles of %d pixels by %d output channels, %d input channels a tap.",
		name, t.pixels, t.vectors*t.lanes(), t.depth))
	args, tap, taps, w, left, tmp := RSI, RAX, RCX, RBX, RDX, RDI
	Load(Param("a"), args)
	arg := func(off int) Mem { return Mem{Base: args, Disp: off} }

	Label(name + "_tile")
	// Pointers to the tile's pixels in the input.
	MOVQ(arg(argSrc), tmp)
	MOVQ(arg(argX), tap)
	for p := range t.pixels {
		MOVLQSX(Mem{Base: tmp, Disp: 4 * p}, pixelPtr[p])
		ADDQ(tap, pixelPtr[p])
	}
	ADDQ(U32(4*t.pixels), tmp)
	MOVQ(tmp, arg(argSrc))

	// Accumulators start at the bias.
	MOVQ(arg(argBias), tmp)
	for v := range t.vectors {
		VMOVUPS(Mem{Base: tmp, Disp: v * width}, t.acc(0, v))
	}
	for p := 1; p < t.pixels; p++ {
		for v := range t.vectors {
			VMOVAPS(t.acc(0, v), t.acc(p, v))
		}
	}
	MOVQ(arg(argW), w)
	MOVQ(arg(argTaps), taps)
	MOVQ(arg(argNTaps), left)
	Label(name + "_tap")
	MOVQ(Mem{Base: taps}, tap)
	ADDQ(Imm(8), taps)
	for c := range t.depth {
		for v := range t.vectors {
			VMOVUPS(Mem{Base: w, Disp: (c*t.vectors + v) * width}, t.weight(v))
		}
		for p := range t.pixels {
			x := t.spare(p & 1)
			if t.lanes() == 8 {
				x = t.spare(p % (16 - (t.pixels+1)*t.vectors))
			}
			VBROADCASTSS(Mem{Base: pixelPtr[p], Index: tap, Scale: 1, Disp: 4 * c}, x)
			for v := range t.vectors {
				VFMADD231PS(t.weight(v), x, t.acc(p, v))
			}
		}
	}
	ADDQ(U32(t.depth*t.vectors*width), w)
	DECQ(left)
	JNE(LabelRef(name + "_tap"))

	TESTQ(U32(flagReLU), arg(argFlags))
	JEQ(LabelRef(name + "_store"))
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
	Label(name + "_store")
	t.each(args, func(p, v int, at, high Mem) {
		if t.lanes() == 8 {
			VMOVUPS(t.acc(p, v), at)
			return
		}
		VEXTRACTF64X4(Imm(1), t.acc(p, v), high)
		VMOVUPS(half(p*t.vectors+v), at)
	})
	ADDQ(U32(4*t.pixels), arg(argDst))
	DECQ(arg(argTiles))
	JNE(LabelRef(name + "_tile"))
	VZEROUPPER()
	RET()
}

// each visits the places of the tile's outputs: vector v of pixel p lies at at, its upper
// eight lanes, if it has any, at high. The last channel block of a pixel is
// visited first, so that with a plane pitch of 0 the first one overwrites it:
// that is how a panel with one block too many is stored.
func (t tile) each(args GPPhysical, visit func(p, v int, at, high Mem)) {
	arg := func(off int) Mem { return Mem{Base: args, Disp: off} }
	plane, plane3, dst, pix, pix4 := RCX, RAX, RDX, RDI, RBX
	MOVQ(arg(argPlane), plane)
	if t.vectors*t.lanes() > 24 {
		LEAQ(Mem{Base: plane, Index: plane, Scale: 2}, plane3)
	}
	MOVQ(arg(argDst), dst)
	for p := range t.pixels {
		MOVLQSX(Mem{Base: dst, Disp: 4 * p}, pix)
		ADDQ(arg(argOut), pix)
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
