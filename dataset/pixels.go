package dataset

import (
	"image"
	"image/color"
)

// Background is the grey level, 0..255, of the ground that transparent pictures are laid on: white, as paper and web pages are.
const Background = 255

// rows reads 8-bit RGB out of a decoded picture row by row, with alpha laid on Background and 16-bit samples cut to their upper 8 bits.
type rows struct {
	img     image.Image
	palette [256][3]uint8 // of an image.Paletted
	cb, cr  []int32       // a row of chroma of an image.YCbCr, blended down
}

func (r *rows) init(img image.Image) {
	r.img = img
	if p, ok := img.(*image.Paletted); ok {
		r.palette = [256][3]uint8{}
		for i, c := range p.Palette[:min(len(p.Palette), 256)] {
			r.palette[i] = flatten(c)
		}
	}
}

// flatten lays one colour on the background.
func flatten(c color.Color) [3]uint8 {
	n := color.NRGBAModel.Convert(c).(color.NRGBA)
	return [3]uint8{over(n.R, n.A), over(n.G, n.A), over(n.B, n.A)}
}

// over is c*a/255 + Background*(255-a)/255, rounded.
func over(c, a uint8) uint8 {
	return uint8((uint32(c)*uint32(a) + Background*(255-uint32(a)) + 127) / 255)
}

func clamp8(v int32) uint8 {
	if uint32(v) <= 255 {
		return uint8(v)
	}
	return uint8(^(v >> 31)) // below zero: 0; above: 255
}

// read writes the RGB of the pixels (xs[i], y) to dst[3*i:]. Coordinates count from the picture's top left corner.
func (r *rows) read(y int, xs []int32, dst []uint8) {
	dst = dst[:3*len(xs)]
	b := r.img.Bounds()
	switch m := r.img.(type) {
	case *image.YCbCr:
		r.readYCbCr(m, y, xs, dst)
	case *image.Gray:
		row := m.Pix[y*m.Stride:]
		for i, x := range xs {
			d := dst[3*i : 3*i+3 : 3*i+3]
			v := row[x]
			d[0], d[1], d[2] = v, v, v
		}
	case *image.NRGBA:
		row := m.Pix[y*m.Stride:]
		for i, x := range xs {
			d, s := dst[3*i:3*i+3:3*i+3], row[4*x:4*x+4:4*x+4]
			if a := s[3]; a == 255 {
				d[0], d[1], d[2] = s[0], s[1], s[2]
			} else {
				d[0], d[1], d[2] = over(s[0], a), over(s[1], a), over(s[2], a)
			}
		}
	case *image.RGBA: // alpha is in the colours already
		row := m.Pix[y*m.Stride:]
		for i, x := range xs {
			d, s := dst[3*i:3*i+3:3*i+3], row[4*x:4*x+4:4*x+4]
			ground := 255 - s[3]
			d[0], d[1], d[2] = s[0]+ground, s[1]+ground, s[2]+ground
		}
	case *image.Paletted:
		row := m.Pix[y*m.Stride:]
		for i, x := range xs {
			copy(dst[3*i:3*i+3], r.palette[row[x]][:])
		}
	case *image.Gray16:
		row := m.Pix[y*m.Stride:]
		for i, x := range xs {
			d := dst[3*i : 3*i+3 : 3*i+3]
			v := row[2*x]
			d[0], d[1], d[2] = v, v, v
		}
	case *image.NRGBA64:
		row := m.Pix[y*m.Stride:]
		for i, x := range xs {
			d, s := dst[3*i:3*i+3:3*i+3], row[8*x:8*x+8:8*x+8]
			d[0], d[1], d[2] = over(s[0], s[6]), over(s[2], s[6]), over(s[4], s[6])
		}
	case *image.RGBA64:
		row := m.Pix[y*m.Stride:]
		for i, x := range xs {
			d, s := dst[3*i:3*i+3:3*i+3], row[8*x:8*x+8:8*x+8]
			ground := 255 - s[6]
			d[0], d[1], d[2] = s[0]+ground, s[2]+ground, s[4]+ground
		}
	case *image.CMYK:
		row := m.Pix[y*m.Stride:]
		for i, x := range xs {
			d, s := dst[3*i:3*i+3:3*i+3], row[4*x:4*x+4:4*x+4]
			light := 255 - uint32(s[3])
			d[0] = uint8((light*(255-uint32(s[0])) + 127) / 255)
			d[1] = uint8((light*(255-uint32(s[1])) + 127) / 255)
			d[2] = uint8((light*(255-uint32(s[2])) + 127) / 255)
		}
	default:
		for i, x := range xs {
			c := flatten(m.At(b.Min.X+int(x), b.Min.Y+y))
			copy(dst[3*i:3*i+3], c[:])
		}
	}
}

// chromaRows returns where in Cb and Cr the chroma rows begin that colour picture row y (absolute): the one it lies in and, where
// vertical chroma pixels cover v rows, the nearer neighbour of that one.
func chromaRows(m *image.YCbCr, y, v int) (near, far int) {
	first, last := m.Rect.Min.Y/v, (m.Rect.Max.Y-1)/v
	cy := y / v
	ny := cy
	if v == 2 {
		ny = min(max(cy-1+2*(y&1), first), last)
	}
	return (cy - first) * m.CStride, (ny - first) * m.CStride
}

