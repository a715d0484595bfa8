package avx

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// A Plane is how the sums of a plane's cells become moments, in float64, eight channels in two halves. R12
// points to the sums.
type Plane struct {
	Stride int                // bytes from one cell's sums to the next
	Sums   func(m Mem, y int) // reads a cell's four sums
	Square func(half int)     // writes the sums of the squares to Y0 with the help of Y1
	Shift  bool               // the sums are of k-x, which is at K
	K      Mem
	Scale  bool // they are of bytes of PlaneStep
}

// Finish writes the six runs of moments.
func (p Plane) Finish() {
	MOVQ(Arg(PlaneOut), RDI)
	MOVQ(Arg(PlaneRun), RDX)
	for half := range 2 {
		p.half(half)
	}
}

func (p Plane) half(half int) {
	for i := range Cells {
		p.Sums(Mem{Base: R12, Disp: p.Stride*i + 16*half}, i)
	}
	add := func(a, b, to int) { VADDPD(Y[a], Y[b], Y[to]) }
	add(3, 4, 9)
	add(4, 5, 10)
	add(0, 1, 11)
	add(7, 8, 12)
	add(11, 9, 13) // all
	add(13, 2, 13)
	add(13, 5, 13)
	add(13, 6, 13)
	add(13, 12, 13)
	add(1, 2, 1) // quarters: Y11, Y1, Y6, Y12
	add(6, 7, 6)
	add(11, 9, 11)
	add(1, 10, 1)
	add(6, 9, 6)
	add(12, 10, 12)
	VBROADCASTSD(Arg(PlaneN), Y[14])
	VMULPD(Y[14], Y[13], Y[13])
	MOVQ(RDI, R9)
	p.write(13, half)
	VBROADCASTSD(Arg(PlaneFourth), Y[0])
	for _, quarter := range []int{11, 1, 6, 12} {
		VMULPD(Y[0], Y[quarter], Y[quarter])
		p.quarter(quarter, half)
	}
	p.Square(half)
	VMULPD(Y[14], Y[0], Y[0])
	VMULPD(Y[13], Y[13], Y[13])
	VSUBPD(Y[13], Y[0], Y[0])
	VXORPD(Y[1], Y[1], Y[1])
	VMAXPD(Y[0], Y[1], Y[0]) // a NaN stays one
	VSQRTPD(Y[0], Y[0])
	if p.Scale {
		VBROADCASTSD(Arg(PlaneStep), Y[1])
		VMULPD(Y[1], Y[0], Y[0])
	}
	p.store(0, half)
}

// write writes the mean, which stays.
func (p Plane) write(at, half int) {
	switch {
	case p.Shift:
		VCVTPS2PD(p.K.Offset(16*half), Y[2])
		VSUBPD(Y[at], Y[2], Y[3])
	case p.Scale:
		VBROADCASTSD(Arg(PlaneStep), Y[2])
		VMULPD(Y[2], Y[at], Y[3])
	}
	p.store(3, half)
}

// quarter writes a quarter's mean.
func (p Plane) quarter(at, half int) {
	if p.Shift {
		VSUBPD(Y[at], Y[2], Y[at])
	}
	p.store(at, half)
}

// store writes four values and moves on to the next run.
func (p Plane) store(at, half int) {
	VCVTPD2PSY(Y[at], X[at])
	VMOVUPS(X[at], Mem{Base: R9, Disp: 16 * half})
	ADDQ(RDX, R9)
}
