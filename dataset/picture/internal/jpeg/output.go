package jpeg

import (
	"image"
	"image/color"
)

// rgb says whether three components are red, green and blue, as image/jpeg does.
func (d *decoder) rgb() bool {
	c := d.components
	return !d.jfif && (d.adobe == 0 || c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B')
}

// known says whether image/jpeg reads pictures of this sampling.
func (d *decoder) known() bool {
	c := d.components
	for i := range c {
		if c[i].h == 3 || c[i].v == 3 {
			return false
		}
	}
	switch len(c) {
	case 3:
		return c[0].v < 4 && c[0].h%c[1].h == 0 && c[0].v%c[1].v == 0 && c[1].h == c[2].h && c[1].v == c[2].v
	case 4:
		h, v := c[0].h, c[0].v
		return h == v && h <= 2 && c[3].h == h && c[3].v == v && c[1].h*c[1].v*c[2].h*c[2].v == 1
	}
	return true
}

// planes gives the components their pixels: of the picture itself where it can hold them. A
// progressive picture that cannot is made from its coefficients row by row.
func (d *decoder) planes() {
	whole, part := image.Rect(0, 0, 8*d.h*d.across, 8*d.v*d.down), image.Rect(0, 0, d.width, d.height)
	c := d.components
	if len(c) == 1 {
		m := image.NewGray(whole)
		c[0].pix, c[0].stride = m.Pix, m.Stride
		d.out = m.SubImage(part)
		return
	}
	if len(c) == 3 && d.known() && !d.rgb() {
		m := image.NewYCbCr(whole, ratio(c[0].h/c[1].h, c[0].v/c[1].v))
		for i, pix := range [][]uint8{m.Y, m.Cb, m.Cr} {
			c[i].pix, c[i].stride = pix, m.CStride
		}
		c[0].stride = m.YStride
		d.out = m.SubImage(part)
		return
	}
	d.odd = d.odd || !d.known()
	for i := range c {
		c[i].stride = 8 * c[i].h * d.across
		if !d.progressive {
			c[i].pix = make([]uint8, c[i].stride*8*c[i].v*d.down)
		}
	}
}

// ratio names the subsampling of chroma by h across and v down.
func ratio(h, v int) image.YCbCrSubsampleRatio {
	switch {
	case h == 4 && v == 2:
		return image.YCbCrSubsampleRatio410
	case h == 4:
		return image.YCbCrSubsampleRatio411
	case h == 2 && v == 2:
		return image.YCbCrSubsampleRatio420
	case h == 2:
		return image.YCbCrSubsampleRatio422
	case v == 2:
		return image.YCbCrSubsampleRatio440
	}
	return image.YCbCrSubsampleRatio444
}

// finish makes the picture of all that was decoded.
func (d *decoder) finish() (image.Image, error) {
	if d.out != nil {
		if d.progressive {
			for i := range d.components {
				c := &d.components[i]
				for y := range c.down {
					d.pixels(c, y, c.pix[8*y*c.stride:], c.stride)
				}
				c.release()
			}
		}
		return d.out, nil
	}
	part := image.Rect(0, 0, d.width, d.height)
	rows := make([]enlarger, len(d.components))
	for i := range rows {
		rows[i] = d.enlarger(&d.components[i])
	}
	merge, out := merger(d, part)
	for y := range d.height {
		if y%64 == 0 {
			if err := d.ctx.Err(); err != nil {
				return nil, err
			}
		}
		for i := range rows {
			rows[i].row(y)
		}
		merge(y, rows)
	}
	for i := range d.components {
		d.components[i].release()
	}
	return out, nil
}

// merger makes an empty picture, and returns what puts a row of its components there.
func merger(d *decoder, part image.Rectangle) (func(y int, rows []enlarger), image.Image) {
	switch {
	case len(d.components) == 3 && d.rgb():
		m := image.NewRGBA(part)
		return func(y int, rows []enlarger) {
			r, g, b := rows[0].out, rows[1].out, rows[2].out
			for x := range part.Dx() {
				p := m.Pix[y*m.Stride+4*x:][:4:4]
				p[0], p[1], p[2], p[3] = r[x], g[x], b[x], 255
			}
		}, m
	case len(d.components) == 3:
		m := image.NewYCbCr(part, image.YCbCrSubsampleRatio444)
		return func(y int, rows []enlarger) {
			copy(m.Y[y*m.YStride:][:m.YStride], rows[0].out)
			copy(m.Cb[y*m.CStride:][:m.CStride], rows[1].out)
			copy(m.Cr[y*m.CStride:][:m.CStride], rows[2].out)
		}, m
	}
	m := image.NewCMYK(part)
	return func(y int, rows []enlarger) {
		c, g, b, k := rows[0].out, rows[1].out, rows[2].out, rows[3].out
		for x := range part.Dx() {
			p := m.Pix[y*m.Stride+4*x:][:4:4]
			if d.adobe > 0 { // YCCK: what YCbCr makes red is the ink cyan, and stored inverted
				p[0], p[1], p[2] = color.YCbCrToRGB(c[x], g[x], b[x])
			} else {
				p[0], p[1], p[2] = 255-c[x], 255-g[x], 255-b[x]
			}
			p[3] = 255 - k[x]
		}
	}, m
}
