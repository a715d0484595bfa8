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
	forwardStrided()
	inverseStrided(false)
	inverseStrided(true)
	for r := 1; r <= 6; r++ {
		product(r)
	}
	for r := 1; r <= 16; r++ {
		productWide(r)
	}
	expand(false)
	expand(true)
	Generate()
}

var ymm = []VecPhysical{Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14, Y15}

var xmm = []VecPhysical{X0, X1, X2, X3}

var zmm = []VecPhysical{
	Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15, Z16, Z17,
}

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

// A poly is a polynomial in z = x² that reads the same backwards, but for the
// sign if odd is set: its coefficients are 1, those at constants from first on,
// and these again in reverse.
type poly struct {
	degree int
	odd    bool
	first  int
}

// coefs returns the number of constants of a polynomial.
func (p poly) coefs() int {
	if p.degree == 0 {
		return 0
	}
	if p.odd {
		return (p.degree - 1) / 2
	}
	return p.degree / 2
}

// apply computes the sum of coefficient j times d[base+2j]. The second result
// says whether the register is a temporary one.
func (l *lines) apply(p poly, d []VecPhysical, base int) (VecPhysical, bool) {
	if p.degree == 0 {
		return d[base], false
	}
	pair := func(j int, y VecPhysical) {
		lo, hi := d[base+2*j], d[base+2*(p.degree-j)]
		if p.odd {
			VSUBPS(lo, hi, y)
		} else {
			VADDPS(lo, hi, y)
		}
	}
	sum := l.take()
	pair(0, sum)
	for j := 1; 2*j < p.degree; j++ {
		t := l.take()
		pair(j, t)
		VFMADD231PS(l.constant(p.first+j-1), t, sum)
		l.give(t)
	}
	if j := p.degree / 2; p.degree%2 == 0 && !p.odd {
		VFMADD231PS(l.constant(p.first+j-1), d[base+2*j], sum)
	}
	return sum, true
}

// own returns y itself if it is temporary, else a copy.
func (l *lines) own(y VecPhysical, temporary bool) VecPhysical {
	if temporary {
		return y
	}
	t := l.take()
	VMOVAPS(y, t)
	return t
}

// forward writes the input transform of n points; winoForwardGo is the same in
// Go and explains it.
func forward(n int) {
	q := (n - 2) / 2
	quads, one := q/2, q%2 == 1
	t := poly{degree: q - 2, odd: one}
	each := t.coefs() + 2
	others := poly{degree: q - 1, first: quads * each}
	all := poly{degree: q, odd: one, first: quads * each}
	if one {
		all.first += others.coefs()
	}
	spare := max(0, 16-n-3)
	l := begin(fmt.Sprintf("winoForward%d", n), fmt.Sprintf("applies the input transform of %d points.", n),
		n, n, ymm[16-spare:], all.first+all.coefs())
	d := append([]VecPhysical(nil), ymm[:n]...)
	l.free = append(l.free, ymm[n:16-spare]...)
	for i := range n {
		l.load(i, d[i])
	}
	for i := range 2 {
		y, _ := l.apply(all, d, i)
		l.store(i*(n-1), y)
		l.give(y)
	}
	l.give(d[0], d[n-1])
	for i := range quads {
		t.first = i * each
		k, g := l.constant(t.first+each-2), l.constant(t.first+each-1)
		// reduce returns high - k low and k high - low.
		reduce := func(base int) (VecPhysical, VecPhysical) {
			low, lowTemp := l.apply(t, d, base)
			high, highTemp := l.apply(t, d, base+2)
			y := l.take()
			VMOVAPS(high, y)
			VFMSUB132PS(k, low, y)
			x := l.own(high, highTemp)
			VFNMADD231PS(k, low, x)
			if lowTemp {
				l.give(low)
			}
			return x, y
		}
		// spread stores x + g y and x - g y.
		spread := func(p int, x, y VecPhysical) {
			z := l.take()
			VMOVAPS(x, z)
			VFMADD231PS(g, y, z)
			l.store(p, z)
			VFNMADD231PS(g, y, x)
			l.store(p+1, x)
			l.give(x, y, z)
		}
		e, eInv := reduce(2)
		o, oInv := reduce(1)
		spread(1+4*i, o, e)
		spread(3+4*i, eInv, oInv)
	}
	if one {
		e, _ := l.apply(others, d, 2)
		o, _ := l.apply(others, d, 1)
		y := l.take()
		VADDPS(o, e, y)
		l.store(n-3, y)
		VSUBPS(o, e, y)
		l.store(n-2, y)
	}
	l.end()
}

