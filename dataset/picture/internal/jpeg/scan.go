package jpeg

import (
	"errors"
	"fmt"
	"io"
)

// block is 8x8 coefficients or quantization steps, stored by columns: the one of column x and row y
// is at 8*x + y.
type block [64]int32

// zigzag is where the coefficients come in a block, in the order in which they are coded: diagonal
// after diagonal, up one and down the next (T.81, figure 5).
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

// errCode is of entropy-coded data that say what cannot be.
var errCode = errors.New("a scan's data are no picture's")

// scan reads a scan's header (B.2.3) and decodes its data, which begin at at.
func (d *decoder) scan(s []byte, at int) error {
	if d.components == nil {
		return errors.New("a scan before the frame header")
	}
	n := 0
	if len(s) > 0 {
		n = int(s[0])
	}
	if n < 1 || n > len(d.components) || len(s) != 4+2*n {
		return errors.New("a scan header of the wrong length")
	}
	if !d.began {
		d.began = true
		d.planes()
	}
	scanned := make([]*component, n)
	step := d.sequential
	if d.progressive {
		var err error
		if step, err = d.spectrum(s[1+2*n:], n); err != nil {
			return err
		}
	}
	for i := range scanned {
		c, err := d.scanned(s[1+2*i:], scanned[:i])
		if err != nil {
			return err
		}
		if d.progressive {
			if err := d.begin(c); err != nil {
				return err
			}
		}
		scanned[i] = c
	}
	d.bits = bits{data: d.data, at: at}
	return d.units(scanned, step)
}

// scanned finds the component that a scan header's pair of bytes is about, and gives it its tables.
func (d *decoder) scanned(p []byte, before []*component) (*component, error) {
	for i := range d.components {
		c := &d.components[i]
		if c.id != p[0] {
			continue
		}
		for _, other := range before {
			if other == c {
				return nil, errors.New("a scan with a component twice")
			}
		}
		dc, ac := p[1]>>4, p[1]&15
		if dc > 3 || ac > 3 || d.quant[c.quant] == nil {
			return nil, errors.New("a scan without its tables")
		}
		if c.steps == nil {
			c.steps = d.quant[c.quant]
		}
		c.prediction = 0
		needDC, needAC := !d.progressive || d.first == 0 && d.high == 0, !d.progressive || d.first > 0
		if needDC {
			c.dc = d.table(&d.dc, dc, 0)
		}
		if needAC {
			c.ac = d.table(&d.ac, ac, 1)
		}
		if needDC && c.dc == nil || needAC && c.ac == nil {
			return nil, errors.New("a scan without its tables")
		}
		return c, nil
	}
	return nil, fmt.Errorf("a scan of an unknown component %d", p[0])
}

// units decodes all MCUs of a scan. A scan of one component has a block for each, and none outside
// the picture (A.2).
func (d *decoder) units(scanned []*component, step func(c *component, x, y int) bool) error {
	across, down := d.across, d.down
	alone := len(scanned) == 1
	if alone {
		c := scanned[0]
		across, down = c.across, c.down
		// image/jpeg counts blocks and restarts of such scans otherwise
		d.odd = d.odd || d.restart > 0 && c.h*c.v > 1 || across != min(d.across*c.h, (d.width+7)/8) ||
			down != min(d.down*c.v, (d.height+7)/8)
	}
	left, next := d.restart, byte(markRST0)
	for y := range down {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		for x := range across {
			if d.restart > 0 && left == 0 {
				if err := d.resume(next, scanned); err != nil {
					return err
				}
				left, next = d.restart, markRST0|(next+1)&7
			}
			left--
			if alone {
				if !step(scanned[0], x, y) {
					return d.broken()
				}
				continue
			}
			for _, c := range scanned {
				for v := range c.v {
					for h := range c.h {
						if !step(c, x*c.h+h, y*c.v+v) {
							return d.broken()
						}
					}
				}
			}
		}
	}
	d.odd = d.odd || d.run > 0
	d.run = 0
	return nil
}

// broken says why a scan cannot be decoded to its end.
func (d *decoder) broken() error {
	switch in := &d.bits; {
	case in.have >= 32:
		return errCode
	case in.at+1 >= len(d.data):
		return io.ErrUnexpectedEOF
	}
	return errors.New("a scan's data end too early")
}

// resume starts anew behind a restart marker. Bytes before it are left out.
func (d *decoder) resume(m byte, scanned []*component) error {
	at := d.bits.end()
	for ; ; at++ {
		if at+1 >= len(d.data) {
			return io.ErrUnexpectedEOF
		}
		if d.data[at] == 0xff && d.data[at+1] == m {
			break
		}
		if d.data[at] == 0xff && d.data[at+1] != 0 && d.data[at+1] != 0xff {
			return fmt.Errorf("marker %#x, want the restart marker %#x", d.data[at+1], m)
		}
		d.odd = true
	}
	d.bits = bits{data: d.data, at: at + 2}
	for _, c := range scanned {
		c.prediction = 0
	}
	d.run = 0
	return nil
}

// sequential decodes block x, y of a component and makes its pixels.
func (d *decoder) sequential(c *component, x, y int) bool {
	b := &d.block // is zero, and is left so
	last := d.coefficients(c, b)
	if last < 0 {
		return false
	}
	at := 8 * (y*c.stride + x)
	if last == 0 {
		flat(b[0]*c.steps[0], c.pix[at:], c.stride)
		b[0] = 0
		return true
	}
	d.kernel(b, c.steps, c.pix[at:], c.stride)
	*b = block{}
	return true
}

// predict decodes a block's first coefficient into c.prediction (T.81, F.2.2.1).
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

// coefficients decodes one block (T.81, F.2.2). It returns which coded coefficient was the last, or
// -1 where the data are no block's.
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
				d.odd = true // libjpeg goes on
				break
			}
			b[zigzag[k]] = e.value()
			last = k
			continue
		}
		if e == 0 {
			if e = c.ac.long(acc); e == 0 {
				last = -1
				break
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
			d.odd = d.odd || e.run() != 0 // the end of a band, which only progressive pictures have
			break                         // the end of the block
		}
		v := extend(acc>>(64-size), size)
		acc <<= size
		have -= int(size)
		if k > 63 {
			d.odd = true
			break
		}
		b[zigzag[k]] = v
		last = k
	}
	in.acc, in.have = acc, have
	if have < 0 {
		return -1
	}
	return last
}
