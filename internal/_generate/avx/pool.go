package avx

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// The registers of a pool: the pixel's first tap, the offset of a tap from it, the list of these
// and how many are left of it.
var PoolPtr, PoolTap, PoolList, PoolLeft = RBX, RAX, RCX, RDX

// PoolBegin opens a pool of one channel block and loads what it keeps in registers.
func PoolBegin(name, doc string) {
	Func(name, "a", doc)
	for _, f := range []struct {
		off int
		to  GPPhysical
	}{{PoolSrc, R8}, {PoolDst, R9}, {PoolPixels, R10}, {PoolX, R11}, {PoolOut, R12}, {PoolTaps, R13}} {
		MOVQ(Arg(f.off), f.to)
	}
}

// PoolPixel is the beginning of the loop body: one output pixel.
func PoolPixel(name string) {
	Label(name + "_pixel")
	MOVLQSX(Mem{Base: R8}, PoolPtr)
	ADDQ(R11, PoolPtr)
	MOVQ(R13, PoolList)
	MOVQ(Arg(PoolNTaps), PoolLeft)
}

// PoolAt is where the tap lies that PoolTap was read for.
func PoolAt(disp int) Mem { return Mem{Base: PoolPtr, Index: PoolTap, Scale: 1, Disp: disp} }

// PoolNext goes on to the next tap, at label name_tap, until none is left.
func PoolNext(name string) {
	ADDQ(Imm(8), PoolList)
	DECQ(PoolLeft)
	JNE(LabelRef(name + "_tap"))
}

// PoolEnd stores the first register by the instruction move and closes the loop over pixels.
func PoolEnd(name string, move func(...Op)) {
	MOVLQSX(Mem{Base: R9}, RDI)
	move(Y0, Mem{Base: R12, Index: RDI, Scale: 1})
	ADDQ(Imm(4), R8)
	ADDQ(Imm(4), R9)
	DECQ(R10)
	JNE(LabelRef(name + "_pixel"))
	VZEROUPPER()
	RET()
}