// inverse writes the output transform of n points to m outputs; the last one
// of a convolution adds the bias and clamps at the floor.
func inverse(m, n int, last bool) {
	q := (n - 2) / 2
	quads, one := q/2, q%2 == 1
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
	l := begin(name, fmt.Sprintf(doc, n, m), n, m, spare, (m-1)*quads, hold...)
	d := append([]VecPhysical(nil), ymm[:n]...)
	y, t := ymm[n], ymm[n+1]
	for i := range n {
		l.load(i, d[i])
	}
	for p := range q { // sums in 1+2p, differences in 2+2p
		s, f := d[1+2*p], d[2+2*p]
		VADDPS(f, s, t)
		VSUBPS(f, s, f)
		d[1+2*p], t = t, s
	}
	for j := range m {
		type product struct {
			c int
			x VecPhysical
		}
		var terms []VecPhysical
		var products []product
		add := func(i, power int, x VecPhysical) {
			if power == 0 {
				terms = append(terms, x)
			} else {
				products = append(products, product{i*(m-1) + power - 1, x})
			}
		}
		if last {
			terms = append(terms, bias)
		}
		switch j {
		case 0:
			terms = append(terms, d[0])
		case m - 1:
			terms = append(terms, d[n-1])
		}
		for i := range quads {
			add(i, j, d[1+4*i+j%2])
			add(i, m-1-j, d[3+4*i+j%2])
		}
		if one {
			terms = append(terms, d[n-3+j%2])
		}
		switch len(terms) {
		case 0:
			VMULPS(l.constant(products[0].c), products[0].x, y)
			products = products[1:]
		case 1:
			VMOVAPS(terms[0], y)
		default:
			VADDPS(terms[0], terms[1], y)
			for _, x := range terms[2:] {
				VADDPS(x, y, y)
			}
		}
		for _, p := range products {
			VFMADD231PS(l.constant(p.c), p.x, y)
		}
		if last {
			VMAXPS(y, floor, y)
		}
		l.store(j, y)
	}
	l.end()
}

// forwardStrided writes the input transform for three taps and stride 2: that
// of the points 0, 1, -1, infinity on the even inputs, none on the odd ones.
func forwardStrided() {
	l := begin("winoForward7", "applies the input transform for stride 2.", 7, 7, nil, 0)
	d := ymm[:7]
	t := ymm[7:11]
	for i := range d {
		l.load(i, d[i])
	}
	VSUBPS(d[0], d[4], t[0])
	VADDPS(d[2], d[4], t[1])
	VSUBPS(d[2], d[4], t[2])
	VSUBPS(d[2], d[6], t[3])
	for i, y := range []VecPhysical{t[0], t[1], t[2], t[3], d[1], d[3], d[5]} {
		l.store(i, y)
	}
	l.end()
}

