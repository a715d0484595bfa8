// Package avx numbers avo's registers, and refers to the struct that a kernel is called with.
package avx

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// X, Y and Z are the vector registers of 128, 256 and 512 bits. AVX2 has the first sixteen.
var (
	X = []VecPhysical{X0, X1, X2, X3, X4, X5, X6, X7, X8, X9, X10, X11, X12, X13, X14, X15}
	Y = []VecPhysical{
		Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14, Y15,
		Y16, Y17, Y18, Y19, Y20, Y21, Y22, Y23, Y24, Y25, Y26, Y27, Y28, Y29, Y30, Y31,
	}
	Z = []VecPhysical{
		Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15,
		Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31,
	}
)

// Pixels are the general registers for pointers to a tile's pixels.
var Pixels = []GPPhysical{R8, R9, R10, R11, R12, R13, R14, R15}

// Args holds the pointer that a kernel is called with.
var Args = RSI

// Arg is the field at that offset of what Args points to.
func Arg(off int) Mem { return Mem{Base: Args, Disp: off} }

// Func opens a function of that one pointer, param.
func Func(name, param, doc string) {
	TEXT(name, NOSPLIT, "func("+param+" *byte)")
	Doc(name + " " + doc)
	Load(Param(param), Args)
}

// TilePixels points Pixels at a tile's pixels in the input, the field at x, by the table at src,
// and moves that on to the next tile.
func TilePixels(pixels, x, src int) {
	MOVQ(Arg(src), RDI)
	MOVQ(Arg(x), RAX)
	for p := range pixels {
		MOVLQSX(Mem{Base: RDI, Disp: 4 * p}, Pixels[p])
		ADDQ(RAX, Pixels[p])
	}
	ADDQ(U32(4*pixels), RDI)
	MOVQ(RDI, Arg(src))
}
