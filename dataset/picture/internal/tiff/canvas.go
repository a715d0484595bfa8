package tiff

import (
	"encoding/binary"
	"errors"
	"image"
)

// canvas is the picture, a byte a sample, or two if deep.
type canvas struct {
	f        *file
	pix      []uint8
	channels int // of pix: 1 or 4
	deep     bool
	scale    uint16 // makes 8 bits of fewer
	alpha    bool
	red      []uint8 // of the palette, and so on
	green    []uint8
	blue     []uint8
}

func newCanvas(f *file) canvas {
	c := canvas{f: f, channels: 4, deep: f.bits == 16, scale: 1, alpha: f.samples > f.colourSamples() && f.extra > 0 &&
		f.photometric != cmyk && f.photometric != palette}
	if f.colourSamples() == 1 && !c.alpha && f.photometric != palette && f.compression != jpegBlocks {
		c.channels = 1
	}
	if f.bits < 8 && f.photometric != palette {
		c.scale = 255 / (1<<f.bits - 1)
	}
	size := f.width * f.height * c.channels
	if c.deep {
		size *= 2
	}
	c.pix = make([]uint8, size)
	if !c.alpha && c.channels == 4 && f.photometric != cmyk {
		for i := 3; i < len(c.pix) && !c.deep; i += 4 {
			c.pix[i] = 255
		}
		for i := 6; i < len(c.pix) && c.deep; i += 8 {
			c.pix[i], c.pix[i+1] = 255, 255
		}
	}
	if f.photometric == palette {
		n := len(f.colours) / 3
		all := make([]uint8, 3*n)
		for i := range all {
			all[i] = uint8(f.colours[i] >> 8)
		}
		c.red, c.green, c.blue = all[:n], all[n:2*n], all[2*n:]
	}
	return c
}

// put writes a row of a block that begins at x, y: samples for each pixel, or those of one plane.
func (c *canvas) put(x, y int, row []uint16, samples, plane int) {
	n := min(len(row)/samples, c.f.width-x)
	at := (y*c.f.width + x) * c.channels
	if c.f.photometric == palette {
		if plane > 0 {
			return
		}
		for i := range n {
			v := min(int(row[i*samples]), len(c.red)-1)
			p := c.pix[at+4*i:][:3:3]
			p[0], p[1], p[2] = c.red[v], c.green[v], c.blue[v]
		}
		return
	}
	colours := c.f.colourSamples()
	for s := range samples {
		of := s + plane
		switch {
		case of < colours:
			c.plane(at+of, row[s:], samples, n, c.f.photometric == whiteIsZero)
			if colours == 1 && c.channels == 4 {
				c.plane(at+1, row[s:], samples, n, c.f.photometric == whiteIsZero)
				c.plane(at+2, row[s:], samples, n, c.f.photometric == whiteIsZero)
			}
		case of == colours && c.alpha:
			c.plane(at+3, row[s:], samples, n, false)
		}
	}
}

// plane writes every step-th value of row to every pixel's channel from at on.
func (c *canvas) plane(at int, row []uint16, step, n int, invert bool) {
	flip := uint16(0)
	if invert {
		flip = 0xffff
	}
	if c.deep {
		for i := range n {
			binary.BigEndian.PutUint16(c.pix[2*(at+i*c.channels):], row[i*step]^flip)
		}
		return
	}
	for i := range n {
		c.pix[at+i*c.channels] = uint8(row[i*step]*c.scale ^ flip)
	}
}

// copy writes rows of four channels to x, y, of which a JPEG had three or all.
func (c *canvas) copy(x, y, rows int, pix []uint8, stride, had int) error {
	if c.f.photometric == cmyk && had < 4 || had == 4 && c.f.colourSamples() < 3 {
		return errors.New("a JPEG of other colours than the file's")
	}
	n := min(stride/4, c.f.width-x)
	for i := range rows {
		row := c.pix[4*((y+i)*c.f.width+x):][:4*n]
		copy(row, pix[i*stride:])
		for k := 3; k < len(row) && !c.alpha && c.f.photometric != cmyk; k += 4 {
			row[k] = 255
		}
	}
	return nil
}

// picture returns what was written.
func (c *canvas) picture() image.Image {
	rect := image.Rect(0, 0, c.f.width, c.f.height)
	stride := rect.Dx() * c.channels
	if c.deep {
		stride *= 2
	}
	switch {
	case c.f.photometric == cmyk:
		if c.deep { // the upper 8 bits are what is used
			for i := range len(c.pix) / 2 {
				c.pix[i] = c.pix[2*i]
			}
			stride /= 2
		}
		return &image.CMYK{Pix: c.pix, Stride: stride, Rect: rect}
	case c.channels == 1 && c.deep:
		return &image.Gray16{Pix: c.pix, Stride: stride, Rect: rect}
	case c.channels == 1:
		return &image.Gray{Pix: c.pix, Stride: stride, Rect: rect}
	case c.alpha && c.f.extra == 1 && c.deep: // in the colours already
		return &image.RGBA64{Pix: c.pix, Stride: stride, Rect: rect}
	case c.alpha && c.f.extra == 1:
		return &image.RGBA{Pix: c.pix, Stride: stride, Rect: rect}
	case c.deep:
		return &image.NRGBA64{Pix: c.pix, Stride: stride, Rect: rect}
	}
	return &image.NRGBA{Pix: c.pix, Stride: stride, Rect: rect}
}
