package baseline

// block is 8x8 coefficients or quantization steps, stored by columns: the one of
// column x and row y is at 8*x + y.
type block [64]int32

// zigzag is where the coefficients come in a block, in the order in which they
// are coded: diagonal after diagonal, up one and down the next (T.81, figure 5).
var zigzag = func() (at [64]uint8) {
	k := 0
	for sum := range 15 {
		for i := range sum + 1 {
			x, y := i, sum-i
			if sum%2 == 1 {
				x, y = y, x
			}
			if x < 8 && y < 8 {
				at[k] = uint8(8*x + y)
				k++
			}
		}
	}
	return at
}()

// scan decodes the only scan, which the picture's end must follow at once.
func (d *decoder) scan() bool {
	var b block
	left, next := d.restart, byte(markRST0)
	for y := range d.down {
		for x := range d.across {
			if d.restart > 0 && left == 0 {
				if !d.marker(next) {
					return false
				}
				left, next = d.restart, markRST0|(next+1)&7
			}
			left--
			for i := range d.components {
				if !d.unit(&d.components[i], x, y, &b) {
					return false
				}
			}
		}
	}
	return d.marker(markEOI)
}

// marker starts anew behind a marker, which must come next.
func (d *decoder) marker(m byte) bool {
	at := d.bits.end()
	if data := d.bits.data; at+1 >= len(data) || data[at] != 0xff || data[at+1] != m {
		return false
	}
	d.bits = bits{data: d.bits.data, at: at + 2}
	for i := range d.components {
		d.components[i].prediction = 0
	}
	return true
}

// unit decodes a component's blocks of MCU x, y. b is zero, and is left so.
func (d *decoder) unit(c *component, x, y int, b *block) bool {
	for v := range c.v {
		for h := range c.h {
			last := d.coefficients(c, b)
			if last < 0 {
				return false
			}
			at := 8 * ((y*c.v+v)*c.stride + x*c.h + h)
			if last == 0 {
				flat(b[0]*d.quant[c.quant][0], c.pix[at:], c.stride)
				b[0] = 0
				continue
			}
			d.kernel(b, &d.quant[c.quant], c.pix[at:], c.stride)
			*b = block{}
		}
	}
	return true
}

// predict decodes a block's first coefficient into c.prediction (T.81, F.2.2.1); false where the data
// are not those of this package.
func (c *component) predict(in *bits) bool {
	if in.have < 32 { // a code of 16 bits, and the 15 of its value
		in.fill()
	}
	e := c.dc.look[in.acc>>(64-lookBits)]
	if e == 0 {
		if e = c.dc.long(in.acc); e == 0 {
			return false
		}
	}
	in.acc <<= e.drop()
	in.have -= int(e.drop())
	if e&entryValue != 0 {
		c.prediction += e.value()
	} else if size := e.size(); size > 0 {
		c.prediction += extend(in.acc>>(64-size), size)
		in.acc <<= size
		in.have -= int(size)
	}
	return true
}

// coefficients decodes one block (T.81, F.2.2). It returns which coded
// coefficient was the last, or -1 where the data are not those of this package.
func (d *decoder) coefficients(c *component, b *block) int {
	in := &d.bits
	if !c.predict(in) {
		return -1
	}
	b[0] = c.prediction
	acc, have, last := in.acc, in.have, 0
	for k := 1; k < 64; k++ {
		if have < 32 {
			in.acc, in.have = acc, have
			in.fill()
			acc, have = in.acc, in.have
		}
		e := c.ac.look[acc>>(64-lookBits)]
		if e&entryValue != 0 {
			acc <<= e.drop()
			have -= int(e.drop())
			if k += e.run(); k > 63 {
				return -1
			}
			b[zigzag[k]] = e.value()
			last = k
			continue
		}
		if e == 0 {
			if e = c.ac.long(acc); e == 0 {
				return -1
			}
		}
		acc <<= e.drop()
		have -= int(e.drop())
		k += e.run()
		size := e.size()
		if size == 0 {
			if e.run() == 15 {
				continue // 16 zeros
			}
			if e.run() != 0 {
				return -1 // the end of a band, which only progressive pictures have
			}
			break // the end of the block
		}
		if k > 63 {
			return -1
		}
		b[zigzag[k]] = extend(acc>>(64-size), size)
		acc <<= size
		have -= int(size)
		last = k
	}
	in.acc, in.have = acc, have
	if have < 0 {
		return -1
	}
	return last
}
