package direct

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/c236555e/rehead/internal/_generate/avx"
	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// generateMoments writes the kernel that sums k-x and its square over the cells of one channel block's
// plane and makes moments of them: eight channels of float32, or half a block of bfloat16. Four pixels have
// sums of squares of their own, so that additions need not wait for each other.
func generateMoments(pairs bool) {
	name, what := "planeMoments", "float32"
	if pairs {
		name, what = "planeMomentsPairs", "bfloat16"
	}
	avx.Func(name, "a", "writes the moments of eight channels of "+what+".")
	MOVQ(avx.Arg(PlaneX), R8)
	MOVQ(avx.Arg(PlaneCells), RBX)
	MOVQ(avx.Arg(PlaneSums), R12)
	MOVQ(avx.Arg(PlaneRow), R13)
	k := Mem{Base: R12, Disp: 32 * (Cells + 1)}
	if pairs {
		widen(Mem{Base: R8}, Y15)
	} else {
		VMOVUPS(Mem{Base: R8}, Y15)
	}
	VMOVUPS(Y15, k)
	squares := avx.Y[8:12]
	for _, y := range squares {
		VXORPS(y, y, y)
	}
	pixel := func(at int) { // and its distance from k to Y4 and on
		x := Mem{Base: RDI, Disp: 32 * at}
		if d := avx.Y[4+at]; pairs {
			widen(x, d)
			VSUBPS(d, Y15, d)
		} else {
			VSUBPS(x, Y15, d)
		}
		VFMADD231PS(avx.Y[4+at], avx.Y[4+at], squares[at])
	}
	MOVQ(U32(Cells), R14)
	Label(name + "_cell")
	VXORPS(Y0, Y0, Y0)
	MOVQ(Mem{Base: RBX, Disp: CellRows}, R9)
	MOVQ(Mem{Base: RBX, Disp: CellColumns}, R11)
	TESTQ(R9, R9)
	JEQ(LabelRef(name + "_done"))
	TESTQ(R11, R11)
	JEQ(LabelRef(name + "_done"))
	MOVQ(Mem{Base: RBX, Disp: CellTop}, RDI)
	IMULQ(R13, RDI)
	MOVQ(Mem{Base: RBX, Disp: CellLeft}, RAX)
	SHLQ(Imm(5), RAX)
	ADDQ(RAX, RDI)
	ADDQ(R8, RDI)
	MOVQ(R11, RAX)
	SHLQ(Imm(5), RAX)
	MOVQ(R13, R10)
	SUBQ(RAX, R10)
	Label(name + "_row")
	MOVQ(R11, RCX)
	SUBQ(Imm(4), RCX)
	JLT(LabelRef(name + "_rest"))
	Label(name + "_four")
	for at := range 4 {
		pixel(at)
	}
	VADDPS(Y5, Y4, Y4)
	VADDPS(Y7, Y6, Y6)
	VADDPS(Y6, Y4, Y4)
	VADDPS(Y4, Y0, Y0)
	ADDQ(U32(128), RDI)
	SUBQ(Imm(4), RCX)
	JGE(LabelRef(name + "_four"))
	Label(name + "_rest")
	ADDQ(Imm(4), RCX)
	JEQ(LabelRef(name + "_next"))
	Label(name + "_one")
	pixel(0)
	VADDPS(Y4, Y0, Y0)
	ADDQ(Imm(32), RDI)
	DECQ(RCX)
	JNE(LabelRef(name + "_one"))
	Label(name + "_next")
	ADDQ(R10, RDI)
	DECQ(R9)
	JNE(LabelRef(name + "_row"))
	Label(name + "_done")
	VMOVUPS(Y0, Mem{Base: R12})
	ADDQ(Imm(32), R12)
	ADDQ(Imm(CellSize), RBX)
	DECQ(R14)
	JNE(LabelRef(name + "_cell"))
	VADDPS(Y9, Y8, Y8)
	VADDPS(Y11, Y10, Y10)
	VADDPS(Y10, Y8, Y8)
	VMOVUPS(Y8, Mem{Base: R12})
	SUBQ(U32(32*Cells), R12)
	avx.Plane{
		Stride: 32, K: k, Shift: true,
		Sums:   func(m Mem, y int) { VCVTPS2PD(m, avx.Y[y]) },
		Square: func(half int) { VCVTPS2PD(Mem{Base: R12, Disp: 32*Cells + 16*half}, Y0) },
	}.Finish()
	VZEROUPPER()
	RET()
}

// widen reads eight bfloat16 as float32.
func widen(from Mem, to VecPhysical) {
	VPMOVZXWD(from, to)
	VPSLLD(Imm(16), to, to)
}
