package picture

import (
	"image"

	"github.com/c236555e/rehead/dataset/picture/internal/raster"
)

// chromaRows returns where in Cb and Cr the chroma rows begin that colour picture row y (absolute):
// the one it lies in and, where vertical chroma pixels cover v rows, the nearer neighbour of that
// one.
func chromaRows(m *image.YCbCr, y, v int) (near, far int) {
	first, last := m.Rect.Min.Y/v, (m.Rect.Max.Y-1)/v
	cy := y / v
	ny := cy
	if v == 2 {
		ny = min(max(cy-1+2*(y&1), first), last)
	}
	return (cy - first) * m.CStride, (ny - first) * m.CStride
}

// halved returns how often chroma was halved across, and how many rows share it.
func halved(ratio image.YCbCrSubsampleRatio) (shift uint, v int) {
	switch ratio {
	case image.YCbCrSubsampleRatio422:
		return 1, 1
	case image.YCbCrSubsampleRatio420:
		return 1, 2
	case image.YCbCrSubsampleRatio440:
		return 0, 2
	case image.YCbCrSubsampleRatio411:
		return 2, 1
	case image.YCbCrSubsampleRatio410:
		return 2, 2
	}
	return 0, 1
}

// chroma returns the pixels of columns from to to of row y, counted from the picture's top left
// corner: their luma, and their chroma less 128, Cb and Cr side by side, valid until the next call.
// Chroma is made as libjpeg makes it by default: what was halved is interpolated with a triangle
// (3/4 of the nearer sample, 1/4 of the farther). Chroma quartered in one direction is repeated.
// Source: libjpeg-turbo, jdsample.c (fancy upsampling).
func (r *rows) chroma(m *image.YCbCr, y, from, to int) (luma []uint8, pairs []int16) {
	shift, v := halved(m.SubsampleRatio)
	left, row := m.Rect.Min.X, m.Rect.Min.Y+y
	first := left >> shift
	samples := (m.Rect.Max.X-1)>>shift - first + 1
	lo, hi := (left+from)>>shift-first, (left+to-1)>>shift-first+1
	triangle := shift == 1 && samples > 2 // libjpeg does not interpolate so narrow a picture
	blended := v == 2 && (shift == 0 || triangle)
	r.blendDown(m, row, v, lo, hi, samples, blended)
	luma = m.Y[y*m.YStride:][from:to]
	at := left + from - (lo+first)<<shift // the first pixel's place among those of its sample
	r.pairs = grow(r.pairs, 2*(hi-lo)<<shift)
	switch n := hi - lo; {
	case triangle && blended: // 4:2:0
		r.raster.Triangle(r.pairs, r.cb, r.cr, 8, 7, 4)
	case triangle: // 4:2:2
		r.raster.Triangle(r.pairs, r.cb, r.cr, 1, 2, 2)
	case blended: // 4:4:0
		r.raster.Straight(r.pairs, r.cb[1:n+1], r.cr[1:n+1], 1+row&1, 2)
	case shift == 0:
		r.raster.Straight(r.pairs, r.cb[1:n+1], r.cr[1:n+1], 0, 0)
	default:
		for i := range n << shift {
			r.pairs[2*i], r.pairs[2*i+1] = r.cb[i>>shift+1]-128, r.cr[i>>shift+1]-128
		}
	}
	return luma, r.pairs[2*at:][:2*(to-from)]
}

// blendDown puts the chroma samples lo to hi of picture row y (absolute) at r.cb[1] and r.cr[1],
// and on either side one more, or where there is none, the last again. With blend it gives 3 x the
// nearer row + the farther one, else the row that y lies in.
func (r *rows) blendDown(m *image.YCbCr, y, v, lo, hi, samples int, blend bool) {
	near, far := chromaRows(m, y, v)
	before, behind := max(lo-1, 0), min(hi+1, samples)
	n := hi - lo + 2
	r.cb, r.cr = grow(r.cb, n), grow(r.cr, n)
	a, b := 1, 0
	if blend {
		a, b = 3, 1
	}
	for _, c := range []struct {
		to   []int16
		from []uint8
	}{{r.cb, m.Cb}, {r.cr, m.Cr}} {
		r.raster.Blend(c.to[before-lo+1:behind-lo+1], c.from[near+before:near+behind], c.from[far+before:far+behind], a, b)
		if lo == 0 {
			c.to[0] = c.to[1]
		}
		if hi == samples {
			c.to[n-1] = c.to[n-2]
		}
	}
}

// readYCbCr is read for such a picture.
func (r *rows) readYCbCr(m *image.YCbCr, y int, xs []int32, dst []uint8) {
	if len(xs) == 0 {
		return
	}
	from := int(xs[0])
	luma, pairs := r.chroma(m, y, from, int(xs[len(xs)-1])+1)
	for i, x := range xs {
		at := int(x) - from
		dst[3*i], dst[3*i+1], dst[3*i+2] = raster.Colour(luma[at], pairs[2*at], pairs[2*at+1])
	}
}
