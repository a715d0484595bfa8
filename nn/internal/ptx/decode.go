package ptx

import (
	"fmt"
	"math/bits"
	"strings"
)

type runner = func(w *warp, mask uint32)

// decoder reads the operands of one instruction.
type decoder struct {
	k    *Kernel
	args []operand
	err  error
}

// reg is the register of operand o, one that holds it for an immediate.
func (d *decoder) reg(o operand, c class) int {
	if o.kind == register && o.class == c {
		return o.reg
	}
	if o.kind != immediate || c == preds {
		d.err = fmt.Errorf("an operand is of the wrong kind")
		return 0
	}
	for _, have := range d.k.consts[c] {
		if have.value == o.value {
			return have.reg
		}
	}
	r := d.k.regs[c]
	d.k.regs[c]++
	d.k.consts[c] = append(d.k.consts[c], constant{r, o.value})
	return r
}

// target is the register that operand o names.
func (d *decoder) target(o operand, c class) int {
	if o.kind != register || o.class != c {
		d.err = fmt.Errorf("the result goes to no register of its kind")
	}
	return o.reg
}

// two are the register that the first operand names, and that of the second.
func (d *decoder) two(to, a class) (int, int) { return d.target(d.args[0], to), d.reg(d.args[1], a) }

// three are the register that the first operand names, and those of the next two.
func (d *decoder) three(to, a, b class) (int, int, int) {
	return d.target(d.args[0], to), d.reg(d.args[1], a), d.reg(d.args[2], b)
}

// list is the registers of words of a vector, or of a single operand.
func (d *decoder) list(o operand, c class) []int {
	parts := o.parts
	if o.kind != vector {
		parts = []operand{o}
	}
	regs := make([]int, len(parts))
	for i, p := range parts {
		regs[i] = d.reg(p, c)
	}
	return regs
}

// decode finds what an instruction does.
func (k *Kernel) decode(op string, args []operand) (runner, error) {
	d := &decoder{k: k, args: args}
	parts := strings.Split(op, ".")
	kind := parts[len(parts)-1]
	base := strings.TrimSuffix(op, "."+kind)
	var run runner
	switch parts[0] {
	case "ld", "st":
		run = d.access(parts, kind)
	case "cp":
		run = d.async(op)
	case "ldmatrix":
		run = d.ldmatrix(op)
	case "mma":
		run = d.mma(op)
	case "setp":
		run = d.compare(parts[1], kind)
	case "selp":
		run = d.choose(kind)
	case "shfl":
		run = d.shuffle(op)
	case "cvta":
		run = d.window(op)
	default:
		switch {
		case op == "mov.b32" && len(args) == 2 && (args[0].kind == vector || args[1].kind == vector):
			run = d.halves()
		case kind == "pred":
			run = d.predicates(base)
		case strings.HasPrefix(op, "mov") && len(args) == 2 && args[1].kind == special:
			run = d.special(args[1].name)
		case len(args) > 1:
			run = d.arithmetic(op, base, kind)
		}
	}
	if run == nil && d.err == nil {
		d.err = fmt.Errorf("an instruction that is not known")
	}
	return run, d.err
}

// arithmetic decodes what computes a word or a long from words and longs.
func (d *decoder) arithmetic(op, base, kind string) runner {
	if run := d.widths(op); run != nil {
		return run
	}
	if widths[kind] == 8 {
		return d.long(base, kind)
	}
	name := op
	if kind != "f32" && ofOne[op] == nil && ofTwo[op] == nil && ofThree[op] == nil || base == "mov" {
		name = base // where the type makes no difference
	}
	switch len(d.args) {
	case 2:
		if f := ofOne[name]; f != nil {
			to, a := d.two(words, words)
			return func(w *warp, mask uint32) {
				var t u32s
				f(&t, &w.r[a])
				merge(&w.r[to], &t, mask)
			}
		}
	case 3:
		if f := ofTwo[name]; f != nil {
			to, a, b := d.three(words, words, words)
			return func(w *warp, mask uint32) {
				if mask == full {
					f(&w.r[to], &w.r[a], &w.r[b])
					return
				}
				var t u32s
				f(&t, &w.r[a], &w.r[b])
				merge(&w.r[to], &t, mask)
			}
		}
	case 4:
		if f := ofThree[name]; f != nil {
			to, a, b, c := d.target(d.args[0], words), d.reg(d.args[1], words), d.reg(d.args[2], words), d.reg(d.args[3], words)
			return func(w *warp, mask uint32) {
				if mask == full {
					f(&w.r[to], &w.r[a], &w.r[b], &w.r[c])
					return
				}
				var t u32s
				f(&t, &w.r[a], &w.r[b], &w.r[c])
				merge(&w.r[to], &t, mask)
			}
		}
	}
	return nil
}

// merge writes the lanes of mask.
func merge[T uint32 | uint64](to, from *[32]T, mask uint32) {
	if mask == full {
		*to = *from
		return
	}
	for m := mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		to[l] = from[l]
	}
}

// window decodes the ways between generic addresses and those of a window. Global and parameter
// addresses are the same in both.
func (d *decoder) window(op string) runner {
	to, a := d.two(longs, longs)
	var add uint64
	switch op {
	case "cvta.shared.u64":
		add = sharedGeneric
	case "cvta.to.shared.u64":
		add -= sharedGeneric
	case "cvta.global.u64", "cvta.to.global.u64":
	default:
		return nil
	}
	return func(w *warp, mask uint32) {
		var t u64s
		for l, v := range &w.q[a] {
			t[l] = v + add
		}
		merge(&w.q[to], &t, mask)
	}
}

