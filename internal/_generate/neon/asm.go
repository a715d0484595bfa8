package neon

import (
	"bytes"
	"fmt"
)

// A vec is a vector register of 128 bits, a reg a general one. R18 belongs to the
// system, R27 to the assembler, R28 and above to Go.
type (
	vec int
	reg int
)

func (v vec) String() string { return fmt.Sprintf("V%d", int(v)) }
func (r reg) String() string { return fmt.Sprintf("R%d", int(r)) }

// args holds the pointer that a kernel is called with, free the registers that
// are left.
const args reg = 0

var free = []reg{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23, 24, 25, 26}

// assembly collects the functions of one file. Where Go's assembler has no name
// for an instruction, its code is computed here and stands as a WORD, with what
// a disassembler makes of it as a comment.
type assembly struct{ buf bytes.Buffer }

// function opens a function that takes one pointer and loads it.
func (a *assembly) function(name, arg, doc string) {
	a.functionOf(name, doc, arg)
	a.param(0, arg, args)
}

// functionOf opens a function with parameters of eight bytes each; param loads
// one of them.
func (a *assembly) functionOf(name, doc string, params ...string) {
	fmt.Fprintf(&a.buf, "\n// %s %s\nTEXT ·%s(SB), NOSPLIT, $0-%d\n", name, doc, name, 8*len(params))
}

func (a *assembly) param(i int, name string, to reg) { a.op("MOVD %s+%d(FP), %v", name, 8*i, to) }

func (a *assembly) op(format string, v ...any) { fmt.Fprintf(&a.buf, "\t"+format+"\n", v...) }

func (a *assembly) label(name string) { fmt.Fprintf(&a.buf, "\n%s:\n", name) }

func (a *assembly) word(code uint32, format string, v ...any) {
	a.op("WORD $%#08x // "+format, append([]any{code}, v...)...)
}

// load reads a general register, store writes it.
func (a *assembly) load(base reg, off int, to reg)    { a.op("MOVD %d(%v), %v", off, base, to) }
func (a *assembly) store(from reg, base reg, off int) { a.op("MOVD %v, %d(%v)", from, off, base) }

// add computes to += x; addTo computes to = x + y; addImm to += n.
func (a *assembly) add(x, to reg)      { a.op("ADD %v, %v", x, to) }
func (a *assembly) addTo(x, y, to reg) { a.op("ADD %v, %v, %v", x, y, to) }
func (a *assembly) addImm(n int, to reg) {
	if n != 0 {
		a.op("ADD $%d, %v", n, to)
	}
}

// countDown subtracts one from r and jumps to label unless that leaves zero.
func (a *assembly) countDown(r reg, label string) {
	a.op("SUBS $1, %v, %v", r, r)
	a.op("BNE %s", label)
}

// countArg does the same to an argument, by way of tmp.
func (a *assembly) countArg(off int, tmp reg, label string) {
	a.load(args, off, tmp)
	a.op("SUBS $1, %v, %v", tmp, tmp)
	a.store(tmp, args, off)
	a.op("BNE %s", label)
}

// addArg adds n to an argument, by way of tmp.
func (a *assembly) addArg(n, off int, tmp reg) {
	a.load(args, off, tmp)
	a.addImm(n, tmp)
	a.store(tmp, args, off)
}

// read and write move 16 bytes; off is a multiple of 16.
func (a *assembly) read(base reg, off int, v vec)  { a.op("FMOVQ %d(%v), F%d", off, base, int(v)) }
func (a *assembly) write(v vec, base reg, off int) { a.op("FMOVQ F%d, %d(%v)", int(v), off, base) }

// readAt and writeAt move the 16 bytes at base + index.
func (a *assembly) readAt(base, index reg, v vec) {
	a.word(0x3ce06800|uint32(index)<<16|uint32(base)<<5|uint32(v), "ldr q%d, [x%d, x%d]", v, base, index)
}

func (a *assembly) writeAt(v vec, base, index reg) {
	a.word(0x3ca06800|uint32(index)<<16|uint32(base)<<5|uint32(v), "str q%d, [x%d, x%d]", v, base, index)
}

// one reads one float32 into lane 0 and clears the others.
func (a *assembly) one(base reg, off int, v vec) { a.op("FMOVS %d(%v), F%d", off, base, int(v)) }

// spread reads one float32 into all lanes.
func (a *assembly) spread(base reg, v vec) { a.op("VLD1R (%v), [%v.S4]", base, v) }

func (a *assembly) zero(v vec)     { a.op("VEOR %v.B16, %v.B16, %v.B16", v, v, v) }
func (a *assembly) copy(x, to vec) { a.op("VMOV %v.B16, %v.B16", x, to) }

// fma adds x*y to the sum, fms subtracts it, each rounding once.
func (a *assembly) fma(x, y, sum vec) { a.op("VFMLA %v.S4, %v.S4, %v.S4", y, x, sum) }
func (a *assembly) fms(x, y, sum vec) { a.op("VFMLS %v.S4, %v.S4, %v.S4", y, x, sum) }

// fmaLane adds x times one lane of y to the sum.
func (a *assembly) fmaLane(x, y vec, lane int, sum vec) {
	code := 0x4f801000 | uint32(lane&1)<<21 | uint32(y)<<16 | uint32(lane>>1)<<11 | uint32(x)<<5 | uint32(sum)
	a.word(code, "fmla v%d.4s, v%d.4s, v%d.s[%d]", sum, x, y, lane)
}

// three writes an instruction on four lanes: to = x op y.
func (a *assembly) three(code uint32, name string, x, y, to vec) {
	a.word(code|uint32(y)<<16|uint32(x)<<5|uint32(to), name+" v%d.4s, v%d.4s, v%d.4s", to, x, y)
}

func (a *assembly) fadd(x, y, to vec) { a.three(0x4e20d400, "fadd", x, y, to) }
func (a *assembly) fsub(x, y, to vec) { a.three(0x4ea0d400, "fsub", x, y, to) }
func (a *assembly) fmul(x, y, to vec) { a.three(0x6e20dc00, "fmul", x, y, to) }

// fmax computes the larger one; it is NaN if either is.
func (a *assembly) fmax(x, y, to vec) { a.three(0x4e20f400, "fmax", x, y, to) }

// pairs adds neighbouring lanes: first those of x, then those of y.
func (a *assembly) pairs(x, y, to vec) { a.three(0x6e20d400, "faddp", x, y, to) }

func (a *assembly) fneg(x, to vec) {
	a.word(0x6ea0f800|uint32(x)<<5|uint32(to), "fneg v%d.4s, v%d.4s", to, x)
}

// narrow rounds two float64 to the lower half of to, or to its upper half.
func (a *assembly) narrow(x vec, upper bool, to vec) {
	if upper {
		a.word(0x4e616800|uint32(x)<<5|uint32(to), "fcvtn2 v%d.4s, v%d.2d", to, x)
	} else {
		a.word(0x0e616800|uint32(x)<<5|uint32(to), "fcvtn v%d.2s, v%d.2d", to, x)
	}
}
