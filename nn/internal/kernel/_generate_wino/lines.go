package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Offsets of winoLines's fields, which wino_amd64.go checks.
const (
	maxPoints = 12
	linesIn   = 0
	linesOut  = 8 * maxPoints
)

const (
	linesInStep = 16*maxPoints + 8*iota
	linesOutStep
	linesInLine
	linesOutLine
	linesN
	linesLines
	linesCoef
	linesBias
	linesFloor
)

// lines is the loop that all transforms share: lines x n applications of a
// small matrix to vectors of eight lanes. The matrix's input i lies at
// in[i] + line*inLine + k*inStep, its output likewise.
type lines struct {
	name    string
	in, out int
	ins     []GPPhysical // pointers kept in registers: the first of in and out
	outs    []GPPhysical
	held    map[int]VecPhysical // constants kept in registers
	free    []VecPhysical
}

const vec = 32

var (
	args, at, to, coef, left, tmp = RSI, RAX, RBX, RCX, RDX, RDI
)

// begin opens the function and both loops. The spare vector registers hold the
// first constants throughout.
func begin(name, doc string, in, out int, spare []VecPhysical, consts int, hold ...VecPhysical) *lines {
	l := &lines{name: name, in: in, out: out, held: map[int]VecPhysical{}}
	TEXT(name, NOSPLIT, "func(l *byte)")
	Doc(name + " " + doc)
	Load(Param("l"), args)
	MOVQ(arg(linesCoef), coef)
	free := []GPPhysical{R8, R9, R10, R11, R12, R13, R14, R15}
	for i := 0; i < in && len(l.ins) < len(free); i++ {
		l.ins = append(l.ins, free[i])
		MOVQ(arg(linesIn+8*i), free[i])
	}
	free = free[len(l.ins):]
	for i := 0; i < out && i < len(free); i++ {
		l.outs = append(l.outs, free[i])
		MOVQ(arg(linesOut+8*i), free[i])
	}
	for i := 0; i < consts && i < len(spare); i++ {
		l.held[i] = spare[i]
		VMOVUPS(Mem{Base: coef, Disp: i * vec}, spare[i])
	}
	if len(hold) > 0 { // bias and floor
		MOVQ(arg(linesBias), tmp)
		VMOVUPS(Mem{Base: tmp}, hold[0])
		VBROADCASTSS(arg(linesFloor), hold[1])
	}
	Label(name + "_line")
	MOVQ(arg(linesN), left)
	XORQ(at, at)
	XORQ(to, to)
	Label(name + "_next")
	return l
}

// end closes the loops: the next vector, then the next line.
func (l *lines) end() {
	ADDQ(arg(linesInStep), at)
	ADDQ(arg(linesOutStep), to)
	DECQ(left)
	JNE(LabelRef(l.name + "_next"))
	DECQ(arg(linesLines))
	JEQ(LabelRef(l.name + "_done"))
	move := func(table, n, step int, regs []GPPhysical) {
		MOVQ(arg(step), tmp)
		for i := range n {
			if i < len(regs) {
				ADDQ(tmp, regs[i])
			} else {
				ADDQ(tmp, arg(table+8*i))
			}
		}
	}
	move(linesIn, l.in, linesInLine, l.ins)
	move(linesOut, l.out, linesOutLine, l.outs)
	JMP(LabelRef(l.name + "_line"))
	Label(l.name + "_done")
	VZEROUPPER()
	RET()
}

func arg(off int) Mem { return Mem{Base: args, Disp: off} }

// load reads input i.
func (l *lines) load(i int, y VecPhysical) {
	p := tmp
	if i < len(l.ins) {
		p = l.ins[i]
	} else {
		MOVQ(arg(linesIn+8*i), tmp)
	}
	VMOVUPS(Mem{Base: p, Index: at, Scale: 1}, y)
}

// store writes output i.
func (l *lines) store(i int, y VecPhysical) {
	p := tmp
	if i < len(l.outs) {
		p = l.outs[i]
	} else {
		MOVQ(arg(linesOut+8*i), tmp)
	}
	VMOVUPS(y, Mem{Base: p, Index: to, Scale: 1})
}

// constant returns constant i: a register, or memory.
func (l *lines) constant(i int) Op {
	if y, ok := l.held[i]; ok {
		return y
	}
	return Mem{Base: coef, Disp: i * vec}
}

// take and give hand out the vector registers that are free.
func (l *lines) take() VecPhysical {
	y := l.free[0]
	l.free = l.free[1:]
	return y
}

func (l *lines) give(y ...VecPhysical) { l.free = append(l.free, y...) }
