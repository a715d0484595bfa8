package jpeg

import (
	"errors"
	"fmt"
	mathbits "math/bits"
	"sync"
)

// maxBlocks bounds the blocks that all scans of a progressive picture visit: a scan costs a pass
// over the picture however few bytes it has, and a small file could keep a decoder busy for hours.
// It is 24 scans of 64 megapixels, or maxScans of any size up to three. Encoders write about ten.
const (
	maxBlocks = 24 << 20
	maxScans  = 500
)

// progress is a component of a progressive picture.
type progress struct {
	coefs []int16  // 64 a block, as they are coded, of all blocks of whole MCUs
	coded []uint64 // of each block, which coefficients but the first are not zero
	wide  int      // blocks of a row
	todo  [64]int8 // of each coefficient, how many of its low bits are to come; -1: nothing was coded
}

// band is the band of coefficients that a scan is about (T.81, G.1.1).
type band struct {
	block          block
	first, last    int  // coefficients
	high, low      uint // how many low bits were to come before the scan, and are after it; high 0: all
	run            int  // blocks for which the band holds nothing more
	visited, scans int
}

// spectrum reads the end of a progressive scan's header, and returns how its blocks are decoded.
func (d *decoder) spectrum(s []byte, n int) (func(*component, int, int) bool, error) {
	d.first, d.last, d.high, d.low, d.run = int(s[0]), int(s[1]), uint(s[2]>>4), uint(s[2]&15), 0
	switch {
	case d.first > d.last || d.last > 63 || d.first == 0 && d.last != 0 || d.low > 13:
		return nil, fmt.Errorf("a scan of coefficients %d to %d, bit %d", d.first, d.last, d.low)
	case d.first > 0 && n != 1:
		return nil, errors.New("a scan of several components' coefficients")
	case d.high != 0 && d.high != d.low+1:
		return nil, fmt.Errorf("a scan of bit %d behind bit %d", d.low, d.high)
	}
	if d.scans++; d.scans > maxScans {
		return nil, UnsupportedError(fmt.Sprintf("more than %d scans", maxScans))
	}
	switch {
	case d.first == 0 && d.high == 0:
		return d.dcFirst, nil
	case d.first == 0:
		return d.dcRefine, nil
	case d.high == 0:
		return d.acFirst, nil
	}
	return d.acRefine, nil
}

// begin makes a component ready for a scan.
func (d *decoder) begin(c *component) error {
	if c.coefs == nil {
		c.wide = d.across * c.h
		n := c.wide * d.down * c.v
		c.coefs, c.coded = d.coefficientsOf(n), make([]uint64, n)
		for i := range c.todo {
			c.todo[i] = -1
		}
		if d.first > 0 || d.high > 0 {
			for i := range n {
				c.coefs[64*i] = 0
			}
		}
	}
	for k := d.first; k <= d.last; k++ {
		d.odd = d.odd || d.high != 0 && c.todo[k] != int8(d.high)
		c.todo[k] = int8(d.low)
	}
	if d.visited += c.across * c.down; d.visited > maxBlocks {
		return UnsupportedError(fmt.Sprintf("%d scans of %dx%d pixels", d.scans, d.width, d.height))
	}
	return nil
}

// coefficientsOf returns the memory for n blocks' coefficients, with anything in it: none but
// the first of a block is read that was not written, as coded tells.
func (d *decoder) coefficientsOf(n int) []int16 {
	if p, ok := pool.Get().(*[]int16); ok && cap(*p) >= 64*n {
		return (*p)[:64*n]
	}
	return make([]int16, 64*n)
}

// release gives it back.
func (c *component) release() {
	if p := c.coefs; 0 < cap(p) && cap(p) <= maxPooled {
		pool.Put(&p)
	}
	c.coefs = nil
}

// pool holds coefficients between pictures, each of maxPooled values at most: of 4 megapixels.
var pool sync.Pool

const maxPooled = 4 << 20

// whole says whether all bits of a component's coefficients were coded.
func (c *component) whole() bool { return c.todo == [64]int8{} }

func (d *decoder) dcFirst(c *component, x, y int) bool {
	if !c.predict(&d.bits) || d.bits.have < 0 {
		return false
	}
	v := c.prediction << d.low
	c.coefs[64*(y*c.wide+x)] = int16(v)
	return v == int32(int16(v))
}

func (d *decoder) dcRefine(c *component, x, y int) bool {
	c.coefs[64*(y*c.wide+x)] |= int16(d.bits.take(1) << d.low)
	return d.bits.have >= 0
}

