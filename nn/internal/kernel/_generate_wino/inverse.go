package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"
)

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
