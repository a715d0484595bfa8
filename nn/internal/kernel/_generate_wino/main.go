// Command _generate_wino writes the Winograd kernels of nn/internal/kernel for
// amd64. Run it through go generate in that folder.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	for _, n := range []int{4, 6, 8, 10, 12} {
		forward(n)
	}
	for _, s := range [][2]int{{2, 4}, {2, 6}, {4, 6}, {4, 8}, {6, 8}, {4, 10}, {6, 12}} {
		inverse(s[0], s[1], false)
		inverse(s[0], s[1], true)
	}
	for r := 1; r <= 6; r++ {
		product(r)
	}
	Generate()
}

var ymm = []VecPhysical{Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14, Y15}

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
	consts  int                 // vectors of constants so far
	held    map[int]VecPhysical // those kept in registers
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

// next returns the next constant: a register, or memory.
func (l *lines) next() Op {
	i := l.consts
	l.consts++
	if y, ok := l.held[i]; ok {
		return y
	}
	return Mem{Base: coef, Disp: i * vec}
}

// nextIn returns the next constant in a register, y if need be.
func (l *lines) nextIn(y VecPhysical) VecPhysical {
	c := l.next()
	if held, ok := c.(VecPhysical); ok {
		return held
	}
	VMOVUPS(c, y)
	return y
}

// forward writes the input transform of n points 0, ±a, ±b, ..., infinity.
//
// The row of ±a is (x ± a) R(x) with R(x) = x * product of (x² - b²) over the
// other pairs: the even and the odd powers of d share R's coefficients.
// Constants: those of the product over all pairs but the leading 1; then for
// each pair those of R but the leading 1, and a.
func forward(n int) {
	q := (n - 2) / 2
	e, o, c, t := ymm[n], ymm[n+1], ymm[n+2], ymm[n+3]
	d := ymm[:n]
	l := begin(fmt.Sprintf("winoForward%d", n), fmt.Sprintf("applies the input transform of %d points.", n),
		n, n, ymm[n+4:], q+q*q)
	for i := range n {
		l.load(i, d[i])
	}
	VMOVAPS(d[n-2], e)
	VMOVAPS(d[n-1], o)
	for k := range q {
		k0 := l.nextIn(c)
		VFMADD231PS(k0, d[2*k], e)
		VFMADD231PS(k0, d[2*k+1], o)
	}
	l.store(0, e)
	l.store(n-1, o)
	for p := range q {
		VMOVAPS(d[2*q], e)
		VMOVAPS(d[2*q-1], o)
		for k := range q - 1 {
			r := l.nextIn(c)
			VFMADD231PS(r, d[2*k+2], e)
			VFMADD231PS(r, d[2*k+1], o)
		}
		a := l.nextIn(c)
		VMOVAPS(e, t)
		VFMADD231PS(a, o, e)
		VFNMADD231PS(a, o, t)
		l.store(1+2*p, e)
		l.store(2+2*p, t)
	}
	l.end()
}

// inverse writes the output transform of n points to m outputs; the last one
// of a convolution adds the bias and clamps at the floor.
// Constants: for each power j = 1..m-1 the j-th power of every pair's point.
func inverse(m, n int, last bool) {
	q := (n - 2) / 2
	name, doc := fmt.Sprintf("winoInverse%dx%d", m, n), "applies the output transform of %d points to %d outputs."
	spare := ymm[n+2:]
	var bias, floor VecPhysical
	var hold []VecPhysical
	if last {
		name += "Last"
		doc = "applies the output transform of %d points to %d outputs, adds the bias and clamps."
		bias, floor, spare = ymm[n+2], ymm[n+3], ymm[n+4:]
		hold = []VecPhysical{bias, floor}
	}
	l := begin(name, fmt.Sprintf(doc, n, m), n, m, spare, (m-1)*q, hold...)
	d := append([]VecPhysical(nil), ymm[:n]...)
	y, t := ymm[n], ymm[n+1]
	for i := range n {
		l.load(i, d[i])
	}
	for p := range q {
		s, f := d[1+2*p], d[2+2*p]
		VADDPS(f, s, t)
		VSUBPS(f, s, f)
		d[1+2*p], t = t, s // sums in 1+2p, differences in 2+2p
	}
	// d now names the registers; y and t are free.
	finish := func(j int) {
		if last {
			VMAXPS(y, floor, y)
		}
		l.store(j, y)
	}
	if last {
		VADDPS(d[0], bias, y)
	} else {
		VMOVAPS(d[0], y)
	}
	for p := range q {
		VADDPS(d[1+2*p], y, y)
	}
	finish(0)
	for j := 1; j < m; j++ {
		if j == m-1 {
			if last {
				VADDPS(d[n-1], bias, y)
			} else {
				VMOVAPS(d[n-1], y)
			}
		} else if last {
			VMOVAPS(bias, y)
		}
		for p := range q {
			x := d[1+2*p+j%2]
			c := l.next()
			if p == 0 && !last && j < m-1 {
				VMULPS(c, x, y)
			} else {
				VFMADD231PS(c, x, y)
			}
		}
		finish(j)
	}
	l.end()
}

// Offsets of winoProduct's fields.
const (
	productA = 8 * iota
	productB
	productC
	productBlocks
	productAStep
	productCStep
	productGroups
)

// product writes the matrix product of rows tiles by 16 outputs:
// A [blocks][..][8] by block pitch, B [blocks*8][16], C [2][..][8] by pitch.
func product(rows int) {
	name := fmt.Sprintf("winoProduct%d", rows)
	TEXT(name, NOSPLIT, "func(p *byte)")
	Doc(fmt.Sprintf("%s multiplies groups of %d tiles by 16 outputs.", name, rows))
	a, b, c, blocks, aStep := R8, R9, R10, R11, R12
	Load(Param("p"), args)
	MOVQ(arg(productAStep), aStep)
	Label(name + "_group")
	MOVQ(arg(productA), a)
	MOVQ(arg(productB), b)
	MOVQ(arg(productBlocks), blocks)
	acc := func(r, v int) VecPhysical { return ymm[2*r+v] }
	w := []VecPhysical{ymm[12], ymm[13]}
	for r := range rows {
		for v := range 2 {
			VXORPS(acc(r, v), acc(r, v), acc(r, v))
		}
	}
	Label(name + "_block")
	for k := range 8 {
		for v := range 2 {
			VMOVUPS(Mem{Base: b, Disp: (2*k + v) * vec}, w[v])
		}
		for r := range rows {
			x := ymm[14+r%2]
			VBROADCASTSS(Mem{Base: a, Disp: r*vec + 4*k}, x)
			for v := range 2 {
				VFMADD231PS(w[v], x, acc(r, v))
			}
		}
	}
	ADDQ(aStep, a)
	ADDQ(U32(16*vec), b)
	DECQ(blocks)
	JNE(LabelRef(name + "_block"))
	MOVQ(arg(productC), c)
	for r := range rows {
		VMOVUPS(acc(r, 0), Mem{Base: c, Disp: r * vec})
	}
	ADDQ(U32(rows*vec), arg(productA))
	ADDQ(U32(rows*vec), arg(productC))
	ADDQ(arg(productCStep), c)
	for r := range rows {
		VMOVUPS(acc(r, 1), Mem{Base: c, Disp: r * vec})
	}
	DECQ(arg(productGroups))
	JNE(LabelRef(name + "_group"))
	VZEROUPPER()
	RET()
}
