package neon

import (
	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// Registers that all transforms use alike.
const (
	left, tmp, inStep, outStep = reg(1), reg(2), reg(3), reg(4)
)

var (
	at       = [2]reg{5, 6} // where the two halves of a vector of eight lanes lie,
	to       = [2]reg{7, 8} // counted from the inputs' and outputs' pointers
	pointers = free[8:]
)

// lines is the loop that all transforms share: lines x n applications of a
// small matrix to vectors of eight lanes, four lanes at a time. The matrix's
// input i lies at in[i] + line*inLine + k*inStep, its output likewise.
type lines struct {
	*assembly
	in, out   int
	ins, outs []reg // pointers kept in registers: the first of in and out
	half      int
	consts    int // held in the last registers
	bias      [2]vec
	floor     vec
	free      []vec
}

// begin opens the function and both loops. The first in registers are left for
// the inputs.
func begin(a *assembly, name, doc string, in, out, consts int, last bool) *lines {
	l := &lines{assembly: a, in: in, out: out, consts: consts}
	a.function(name, "l", doc)
	l.ins = pointers[:min(in, len(pointers))]
	l.outs = pointers[len(l.ins):min(len(l.ins)+out, len(pointers))]
	for i, r := range l.ins {
		a.load(args, LinesIn+8*i, r)
	}
	for i, r := range l.outs {
		a.load(args, LinesOut+8*i, r)
	}
	a.load(args, LinesInStep, inStep)
	a.load(args, LinesOutStep, outStep)
	if consts > 0 {
		a.load(args, LinesCoef, tmp)
	}
	for i := range consts {
		a.read(tmp, 32*i, l.constant(i))
	}
	top := vec(32 - consts)
	if last {
		l.bias, l.floor = [2]vec{top - 3, top - 2}, top-1
		top -= 3
		a.load(args, LinesBias, tmp)
		a.read(tmp, 0, l.bias[0])
		a.read(tmp, 16, l.bias[1])
		a.op("ADD $%d, %v, %v", LinesFloor, args, tmp)
		a.spread(tmp, l.floor)
	}
	for v := vec(in); v < top; v++ {
		l.free = append(l.free, v)
	}
	a.label("line")
	a.load(args, LinesN, left)
	for _, r := range []reg{at[0], to[0]} {
		a.op("MOVD ZR, %v", r)
	}
	for _, r := range []reg{at[1], to[1]} {
		a.op("MOVD $16, %v", r)
	}
	a.label("next")
	return l
}

// halves calls f for both halves of a vector and closes the loops: the next
// vector, then the next line.
func (l *lines) halves(f func(d []vec)) {
	for l.half = range 2 {
		d := make([]vec, l.in)
		for i := range d {
			d[i] = vec(i)
		}
		spare := append([]vec(nil), l.free...)
		for i := range d {
			l.get(i, d[i])
		}
		f(d)
		l.free = spare
	}
	for h := range 2 {
		l.add(inStep, at[h])
		l.add(outStep, to[h])
	}
	l.countDown(left, "next")
	l.move(LinesIn, l.in, LinesInLine, l.ins)
	l.move(LinesOut, l.out, LinesOutLine, l.outs)
	l.countArg(LinesLines, tmp, "line")
	l.op("RET")
}

// move takes a list of pointers on to the next line.
func (l *lines) move(table, n, step int, regs []reg) {
	l.load(args, step, tmp)
	for i := range n {
		if i < len(regs) {
			l.add(tmp, regs[i])
			continue
		}
		l.load(args, table+8*i, left)
		l.add(tmp, left)
		l.store(left, args, table+8*i)
	}
}

// get reads input i, put writes output i.
func (l *lines) get(i int, v vec) { l.readAt(l.pointer(l.ins, LinesIn, i), at[l.half], v) }
func (l *lines) put(i int, v vec) { l.writeAt(v, l.pointer(l.outs, LinesOut, i), to[l.half]) }

func (l *lines) pointer(regs []reg, table, i int) reg {
	if i < len(regs) {
		return regs[i]
	}
	l.load(args, table+8*i, tmp)
	return tmp
}

// constant returns the register that holds constant i in all lanes.
func (l *lines) constant(i int) vec { return vec(32 - l.consts + i) }

// take and give hand out the vector registers that are free.
func (l *lines) take() vec {
	v := l.free[0]
	l.free = l.free[1:]
	return v
}

func (l *lines) give(v ...vec) { l.free = append(l.free, v...) }
