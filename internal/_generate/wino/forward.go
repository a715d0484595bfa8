package wino

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// forward writes the input transform of n points; winoForwardGo is the same in
// Go and explains it.
func forward(f form, n int) {
	q := (n - 2) / 2
	quads, one := q/2, q%2 == 1
	t := Mirrored{Degree: q - 2, Odd: one}
	each := t.Constants() + 2
	others := Mirrored{Degree: q - 1, First: quads * each}
	all := Mirrored{Degree: q, Odd: one, First: quads * each}
	if one {
		all.First += others.Constants()
	}
	limit := len(f.regs)
	spare := max(0, limit-n-3)
	l := begin(f, fmt.Sprintf("winoForward%s%d", f.suffix, n), fmt.Sprintf("applies the input transform of %d points.", n),
		n, n, f.regs[limit-spare:], all.First+all.Constants())
	d := append([]VecPhysical(nil), f.regs[:n]...)
	l.free = append(l.free, f.regs[n:limit-spare]...)
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
		t.First = i * each
		k, g := l.constant(t.First+each-2), l.constant(t.First+each-1)
		e, eInv := l.reduce(t, d, 2, k)
		o, oInv := l.reduce(t, d, 1, k)
		l.spreadOut(1+4*i, o, e, g)
		l.spreadOut(3+4*i, eInv, oInv, g)
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

// reduce applies t to the inputs from base on, low, and from base+2 on, high,
// and returns high - k low and k high - low.
func (l *lines) reduce(t Mirrored, d []VecPhysical, base int, k Op) (x, y VecPhysical) {
	low, lowTemp := l.apply(t, d, base)
	high, highTemp := l.apply(t, d, base+2)
	y = l.take()
	VMOVAPS(high, y)
	VFMSUB132PS(k, low, y)
	x = l.own(high, highTemp)
	VFNMADD231PS(k, low, x)
	if lowTemp {
		l.give(low)
	}
	return x, y
}

// spreadOut stores x + g y and x - g y as outputs p and p+1.
func (l *lines) spreadOut(p int, x, y VecPhysical, g Op) {
	z := l.take()
	VMOVAPS(x, z)
	VFMADD231PS(g, y, z)
	l.store(p, z)
	VFNMADD231PS(g, y, x)
	l.store(p+1, x)
	l.give(x, y, z)
}
