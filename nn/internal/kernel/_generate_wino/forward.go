package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"
)

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
