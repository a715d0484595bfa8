package neon

import (
	"fmt"

	. "github.com/c236555e/rehead/internal/_generate/layout"
)

func winogradKernels(a *assembly) {
	for _, n := range []int{4, 6, 8, 10, 12} {
		forward(a, n)
	}
	for _, s := range [][2]int{{2, 4}, {2, 6}, {4, 6}, {4, 8}, {6, 8}, {4, 10}, {6, 12}} {
		inverse(a, s[0], s[1], false)
		inverse(a, s[0], s[1], true)
	}
	forwardStrided(a)
	inverseStrided(a, false)
	inverseStrided(a, true)
	for rows := 1; rows <= 6; rows++ {
		product(a, rows)
	}
	expand(a, false)
	expand(a, true)
}

// apply returns a register with the sum of coefficient j times d[base+2j].
func (l *lines) apply(p Mirrored, d []vec, base int) vec {
	sum := l.take()
	if p.Degree == 0 {
		l.copy(d[base], sum)
		return sum
	}
	pair := func(j int, to vec) {
		low, high := d[base+2*j], d[base+2*(p.Degree-j)]
		if p.Odd {
			l.fsub(high, low, to)
		} else {
			l.fadd(high, low, to)
		}
	}
	pair(0, sum)
	for j := 1; 2*j < p.Degree; j++ {
		t := l.take()
		pair(j, t)
		l.fma(l.constant(p.First+j-1), t, sum)
		l.give(t)
	}
	if j := p.Degree / 2; p.Degree%2 == 0 && !p.Odd {
		l.fma(l.constant(p.First+j-1), d[base+2*j], sum)
	}
	return sum
}

// forward writes the input transform of n points; forwardGo in wino_ref.go is
// the same in Go and explains it.
func forward(a *assembly, n int) {
	q := (n - 2) / 2
	groups, one := q/2, q%2 == 1
	t := Mirrored{Degree: q - 2, Odd: one}
	each := t.Constants() + 2
	others := Mirrored{Degree: q - 1, First: groups * each}
	all := Mirrored{Degree: q, Odd: one, First: groups * each}
	if one {
		all.First += others.Constants()
	}
	l := begin(a, fmt.Sprintf("winoForward%d", n), fmt.Sprintf("applies the input transform of %d points.", n),
		n, n, all.First+all.Constants(), false)
	l.halves(func(d []vec) {
		for i := range 2 {
			y := l.apply(all, d, i)
			l.put(i*(n-1), y)
			l.give(y)
		}
		l.give(d[0], d[n-1])
		for i := range groups {
			t.First = i * each
			k, g := l.constant(t.First+each-2), l.constant(t.First+each-1)
			even, evenInv := l.reduce(t, d, 2, k)
			odd, oddInv := l.reduce(t, d, 1, k)
			l.spreadOut(1+4*i, odd, even, g)
			l.spreadOut(3+4*i, evenInv, oddInv, g)
		}
		if one {
			e, o := l.apply(others, d, 2), l.apply(others, d, 1)
			y := l.take()
			l.fadd(o, e, y)
			l.put(n-3, y)
			l.fsub(e, o, y)
			l.put(n-2, y)
		}
	})
}

// reduce applies t to the inputs from base on, low, and from base+2 on, high,
// and returns high - k low and k high - low.
func (l *lines) reduce(t Mirrored, d []vec, base int, k vec) (x, y vec) {
	low, x := l.apply(t, d, base), l.apply(t, d, base+2)
	y = l.take()
	l.fneg(low, y)
	l.fma(k, x, y)
	l.fms(k, low, x)
	l.give(low)
	return x, y
}

// spreadOut writes x + g y and x - g y to outputs p and p+1.
func (l *lines) spreadOut(p int, x, y, g vec) {
	z := l.take()
	l.assembly.copy(x, z)
	l.fma(g, y, z)
	l.put(p, z)
	l.fms(g, y, x)
	l.put(p+1, x)
	l.give(x, y, z)
}