// readYCbCr converts as libjpeg does by default: chroma that was halved is interpolated with a triangle (3/4 of the nearer sample, 1/4
// of the farther), then BT.601 in full range with 16 bits of fraction. Chroma quartered in one direction is repeated.
// Source: libjpeg-turbo, jdsample.c (fancy upsampling) and jdcolor.c.
func (r *rows) readYCbCr(m *image.YCbCr, y int, xs []int32, dst []uint8) {
	shift, v := uint(0), 1
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		shift = 1
	case image.YCbCrSubsampleRatio420:
		shift, v = 1, 2
	case image.YCbCrSubsampleRatio440:
		v = 2
	case image.YCbCrSubsampleRatio411:
		shift = 2
	case image.YCbCrSubsampleRatio410:
		shift, v = 2, 2
	}
	left := m.Rect.Min.X
	first := left >> shift
	n := (m.Rect.Max.X-1)>>shift - first + 1
	triangle := shift == 1 && n > 2 // libjpeg does not interpolate so narrow a picture
	r.cb, r.cr = grow(r.cb, n+2), grow(r.cr, n+2)
	scale := blendDown(m, m.Rect.Min.Y+y, v, n, shift < 2 && (shift == 0 || triangle), r.cb, r.cr)
	luma := m.Y[y*m.YStride:]
	cbs, crs := r.cb, r.cr
	if !triangle {
		half := int32(0)
		if scale == 4 { // 4:4:0
			half = 1 + int32((m.Rect.Min.Y+y)&1)
		}
		down := uint(scale >> 1) // divides by 1 or 4
		for i, x := range xs {
			c := (int(x)+left)>>shift - first + 1
			toRGB(luma[x], (cbs[c]+half)>>down, (crs[c]+half)>>down, dst[3*i:3*i+3:3*i+3])
		}
		return
	}
	half, odds, down := int32(1), int32(1), uint(2) // 4:2:2
	if scale == 4 {                                 // 4:2:0
		half, odds, down = 8, -1, 4
	}
	for i, x := range xs {
		at := int(x) + left
		c := at>>1 - first + 1
		odd := at & 1
		near := c - 1 + 2*odd
		add := half + odds*int32(odd)
		cb, cr := (3*cbs[c]+cbs[near]+add)>>(down&31), (3*crs[c]+crs[near]+add)>>(down&31)
		toRGB(luma[x], cb, cr, dst[3*i:3*i+3:3*i+3])
	}
}

// blendDown puts the n chroma samples of picture row y (absolute) at cb[1] and cr[1], the first and the last repeated beside them. Where
// rows were halved and blend is set it gives 3 x the nearer row + the farther one, and answers 4, else the row it lies in, and answers 1.
func blendDown(m *image.YCbCr, y, v, n int, blend bool, cb, cr []int32) (scale int) {
	near, far := chromaRows(m, y, v)
	cbN, crN := m.Cb[near:near+n], m.Cr[near:near+n]
	scale = 1
	if v == 2 && blend {
		scale = 4
		cbF, crF := m.Cb[far:far+n], m.Cr[far:far+n]
		for i := range n {
			cb[i+1] = 3*int32(cbN[i]) + int32(cbF[i])
			cr[i+1] = 3*int32(crN[i]) + int32(crF[i])
		}
	} else {
		for i := range n {
			cb[i+1], cr[i+1] = int32(cbN[i]), int32(crN[i])
		}
	}
	cb[0], cr[0], cb[n+1], cr[n+1] = cb[1], cr[1], cb[n], cr[n]
	return scale
}

func toRGB(luma uint8, cb, cr int32, d []uint8) {
	y := int32(luma)<<16 + 1<<15
	cb -= 128
	cr -= 128
	d[0] = clamp8((y + 91881*cr) >> 16)
	d[1] = clamp8((y - 22554*cb - 46802*cr) >> 16)
	d[2] = clamp8((y + 116130*cb) >> 16)
}

// fill writes the rectangle of the picture (from its top left corner) to out, opaque. out.Pix is reused when it is large enough.
func (r *rows) fill(out *image.NRGBA, rect image.Rectangle, s *scratch) {
	w, h := rect.Dx(), rect.Dy()
	if cap(out.Pix) < 4*w*h {
		out.Pix = make([]uint8, 4*w*h)
	}
	*out = image.NRGBA{Pix: out.Pix[:4*w*h], Stride: 4 * w, Rect: image.Rect(0, 0, w, h)}
	s.xs = grow(s.xs, w)
	for i := range s.xs {
		s.xs[i] = int32(rect.Min.X + i)
	}
	s.rgb = grow(s.rgb, 3*w)
	for y := range h {
		r.read(rect.Min.Y+y, s.xs, s.rgb)
		row := out.Pix[y*out.Stride:]
		for i := range w {
			d, p := row[4*i:4*i+4:4*i+4], s.rgb[3*i:3*i+3:3*i+3]
			d[0], d[1], d[2], d[3] = p[0], p[1], p[2], 255
		}
	}
}

// grow returns a slice of n elements over s's array, or over a new one where that is too small.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