// special decodes a special register.
func (d *decoder) special(name string) runner {
	to := d.target(d.args[0], words)
	fill := func(get func(w *warp) int) runner {
		return func(w *warp, mask uint32) {
			t := spread(uint32(get(w)))
			merge(&w.r[to], &t, mask)
		}
	}
	switch name {
	case "%tid.x":
		return func(w *warp, mask uint32) {
			var t u32s
			for l := range t {
				t[l] = uint32(w.id*32 + l)
			}
			merge(&w.r[to], &t, mask)
		}
	case "%ctaid.x":
		return fill(func(w *warp) int { return w.b.at[0] })
	case "%ctaid.y":
		return fill(func(w *warp) int { return w.b.at[1] })
	case "%ntid.x":
		return fill(func(w *warp) int { return w.b.threads })
	case "%nctaid.x":
		return fill(func(w *warp) int { return w.b.grid[0] })
	}
	return nil
}

// halves decodes the ways between a word and its two halves.
func (d *decoder) halves() runner {
	to, from := d.list(d.args[0], words), d.list(d.args[1], words)
	switch {
	case len(to) == 2 && len(from) == 1:
		return func(w *warp, mask uint32) {
			var low, high u32s
			for l, v := range &w.r[from[0]] {
				low[l], high[l] = v&0xffff, v>>16
			}
			merge(&w.r[to[0]], &low, mask)
			merge(&w.r[to[1]], &high, mask)
		}
	case len(to) == 1 && len(from) == 2:
		return func(w *warp, mask uint32) {
			var t u32s
			for l := range t {
				t[l] = w.r[from[0]][l]&0xffff | w.r[from[1]][l]<<16
			}
			merge(&w.r[to[0]], &t, mask)
		}
	}
	return nil
}

// predicates decodes logic of predicates.
func (d *decoder) predicates(base string) runner {
	f := map[string]func(a, b uint32) uint32{
		"and": func(a, b uint32) uint32 { return a & b },
		"or":  func(a, b uint32) uint32 { return a | b },
		"xor": func(a, b uint32) uint32 { return a ^ b },
		"not": func(a, _ uint32) uint32 { return ^a },
		"mov": func(a, _ uint32) uint32 { return a },
	}[base]
	if f == nil || len(d.args) < 2 {
		return nil
	}
	to, a := d.target(d.args[0], preds), d.args[1]
	b := d.args[len(d.args)-1]
	get := func(w *warp, o operand) uint32 {
		if o.kind == immediate {
			return -uint32(o.value & 1)
		}
		return w.p[o.reg]
	}
	return func(w *warp, mask uint32) { w.p[to] = w.p[to]&^mask | f(get(w, a), get(w, b))&mask }
}

// choose decodes selp.
func (d *decoder) choose(kind string) runner {
	if len(d.args) != 4 {
		return nil
	}
	p := d.target(d.args[3], preds)
	if widths[kind] == 8 {
		to, a, b := d.three(longs, longs, longs)
		return func(w *warp, mask uint32) {
			t := w.q[b]
			merge(&t, &w.q[a], w.p[p])
			merge(&w.q[to], &t, mask)
		}
	}
	to, a, b := d.three(words, words, words)
	return func(w *warp, mask uint32) {
		t := w.r[b]
		merge(&t, &w.r[a], w.p[p])
		merge(&w.r[to], &t, mask)
	}
}

// compare decodes setp.
func (d *decoder) compare(how, kind string) runner {
	if len(d.args) != 3 {
		return nil
	}
	to := d.target(d.args[0], preds)
	set := func(w *warp, mask, result uint32) { w.p[to] = w.p[to]&^mask | result&mask }
	if widths[kind] == 8 {
		a, b := d.reg(d.args[1], longs), d.reg(d.args[2], longs)
		x := func(w *warp) (*u64s, *u64s) { return &w.q[a], &w.q[b] }
		switch kind {
		case "s64":
			return comparison(how, set, func(w *warp, l int) (int64, int64) { p, q := x(w); return int64(p[l]), int64(q[l]) })
		case "u64", "b64":
			return comparison(how, set, func(w *warp, l int) (uint64, uint64) { p, q := x(w); return p[l], q[l] })
		}
		return nil
	}
	a, b := d.reg(d.args[1], words), d.reg(d.args[2], words)
	x := func(w *warp, l int) (uint32, uint32) { return w.r[a][l], w.r[b][l] }
	switch kind {
	case "s32":
		return comparison(how, set, func(w *warp, l int) (int32, int32) { p, q := x(w, l); return int32(p), int32(q) })
	case "u32", "b32":
		return comparison(how, set, x)
	case "f32":
		return comparison(how, set, func(w *warp, l int) (float32, float32) { p, q := x(w, l); return f32(p), f32(q) })
	}
	return nil
}

// comparison compares what get returns for each lane.
func comparison[T int32 | uint32 | int64 | uint64 | float32](how string, set func(w *warp, mask, result uint32),
	get func(w *warp, lane int) (T, T),
) runner {
	f := map[string]func(a, b T) bool{
		"eq":  func(a, b T) bool { return a == b },
		"ne":  func(a, b T) bool { return a != b && a == a && b == b },
		"lt":  func(a, b T) bool { return a < b },
		"le":  func(a, b T) bool { return a <= b },
		"gt":  func(a, b T) bool { return a > b },
		"ge":  func(a, b T) bool { return a >= b },
		"leu": func(a, b T) bool { return !(a > b) },
		"gtu": func(a, b T) bool { return !(a <= b) },
		"neu": func(a, b T) bool { return a != b },
		"nan": func(a, b T) bool { return a != a || b != b },
	}[how]
	if f == nil {
		return nil
	}
	return func(w *warp, mask uint32) {
		var r uint32
		for l := range 32 {
			if a, b := get(w, l); f(a, b) {
				r |= 1 << l
			}
		}
		set(w, mask, r)
	}
}
