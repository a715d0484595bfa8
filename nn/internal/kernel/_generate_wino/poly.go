package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"
)

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
