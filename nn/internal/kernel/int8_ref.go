package kernel

// tileGo computes the pixels of part p for the outputs of panel q in plain Go,
// four at a time.
func (c *byteConv) tileGo(p part, q bytePanel, out, in []float32) {
	from, to := octets(in), octets(out)
	for _, r := range p.runs {
		for i := r.first; i < r.first+r.pixels*r.tiles; i++ {
			x := from[4*c.in+int(c.src[i]):]
			for o := 0; o < q.width; o += 4 {
				acc := c.sumGo(c.w[q.w+o*WordChannels:], q.width*WordChannels, x)
				place := 4*c.out + int(c.dst[i]) + q.groups[o/16] + o%16
				for j, a := range acc {
					// The conversion keeps the product from being fused.
					v := float32(float32(a)*c.scale[q.first+o+j]) + c.shift[q.first+o+j]
					to[place+j] = toByte(v)
				}
			}
		}
	}
}

// sumGo adds up the products of one pixel and four outputs, whose weights lie a
// pitch apart for each word.
func (c *byteConv) sumGo(w []int8, pitch int, x []byte) [4]int32 {
	var a0, a1, a2, a3 int32
	at := 0
	for _, t := range c.taps {
		for d := range c.depth {
			b, k := x[t+4*d:][:4], w[at:][:16]
			x0, x1, x2, x3 := int32(b[0]), int32(b[1]), int32(b[2]), int32(b[3])
			a0 += x0*int32(k[0]) + x1*int32(k[1]) + x2*int32(k[2]) + x3*int32(k[3])
			a1 += x0*int32(k[4]) + x1*int32(k[5]) + x2*int32(k[6]) + x3*int32(k[7])
			a2 += x0*int32(k[8]) + x1*int32(k[9]) + x2*int32(k[10]) + x3*int32(k[11])
			a3 += x0*int32(k[12]) + x1*int32(k[13]) + x2*int32(k[14]) + x3*int32(k[15])
			at += pitch
		}
	}
	return [4]int32{a0, a1, a2, a3}
}
