package wino

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/c236555e/rehead/internal/_generate/avx"
	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// lines is the loop that all transforms share: lines x n applications of a
// small matrix to vectors of eight lanes. The matrix's input i lies at
// in[i] + line*inLine + k*inStep, its output likewise.
type lines struct {
	form
	name    string
	in, out int
	ins     []GPPhysical // pointers kept in registers: the first of in and out
	outs    []GPPhysical
	held    map[int]VecPhysical // constants kept in registers
	free    []VecPhysical
}

// A form is how wide the vectors are, and what is read and written.
type form struct {
	suffix    string // of the functions' names
	regs      []VecPhysical
	pairsIn   bool // bfloat16 is read,
	pairsLast bool // and written by the last transform
}

var (
	narrow = form{regs: avx.Y[:16]}
	wide   = form{suffix: "Wide", regs: avx.Z, pairsLast: true}
	pairs  = form{suffix: "Pairs", regs: avx.Z, pairsIn: true}
)

func (f form) isWide() bool { return len(f.regs) == 32 }

// spread reads one of the constants, each of which lies there eight times.
func (f form) spread(from Mem, to VecPhysical) {
	if f.isWide() {
		VBROADCASTSS(from, to)
	} else {
		VMOVUPS(from, to)
	}
}

const vec = 32

var (
	at, to, coef, left, tmp = RAX, RBX, RCX, RDX, RDI
)

// begin opens the function and both loops. The spare vector registers hold the
// first constants throughout.
func begin(f form, name, doc string, in, out int, spare []VecPhysical, consts int, hold ...VecPhysical) *lines {
	l := &lines{form: f, name: name, in: in, out: out, held: map[int]VecPhysical{}}
	avx.Func(name, "l", doc)
	MOVQ(avx.Arg(LinesCoef), coef)
	free := []GPPhysical{R8, R9, R10, R11, R12, R13, R14, R15}
	for i := 0; i < in && len(l.ins) < len(free); i++ {
		l.ins = append(l.ins, free[i])
		MOVQ(avx.Arg(LinesIn+8*i), free[i])
	}
	free = free[len(l.ins):]
	for i := 0; i < out && i < len(free); i++ {
		l.outs = append(l.outs, free[i])
		MOVQ(avx.Arg(LinesOut+8*i), free[i])
	}
	for i := 0; i < consts && i < len(spare); i++ {
		l.held[i] = spare[i]
		f.spread(Mem{Base: coef, Disp: i * vec}, spare[i])
	}
	if len(hold) > 0 { // bias and floor
		MOVQ(avx.Arg(LinesBias), tmp)
		VMOVUPS(Mem{Base: tmp}, hold[0])
		VBROADCASTSS(avx.Arg(LinesFloor), hold[1])
	}
	Label(name + "_line")
	MOVQ(avx.Arg(LinesN), left)
	XORQ(at, at)
	XORQ(to, to)
	Label(name + "_next")
	return l
}

// end closes the loops: the next vector, then the next line.
func (l *lines) end() {
	ADDQ(avx.Arg(LinesInStep), at)
	ADDQ(avx.Arg(LinesOutStep), to)
	DECQ(left)
	JNE(LabelRef(l.name + "_next"))
	DECQ(avx.Arg(LinesLines))
	JEQ(LabelRef(l.name + "_done"))
	move := func(table, n, step int, regs []GPPhysical) {
		MOVQ(avx.Arg(step), tmp)
		for i := range n {
			if i < len(regs) {
				ADDQ(tmp, regs[i])
			} else {
				ADDQ(tmp, avx.Arg(table+8*i))
			}
		}
	}
	move(LinesIn, l.in, LinesInLine, l.ins)
	move(LinesOut, l.out, LinesOutLine, l.outs)
	JMP(LabelRef(l.name + "_line"))
	Label(l.name + "_done")
	VZEROUPPER()
	RET()
}

// load reads input i.
func (l *lines) load(i int, y VecPhysical) {
	p := tmp
	if i < len(l.ins) {
		p = l.ins[i]
	} else {
		MOVQ(avx.Arg(LinesIn+8*i), tmp)
	}
	from := Mem{Base: p, Index: at, Scale: 1}
	if l.pairsIn {
		avx.WidenPairs(from, y)
	} else {
		VMOVUPS(from, y)
	}
}

// storeLast writes output i of a convolution's last transform; y is used up.
func (l *lines) storeLast(i int, y VecPhysical) {
	if l.pairsLast {
		y = avx.NarrowPairs(y)
	}
	l.store(i, y)
}

// store writes output i.
func (l *lines) store(i int, y VecPhysical) {
	p := tmp
	if i < len(l.outs) {
		p = l.outs[i]
	} else {
		MOVQ(avx.Arg(LinesOut+8*i), tmp)
	}
	VMOVUPS(y, Mem{Base: p, Index: to, Scale: 1})
}

// constant returns constant i: a register, or memory.
func (l *lines) constant(i int) Op {
	if y, ok := l.held[i]; ok {
		return y
	}
	if l.isWide() {
		panic("a constant of " + l.name + " has no register")
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
