package wino

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"
)

// inverse writes the output transform of n points to m outputs; the last one
// of a convolution adds the bias and clamps at the floor.
func inverse(f form, m, n int, last bool) {
	q := (n - 2) / 2
	quads, one := q/2, q%2 == 1
	name, doc := fmt.Sprintf("winoInverse%s%dx%d", f.suffix, m, n), "applies the output transform of %d points to %d outputs."
	spare := f.regs[n+2:]
	var bias, floor VecPhysical
	var hold []VecPhysical
	if last {
		name += "Last"
		doc = "applies the output transform of %d points to %d outputs, adds the bias and clamps."
		bias, floor, spare = f.regs[n+2], f.regs[n+3], f.regs[n+4:]
		hold = []VecPhysical{bias, floor}
	}
	l := begin(f, name, fmt.Sprintf(doc, n, m), n, m, spare, (m-1)*quads, hold...)
	d := append([]VecPhysical(nil), f.regs[:n]...)
	y, t := f.regs[n], f.regs[n+1]
	for i := range n {
		l.load(i, d[i])
	}
	for p := range q { // sums in 1+2p, differences in 2+2p
		s, d2 := d[1+2*p], d[2+2*p]
		VADDPS(d2, s, t)
		VSUBPS(d2, s, d2)
		d[1+2*p], t = t, s
	}
	for j := range m {
		var c combination
		if last {
			c.terms = append(c.terms, bias)
		}
		switch j {
		case 0:
			c.terms = append(c.terms, d[0])
		case m - 1:
			c.terms = append(c.terms, d[n-1])
		}
		for i := range quads {
			c.times(i*(m-1), j, d[1+4*i+j%2])
			c.times(i*(m-1), m-1-j, d[3+4*i+j%2])
		}
		if one {
			c.terms = append(c.terms, d[n-3+j%2])
		}
		c.sum(l, y)
		if last {
			VMAXPS(y, floor, y)
			l.storeLast(j, y)
		} else {
			l.store(j, y)
		}
	}
	l.end()
}

// A combination is a sum of registers and of constants times registers.
type combination struct {
	terms    []VecPhysical
	products []product
}

type product struct {
	constant int
	x        VecPhysical
}

// times adds x times a power of a point, whose powers are the constants from
// first on.
func (c *combination) times(first, power int, x VecPhysical) {
	if power == 0 {
		c.terms = append(c.terms, x)
	} else {
		c.products = append(c.products, product{first + power - 1, x})
	}
}

// sum computes the combination into y.
func (c *combination) sum(l *lines, y VecPhysical) {
	switch len(c.terms) {
	case 0:
		VMULPS(l.constant(c.products[0].constant), c.products[0].x, y)
		c.products = c.products[1:]
	case 1:
		VMOVAPS(c.terms[0], y)
	default:
		VADDPS(c.terms[0], c.terms[1], y)
		for _, x := range c.terms[2:] {
			VADDPS(x, y, y)
		}
	}
	for _, p := range c.products {
		VFMADD231PS(l.constant(p.constant), p.x, y)
	}
}
