package kernel

// tileGo computes the pixels of part p for the four outputs of panel q in plain
// Go: four pixels at a time.
func (d *direct) tileGo(p part, q panel, out, in []float32) {
	w := d.w[q.w : q.w+4*len(d.taps)*d.depth]
	bias := [4]float32(d.bias[q.first:])
	base := d.out + q.first/Block*d.plane + q.first%Block
	for _, r := range p.runs {
		for t := range r.tiles {
			first := r.first + t*r.pixels
			var acc [4][4]float32
			for i := range acc {
				acc[i] = bias
			}
			if d.depth == Block {
				d.sumGo(&acc, w, d.src[first:][:4], in)
			} else {
				d.sumPlanarGo(&acc, w, d.src[first:][:4], in)
			}
			for i := range acc {
				o := out[base+int(d.dst[first+i])/4:][:4]
				for j, v := range acc[i] {
					if v < 0 && d.flags&flagReLU != 0 {
						v = 0
					}
					o[j] = v
				}
			}
		}
	}
}

// sumGo adds to acc the products of four pixels and four outputs: two pixels at a time, as eight sums
// and what they take are what sixteen registers hold.
func (d *direct) sumGo(acc *[4][4]float32, w []float32, src []int32, in []float32) {
	for p := 0; p < 4; p += 2 {
		s, r := d.in+int(src[p])/4, d.in+int(src[p+1])/4
		a0, a1, a2, a3 := acc[p][0], acc[p][1], acc[p][2], acc[p][3]
		b0, b1, b2, b3 := acc[p+1][0], acc[p+1][1], acc[p+1][2], acc[p+1][3]
		k := w
		for _, t := range d.taps {
			x, y := (*[Block]float32)(in[s+t/4:]), (*[Block]float32)(in[r+t/4:])
			q := (*[4 * Block]float32)(k)
			for i := 0; i < Block; i += 2 { // two at a time take a fifth less
				v, u := x[i], y[i]
				f := q[4*i]
				a0 += v * f
				b0 += u * f
				f = q[4*i+1]
				a1 += v * f
				b1 += u * f
				f = q[4*i+2]
				a2 += v * f
				b2 += u * f
				f = q[4*i+3]
				a3 += v * f
				b3 += u * f
				v, u = x[i+1], y[i+1]
				f = q[4*i+4]
				a0 += v * f
				b0 += u * f
				f = q[4*i+5]
				a1 += v * f
				b1 += u * f
				f = q[4*i+6]
				a2 += v * f
				b2 += u * f
				f = q[4*i+7]
				a3 += v * f
				b3 += u * f
			}
			k = k[4*Block:]
		}
		acc[p], acc[p+1] = [4]float32{a0, a1, a2, a3}, [4]float32{b0, b1, b2, b3}
	}
}

// sumPlanarGo is sumGo for taps of one channel. It rounds once a product, as assembly does: sums of
// the others do so where their products are exact, in bfloat16.
func (d *direct) sumPlanarGo(acc *[4][4]float32, w []float32, src []int32, in []float32) {
	for p := range acc {
		for i, t := range d.taps {
			x := in[d.in+int(src[p])/4+t/4]
			for o, v := range w[4*i:][:4] {
				acc[p][o] = fma(x, v, acc[p][o])
			}
		}
	}
}
