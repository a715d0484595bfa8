package kernel

import "unsafe"

// The plain Go kernels read the same tables of pointers as the assembly and
// take the same sums in the same order.

type lanes = [Block]float32

// after returns the eight lanes that lie off bytes after p.
func after(p *float32, off int) *lanes {
	return (*lanes)(unsafe.Add(unsafe.Pointer(p), off))
}

// each calls f for every vector with the offsets of inputs and outputs.
func (l *winoLines) each(f func(in, out int)) {
	for line := range l.lines {
		for k := range l.n {
			f(line*l.inLine+k*l.inStep, line*l.outLine+k*l.outStep)
		}
	}
}

// fma returns a*b + c rounded (almost always) once: the product is exact.
func fma(a, b, c float32) float32 { return float32(float64(a)*float64(b) + float64(c)) }

// A mirrored is a polynomial in x² that reads the same backwards, but for the
// sign if odd is set: coefficients 1, then those of half (each repeated for
// eight lanes), then these again in reverse.
type mirrored struct {
	degree int
	odd    bool
	half   []float32
}

// next cuts the polynomial of that degree off the front of the constants.
func next(degree int, odd bool, coef []float32) (mirrored, []float32) {
	n := degree / 2
	if odd {
		n = max(0, degree-1) / 2
	}
	return mirrored{degree, odd, coef[:n*Block]}, coef[n*Block:]
}

// apply returns the sum of coefficient j times d[base+2j].
func (p *mirrored) apply(d *[maxPoints]lanes, base int) lanes {
	if p.degree == 0 {
		return d[base]
	}
	sign := float32(1)
	if p.odd {
		sign = -1
	}
	var sum lanes
	for i := range sum {
		sum[i] = d[base+2*p.degree][i] + sign*d[base][i]
		for j := 1; 2*j < p.degree; j++ {
			t := d[base+2*(p.degree-j)][i] + sign*d[base+2*j][i]
			sum[i] = fma(p.half[(j-1)*Block], t, sum[i])
		}
		if p.degree%2 == 0 && !p.odd {
			sum[i] = fma(p.half[len(p.half)-1], d[base+p.degree][i], sum[i])
		}
	}
	return sum
}

// forwardGo applies the input transform of n points. Writing the row of ±a as
// (x ± a) x T(x²) (x² - 1/a²), where T is the product over the other quads and
// 1, splits it into an even and an odd part; 1/a shares T.
func (l *winoLines) forwardGo(n int) {
	if n == stridedPoints {
		l.forwardStridedGo()
		return
	}
	q := (n - 2) / 2
	quads, one := q/2, q%2 == 1
	all := unsafe.Slice(l.coef, winoConstants(n)*Block)
	var d [maxPoints]lanes
	l.each(func(in, out int) {
		for x := range n {
			d[x] = *after(l.in[x], in)
		}
		coef := all
		for i := range quads {
			var t mirrored
			t, coef = next(q-2, one, coef)
			k, g := coef[0], coef[Block]
			coef = coef[2*Block:]
			// Even and odd parts: highs times T, and lows.
			e0, e1 := t.apply(&d, 2), t.apply(&d, 4)
			o0, o1 := t.apply(&d, 1), t.apply(&d, 3)
			for j := range Block {
				e, o := fma(-k, e0[j], e1[j]), fma(-k, o0[j], o1[j])
				after(l.out[1+4*i], out)[j] = fma(g, e, o)
				after(l.out[2+4*i], out)[j] = fma(-g, e, o)
				e, o = fma(k, e1[j], -e0[j]), fma(k, o1[j], -o0[j])
				after(l.out[3+4*i], out)[j] = fma(g, o, e)
				after(l.out[4+4*i], out)[j] = fma(-g, o, e)
			}
		}
		if one {
			var t mirrored
			t, coef = next(q-1, false, coef)
			e, o := t.apply(&d, 2), t.apply(&d, 1)
			for j := range Block {
				after(l.out[n-3], out)[j] = e[j] + o[j]
				after(l.out[n-2], out)[j] = e[j] - o[j]
			}
		}
		t, _ := next(q, one, coef)
		*after(l.out[0], out) = t.apply(&d, 0)
		*after(l.out[n-1], out) = t.apply(&d, 1)
	})
}

