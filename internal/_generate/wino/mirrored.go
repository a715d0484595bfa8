package wino

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"

	. "github.com/c236555e/rehead/internal/_generate/layout"
)

// apply computes the sum of coefficient j times d[base+2j]. The second result
// says whether the register is a temporary one.
func (l *lines) apply(p Mirrored, d []VecPhysical, base int) (VecPhysical, bool) {
	if p.Degree == 0 {
		return d[base], false
	}
	pair := func(j int, y VecPhysical) {
		lo, hi := d[base+2*j], d[base+2*(p.Degree-j)]
		if p.Odd {
			VSUBPS(lo, hi, y)
		} else {
			VADDPS(lo, hi, y)
		}
	}
	sum := l.take()
	pair(0, sum)
	for j := 1; 2*j < p.Degree; j++ {
		t := l.take()
		pair(j, t)
		VFMADD231PS(l.constant(p.First+j-1), t, sum)
		l.give(t)
	}
	if j := p.Degree / 2; p.Degree%2 == 0 && !p.Odd {
		VFMADD231PS(l.constant(p.First+j-1), d[base+2*j], sum)
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