// inverse writes the output transform of n points to m outputs; the last one
// of a convolution adds the bias and clamps at the floor.
func inverse(a *assembly, m, n int, last bool) {
	q := (n - 2) / 2
	groups, one := q/2, q%2 == 1
	name, doc := fmt.Sprintf("winoInverse%dx%d", m, n),
		fmt.Sprintf("applies the output transform of %d points to %d outputs.", n, m)
	if last {
		name, doc = name+"Last", fmt.Sprintf("applies the output transform of %d points to %d outputs, "+
			"adds the bias and clamps.", n, m)
	}
	l := begin(a, name, doc, n, m, (m-1)*groups, last)
	l.halves(func(d []vec) {
		t := l.take()
		for p := range q { // sums in 1+2p, differences in 2+2p
			x, y := d[1+2*p], d[2+2*p]
			l.fadd(x, y, t)
			l.fsub(x, y, y)
			d[1+2*p], t = t, x
		}
		l.give(t)
		for j := range m {
			y := l.output(d, j, m, last)
			for i := range groups {
				y.times(i*(m-1), j, d[1+4*i+j%2])
				y.times(i*(m-1), m-1-j, d[3+4*i+j%2])
			}
			if one {
				y.terms = append(y.terms, d[n-3+j%2])
			}
			y.finish(l, j, last)
		}
	})
}

// A combination is a sum of registers and of constants times registers.
type combination struct {
	terms    []vec
	products [][2]int // constant, register
}

// output begins output j of m: what all transforms have in it.
func (l *lines) output(d []vec, j, m int, last bool) *combination {
	c := new(combination)
	if last {
		c.terms = append(c.terms, l.bias[l.half])
	}
	switch j {
	case 0:
		c.terms = append(c.terms, d[0])
	case m - 1:
		c.terms = append(c.terms, d[len(d)-1])
	}
	return c
}

// times adds x times a power of a point, whose powers are the constants from
// first on.
func (c *combination) times(first, power int, x vec) {
	if power == 0 {
		c.terms = append(c.terms, x)
	} else {
		c.products = append(c.products, [2]int{first + power - 1, int(x)})
	}
}

// finish computes the sum and writes it to output j.
func (c *combination) finish(l *lines, j int, last bool) {
	y := l.take()
	switch len(c.terms) {
	case 0:
		l.fmul(l.constant(c.products[0][0]), vec(c.products[0][1]), y)
		c.products = c.products[1:]
	case 1:
		l.assembly.copy(c.terms[0], y)
	default:
		l.fadd(c.terms[0], c.terms[1], y)
		for _, x := range c.terms[2:] {
			l.fadd(y, x, y)
		}
	}
	for _, p := range c.products {
		l.fma(l.constant(p[0]), vec(p[1]), y)
	}
	if last {
		l.fmax(y, l.floor, y)
	}
	l.put(j, y)
	l.give(y)
}

// forwardStrided writes the input transform for three taps and stride 2: that
// of the points 0, 1, -1, infinity on the even inputs, none on the odd ones.
func forwardStrided(a *assembly) {
	l := begin(a, "winoForward7", "applies the input transform for stride 2.", 7, 7, 0, false)
	l.halves(func(d []vec) {
		t := []vec{l.take(), l.take(), l.take(), l.take()}
		l.fsub(d[4], d[0], t[0])
		l.fadd(d[4], d[2], t[1])
		l.fsub(d[4], d[2], t[2])
		l.fsub(d[6], d[2], t[3])
		for i, v := range append(t, d[1], d[3], d[5]) {
			l.put(i, v)
		}
	})
}

// inverseStrided writes the output transform for three taps and stride 2.
func inverseStrided(a *assembly, last bool) {
	name, doc := "winoInverse3x7", "applies the output transform for stride 2."
	if last {
		name, doc = name+"Last", "applies the output transform for stride 2, adds the bias and clamps."
	}
	l := begin(a, name, doc, 7, 3, 0, last)
	l.halves(func(d []vec) {
		sum, diff := l.take(), l.take()
		l.fadd(d[1], d[2], sum)
		l.fsub(d[1], d[2], diff)
		if last {
			for _, v := range d[4:] {
				l.fadd(l.bias[l.half], v, v)
			}
		}
		l.fadd(d[4], d[0], d[4])
		l.fadd(d[6], d[3], d[6])
		for i, x := range []vec{sum, diff, sum} {
			y := d[4+i]
			l.fadd(y, x, y)
			if last {
				l.fmax(y, l.floor, y)
			}
			l.put(i, y)
		}
	})
}