// winoConstants returns how many constants the input transform of n points has.
// Each product of q quads has q, whether or not 1 is among its factors.
func winoConstants(n int) int {
	quads, one := (n-2)/4, (n-2)/2%2
	return quads*(quads+1) + quads*(one+1)
}

// inverseGo applies the output transform of n points to m outputs; the last one
// of a convolution adds the bias and clamps.
func (l *winoLines) inverseGo(m, n int, last bool) {
	if n == stridedPoints {
		l.inverseStridedGo(last)
		return
	}
	q := (n - 2) / 2
	quads, one := q/2, q%2 == 1
	coef := unsafe.Slice(l.coef, (m-1)*quads*Block)
	var bias lanes
	if last {
		bias = *after(l.bias, 0)
	}
	var d [maxPoints]lanes
	l.each(func(in, out int) {
		for x := range n {
			d[x] = *after(l.in[x], in)
		}
		for p := range q {
			for i, v := range d[2+2*p] {
				d[1+2*p][i], d[2+2*p][i] = d[1+2*p][i]+v, d[1+2*p][i]-v
			}
		}
		for j := range m {
			for i := range Block {
				y := bias[i]
				switch j {
				case 0:
					y += d[0][i]
				case m - 1:
					y += d[n-1][i]
				}
				times := func(quad, power int, x float32) {
					if power == 0 {
						y += x
					} else {
						y = fma(coef[(quad*(m-1)+power-1)*Block], x, y)
					}
				}
				for p := range quads {
					times(p, j, d[1+4*p+j%2][i])
					times(p, m-1-j, d[3+4*p+j%2][i])
				}
				if one {
					y += d[n-3+j%2][i]
				}
				if last && y < l.floor {
					y = l.floor
				}
				after(l.out[j], out)[i] = y
			}
		}
	})
}

// forwardStridedGo applies the input transform for stride 2: that of the four
// points 0, 1, -1, infinity to the even inputs, none to the odd ones.
func (l *winoLines) forwardStridedGo() {
	l.each(func(in, out int) {
		for i := range Block {
			d := func(x int) float32 { return after(l.in[x], in)[i] }
			for p, v := range [stridedPoints]float32{d(4) - d(0), d(4) + d(2), d(4) - d(2), d(6) - d(2), d(1), d(3), d(5)} {
				after(l.out[p], out)[i] = v
			}
		}
	})
}

// inverseStridedGo applies the output transform for stride 2.
func (l *winoLines) inverseStridedGo(last bool) {
	var bias lanes
	if last {
		bias = *after(l.bias, 0)
	}
	l.each(func(in, out int) {
		for i, b := range bias {
			d := func(x int) float32 { return after(l.in[x], in)[i] }
			s, f := d(1)+d(2), d(1)-d(2)
			for j, y := range [3]float32{b + d(4) + d(0) + s, b + d(5) + f, b + d(6) + d(3) + s} {
				if last && y < l.floor {
					y = l.floor
				}
				after(l.out[j], out)[i] = y
			}
		}
	})
}

// productGo multiplies groups of rows tiles by 16 outputs.
func (p *winoProduct) productGo(rows int) {
	w := unsafe.Slice(p.b, p.blocks*Block*winoWidth)
	for r := range p.groups * rows {
		for half := range 2 {
			var sum lanes
			for b := range p.blocks {
				a := after(p.a, b*p.aStep+r*4*Block)
				w := w[b*Block*winoWidth+half*Block:]
				for k, x := range a {
					v := (*lanes)(w[k*winoWidth:])
					for o := range sum {
						sum[o] = fma(x, v[o], sum[o])
					}
				}
			}
			*after(p.c, half*p.cStep+r*4*Block) = sum
		}
	}
}

// expandGo multiplies a small matrix by lanes of 16.
func expandGo[T float32 | float64](e *winoExpand) {
	in := unsafe.Slice(e.in, e.taps*winoWidth)
	m := unsafe.Slice(e.matrix, e.rows*e.taps)
	for i := range e.rows {
		out := unsafe.Slice((*T)(unsafe.Add(e.out, i*e.step)), winoWidth)
		for o := range out {
			sum := 0.0
			for k, v := range m[i*e.taps:][:e.taps] {
				sum += v * in[k*winoWidth+o]
			}
			out[o] = T(sum)
		}
	}
}