// inverseStrided writes the output transform for three taps and stride 2.
func inverseStrided(last bool) {
	name, doc := "winoInverse3x7", "applies the output transform for stride 2."
	var hold []VecPhysical
	if last {
		name, doc = name+"Last", "applies the output transform for stride 2, adds the bias and clamps."
		hold = []VecPhysical{Y14, Y15}
	}
	l := begin(name, doc, 7, 3, nil, 0, hold...)
	d := ymm[:7]
	for i := range d {
		l.load(i, d[i])
	}
	s, f := ymm[7], ymm[8]
	VADDPS(d[2], d[1], s)
	VSUBPS(d[2], d[1], f)
	if last {
		for _, y := range d[4:] {
			VADDPS(hold[0], y, y)
		}
	}
	VADDPS(d[0], d[4], d[4])
	VADDPS(d[3], d[6], d[6])
	for i, x := range []VecPhysical{s, f, s} {
		y := d[4+i]
		VADDPS(x, y, y)
		if last {
			VMAXPS(y, hold[1], y)
		}
		l.store(i, y)
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
	productAhead
	productFetch
)

// product writes the matrix product of rows tiles by 16 outputs:
// A [blocks][..][8] by block pitch, B [blocks*8][16], C [2][..][8] by pitch.
func product(rows int) {
	name := fmt.Sprintf("winoProduct%d", rows)
	TEXT(name, NOSPLIT, "func(p *byte)")
	Doc(fmt.Sprintf("%s multiplies groups of %d tiles by 16 outputs.", name, rows))
	a, b, c, blocks, aStep := R8, R9, R10, R11, R12
	Load(Param("p"), args)
	fetch, step := R13, R14
	MOVQ(arg(productAStep), aStep)
	MOVQ(arg(productB), fetch)
	ADDQ(arg(productAhead), fetch)
	MOVQ(arg(productFetch), step)
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
		if k%2 == 0 {
			PREFETCHT1(Mem{Base: fetch})
			ADDQ(step, fetch)
		}
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

// productWide writes the same product as product for AVX-512: all 16 outputs in
// one register, and up to 16 tiles.
func productWide(rows int) {
	name := fmt.Sprintf("winoProductWide%d", rows)
	TEXT(name, NOSPLIT, "func(p *byte)")
	Doc(fmt.Sprintf("%s multiplies groups of %d tiles by 16 outputs.", name, rows))
	a, b, c, blocks, aStep, fetch, step, half := R8, R9, R10, R11, R12, R13, R14, R15
	Load(Param("p"), args)
	MOVQ(arg(productAStep), aStep)
	MOVQ(arg(productB), fetch)
	ADDQ(arg(productAhead), fetch)
	MOVQ(arg(productFetch), step)
	MOVQ(step, half)
	SHRQ(Imm(1), half)
	acc, low := zmm[:rows], ymm[:rows]
	weights := []VecPhysical{zmm[16], zmm[17]}
	Label(name + "_group")
	MOVQ(arg(productA), a)
	MOVQ(arg(productB), b)
	MOVQ(arg(productBlocks), blocks)
	for _, z := range acc {
		VPXORQ(z, z, z)
	}
	Label(name + "_block")
	for k := range 8 {
		if k%2 == 0 {
			PREFETCHT1(Mem{Base: fetch})
			PREFETCHT1(Mem{Base: fetch, Index: half, Scale: 1})
			ADDQ(step, fetch)
		}
		w := weights[k%2]
		VMOVUPS(Mem{Base: b, Disp: 2 * k * vec}, w)
		for r, z := range acc {
			VFMADD231PS_BCST(Mem{Base: a, Disp: r*vec + 4*k}, w, z)
		}
	}
	ADDQ(aStep, a)
	ADDQ(U32(16*vec), b)
	DECQ(blocks)
	JNE(LabelRef(name + "_block"))
	MOVQ(arg(productC), c)
	for r, y := range low {
		VMOVUPS(y, Mem{Base: c, Disp: r * vec})
	}
	ADDQ(U32(rows*vec), arg(productA))
	ADDQ(U32(rows*vec), arg(productC))
	ADDQ(arg(productCStep), c)
	for r, z := range acc {
		VEXTRACTF64X4(Imm(1), z, Mem{Base: c, Disp: r * vec})
	}
	DECQ(arg(productGroups))
	JNE(LabelRef(name + "_group"))
	VZEROUPPER()
	RET()
}

// Offsets of winoExpand's fields.
const (
	expandIn = 8 * iota
	expandMatrix
	expandOut
	expandRows
	expandTaps
	expandStep
)

// expand writes the product of a small matrix of float64 and taps x 16 lanes,
// row by row, stored as float64 or narrowed to float32.
func expand(narrow bool) {
	name, doc := "winoExpand16", "multiplies a small matrix by lanes of 16."
	if narrow {
		name, doc = "winoExpandNarrow16", "multiplies a small matrix by lanes of 16 and rounds to float32."
	}
	TEXT(name, NOSPLIT, "func(e *byte)")
	Doc(name + " " + doc)
	in, matrix, out, rows, taps, step, at := R8, R9, R10, R11, R12, R13, R14
	Load(Param("e"), args)
	MOVQ(arg(expandMatrix), matrix)
	MOVQ(arg(expandOut), out)
	MOVQ(arg(expandRows), rows)
	MOVQ(arg(expandTaps), taps)
	MOVQ(arg(expandStep), step)
	acc, c := ymm[:4], ymm[4]
	Label(name + "_row")
	for _, y := range acc {
		VXORPD(y, y, y)
	}
	MOVQ(arg(expandIn), in)
	MOVQ(taps, at)
	Label(name + "_tap")
	VBROADCASTSD(Mem{Base: matrix}, c)
	for i, y := range acc {
		VFMADD231PD(Mem{Base: in, Disp: i * vec}, c, y)
	}
	ADDQ(Imm(8), matrix)
	ADDQ(U32(4*vec), in)
	DECQ(at)
	JNE(LabelRef(name + "_tap"))
	for i, y := range acc {
		if narrow {
			VCVTPD2PSY(y, xmm[i])
			VMOVUPS(xmm[i], Mem{Base: out, Disp: i * vec / 2})
		} else {
			VMOVUPD(y, Mem{Base: out, Disp: i * vec})
		}
	}
	ADDQ(step, out)
	DECQ(rows)
	JNE(LabelRef(name + "_row"))
	VZEROUPPER()
	RET()
}
