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

// forwardGo applies the input transform of n points. The row of ±a is
// (x ± a) R(x) with R(x) = x * product of (x² - b²) over the other pairs.
func (l *winoLines) forwardGo(n int) {
	q := (n - 2) / 2
	coef := unsafe.Slice(l.coef, (q+q*q)*Block)
	var d [maxPoints]lanes
	l.each(func(in, out int) {
		for x := range n {
			d[x] = *after(l.in[x], in)
		}
		for lane := range Block {
			e, o := d[n-2][lane], d[n-1][lane]
			c := coef
			for k := range q {
				e, o = fma(c[0], d[2*k][lane], e), fma(c[0], d[2*k+1][lane], o)
				c = c[Block:]
			}
			after(l.out[0], out)[lane], after(l.out[n-1], out)[lane] = e, o
			for p := range q {
				e, o = d[2*q][lane], d[2*q-1][lane]
				for k := range q - 1 {
					e, o = fma(c[0], d[2*k+2][lane], e), fma(c[0], d[2*k+1][lane], o)
					c = c[Block:]
				}
				a := c[0]
				c = c[Block:]
				after(l.out[1+2*p], out)[lane] = fma(a, o, e)
				after(l.out[2+2*p], out)[lane] = fma(-a, o, e)
			}
		}
	})
}

// inverseGo applies the output transform of n points to m outputs; the last one
// of a convolution adds the bias and clamps.
func (l *winoLines) inverseGo(m, n int, last bool) {
	q := (n - 2) / 2
	coef := unsafe.Slice(l.coef, (m-1)*q*Block)
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
			for lane, v := range d[2+2*p] {
				d[1+2*p][lane], d[2+2*p][lane] = d[1+2*p][lane]+v, d[1+2*p][lane]-v
			}
		}
		for j := range m {
			for lane := range Block {
				y := bias[lane]
				switch j {
				case 0:
					y += d[0][lane]
				case m - 1:
					y += d[n-1][lane]
				}
				for p := range q {
					if j == 0 {
						y += d[1+2*p][lane]
					} else {
						y = fma(coef[((j-1)*q+p)*Block], d[1+2*p+j%2][lane], y)
					}
				}
				if last && y < l.floor {
					y = l.floor
				}
				after(l.out[j], out)[lane] = y
			}
		}
	})
}

// productGo multiplies groups of rows tiles by 16 outputs, four rows and two
// outputs at a time.
func (p *winoProduct) productGo(rows int) {
	for ; p.groups > 0; p.groups-- {
		for r := range rows {
			for half := range 2 {
				var sum lanes
				for b := range p.blocks {
					a := after(p.a, b*p.aStep+r*4*Block)
					w := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(p.b), b*4*Block*winoWidth)), Block*winoWidth)
					for k, x := range a {
						v := w[k*winoWidth+half*Block:][:Block]
						for o := range sum {
							sum[o] = fma(x, v[o], sum[o])
						}
					}
				}
				*after(p.c, half*p.cStep+r*4*Block) = sum
			}
		}
		p.a = &after(p.a, 4*Block*(rows-1))[0]
		p.a = (*float32)(unsafe.Add(unsafe.Pointer(p.a), 4*Block))
		p.c = (*float32)(unsafe.Add(unsafe.Pointer(p.c), rows*4*Block))
	}
}