// acFirst is G.1.2.2.
func (d *decoder) acFirst(c *component, x, y int) bool {
	if d.run > 0 {
		d.run--
		return true
	}
	in, at := &d.bits, y*c.wide+x
	b, coded := (*[64]int16)(c.coefs[64*at:]), c.coded[at]
	acc, have, low, ok := in.acc, in.have, d.low, true
	for k := d.first; k <= d.last; k++ {
		if have < 32 {
			in.acc, in.have = acc, have
			in.fill()
			acc, have = in.acc, in.have
		}
		e := c.ac.look[acc>>(64-lookBits)]
		if e == 0 {
			if e = c.ac.long(acc); e == 0 {
				ok = false
				break
			}
		}
		acc <<= e.drop()
		have -= int(e.drop())
		v, size := e.value(), e.size()
		if e&entryValue == 0 {
			if size == 0 && e.run() < 15 {
				if d.run = 1<<e.run() - 1; d.run > 0 {
					d.run += int(acc >> (64 - e.run()))
					acc <<= e.run()
					have -= e.run()
				}
				break
			}
			if size == 0 {
				k += 15
				continue
			}
			v = extend(acc>>(64-size), size)
			acc <<= size
			have -= int(size)
		}
		k += e.run()
		v <<= low
		if k > d.last || v != int32(int16(v)) {
			ok = false
			break
		}
		b[k] = int16(v)
		coded |= 1 << k
	}
	in.acc, in.have, c.coded[at] = acc, have, coded
	return ok && have >= 0
}

// acRefine is G.1.2.3: each code says how many coefficients that are zero to pass, and what the
// next becomes; those between that are not zero get a bit more.
func (d *decoder) acRefine(c *component, x, y int) bool {
	at := y*c.wide + x
	b, coded := (*[64]int16)(c.coefs[64*at:]), c.coded[at]
	if d.run > 0 {
		d.run--
		return d.refine(b, coded>>d.first<<d.first&(1<<(d.last+1)-1))
	}
	in := &d.bits
	acc, have := in.acc, in.have
	for k := d.first; k <= d.last; k++ {
		if have < 32 {
			in.acc, in.have = acc, have
			in.fill()
			acc, have = in.acc, in.have
		}
		e := c.ac.look[acc>>(64-lookBits)]
		if e == 0 {
			if e = c.ac.long(acc); e == 0 {
				in.acc, in.have = acc, have
				return false
			}
		}
		acc <<= e.drop()
		have -= int(e.drop())
		v, zeros, size := e.value(), e.run(), e.size()
		if size != 1 {
			if size != 0 {
				return false
			}
			if zeros < 15 {
				d.run = 1<<zeros - 1 + int(acc>>(64-zeros))
				in.acc, in.have = acc<<zeros, have-zeros
				c.coded[at] = coded
				return d.refine(b, coded>>k<<k&(1<<(d.last+1)-1))
			}
		} else if e&entryValue == 0 {
			v = extend(acc>>63, 1)
			acc <<= 1
			have--
		}
		end := k + zeros
		if coded>>k&(2<<zeros-1) != 0 {
			in.acc, in.have = acc, have
			end = d.pass(b, coded, k, zeros)
			acc, have = in.acc, in.have
		}
		if end > d.last {
			in.acc, in.have = acc, have
			return false
		}
		if k = end; v != 0 {
			b[k] = int16(v << d.low)
			coded |= 1 << k
		}
	}
	in.acc, in.have, c.coded[at] = acc, have, coded
	return have >= 0
}

// pass returns the place of the coefficient that is zero behind as many as zeros that are, from k
// on, and refines those between that are not.
func (d *decoder) pass(b *[64]int16, coded uint64, k, zeros int) int {
	free := ^coded >> k
	for range zeros {
		free &= free - 1
	}
	end := k + mathbits.TrailingZeros64(free)
	d.refine(b, coded>>k<<k&(1<<min(end, d.last+1)-1))
	return end
}

// refine reads a bit more for each coefficient of the set which.
func (d *decoder) refine(b *[64]int16, which uint64) bool {
	acc, have := d.bits.acc, d.bits.have
	delta := int16(1) << d.low
	for ; which != 0; which &= which - 1 {
		if have <= 0 {
			d.bits.acc, d.bits.have = acc, have
			d.bits.fill()
			acc, have = d.bits.acc, d.bits.have
		}
		p := &b[mathbits.TrailingZeros64(which)&63]
		sign := *p >> 15
		*p += (delta ^ sign - sign) & -int16(acc>>63)
		acc <<= 1
		have--
	}
	d.bits.acc, d.bits.have = acc, have
	return have >= 0
}

// pixels makes the pixels of a row of a component's blocks.
func (d *decoder) pixels(c *component, y int, dst []uint8, stride int) {
	var b block
	for x := range c.across {
		at := y*c.wide + x
		in, dst := (*[64]int16)(c.coefs[64*at:]), dst[8*x:]
		if c.coded[at] == 0 {
			flat(int32(in[0])*c.steps[0], dst, stride)
			continue
		}
		b[0] = int32(in[0])
		for left := c.coded[at]; left != 0; left &= left - 1 {
			k := mathbits.TrailingZeros64(left)
			b[zigzag[k]] = int32(in[k])
		}
		d.kernel(&b, c.steps, dst, stride)
		b = block{}
	}
}
