package kernel

// tileGo computes the pixels of part p for the four outputs of panel q in plain
// Go: four pixels at a time.
func (d *direct) tileGo(p part, q panel, out, in []float32) {
	w := d.w[q.w : q.w+4*len(d.taps)*d.depth]
	bias := d.bias[q.first : q.first+4]
	base := d.out + q.first/Block*d.plane + q.first%Block
	for _, r := range p.runs {
		for t := range r.tiles {
			first := r.first + t*r.pixels
			var acc [4][4]float32
			d.sumGo(&acc, w, d.src[first:][:4], in)
			for i := range acc {
				o := out[base+int(d.dst[first+i])/4:][:4]
				for j, v := range acc[i] {
					v += bias[j]
					if v < 0 && d.flags&flagReLU != 0 {
						v = 0
					}
					o[j] = v
				}
			}
		}
	}
}

// sumGo adds up the products of four pixels and four outputs.
func (d *direct) sumGo(acc *[4][4]float32, w []float32, src []int32, in []float32) {
	s0, s1 := d.in+int(src[0])/4, d.in+int(src[1])/4
	s2, s3 := d.in+int(src[2])/4, d.in+int(src[3])/4
	n := d.depth
	// Two outputs at a time: eight sums are what sixteen registers hold.
	for h := 0; h < 4; h += 2 {
		var a0, a1, b0, b1, c0, c1, e0, e1 float32
		k := w[h:]
		for _, t := range d.taps {
			t /= 4
			x0, x1 := in[s0+t:][:n], in[s1+t:][:n]
			x2, x3 := in[s2+t:][:n], in[s3+t:][:n]
			for i, x := range x0 {
				w0, w1 := k[4*i], k[4*i+1]
				a0 += x * w0
				a1 += x * w1
				b0 += x1[i] * w0
				b1 += x1[i] * w1
				c0 += x2[i] * w0
				c1 += x2[i] * w1
				e0 += x3[i] * w0
				e1 += x3[i] * w1
			}
			k = k[min(4*n, len(k)):]
		}
		acc[0][h], acc[0][h+1] = a0, a1
		acc[1][h], acc[1][h+1] = b0, b1
		acc[2][h], acc[2][h+1] = c0, c1
		acc[3][h], acc[3][h+1] = e0, e1
	}
}
