package picture

import (
	"image"
	"image/color"

	"github.com/c236555e/rehead/dataset/picture/internal/raster"
)

// Background is the grey level, 0..255, of the ground that transparent pictures are laid on: white,
// as paper and web pages are.
const Background = 255

// rows reads 8-bit RGB out of a decoded picture row by row, with alpha laid on Background and
// 16-bit samples cut to their upper 8 bits.
type rows struct {
	img     image.Image
	palette [256][3]uint8 // of an image.Paletted
	raster  *raster.Raster
	cb, cr  []int16 // a row of chroma of an image.YCbCr, blended down
	pairs   []int16 // and interpolated across
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

// read writes the RGB of the pixels (xs[i], y) to dst[3*i:]; xs ascends. Coordinates count from the
// picture's top left corner.
func (r *rows) read(y int, xs []int32, dst []uint8) {
	dst = dst[:3*len(xs)]
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
		r.readDeep(y, xs, dst)
	}
}

// readDeep is read for samples of 16 bits, and for pictures of no kind that is known.
func (r *rows) readDeep(y int, xs []int32, dst []uint8) {
	switch m := r.img.(type) {
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
	default:
		b := m.Bounds()
		for i, x := range xs {
			c := flatten(m.At(b.Min.X+int(x), b.Min.Y+y))
			copy(dst[3*i:3*i+3], c[:])
		}
	}
}

// fill writes the rectangle of the picture (from its top left corner) to out, opaque. out.Pix is
// reused when it is large enough.
func (r *rows) fill(out *image.NRGBA, rect image.Rectangle, s *scratch) {
	w, h := rect.Dx(), rect.Dy()
	if cap(out.Pix) < 4*w*h {
		out.Pix = make([]uint8, 4*w*h)
	}
	*out = image.NRGBA{Pix: out.Pix[:4*w*h], Stride: 4 * w, Rect: image.Rect(0, 0, w, h)}
	if m, ok := r.img.(*image.YCbCr); ok {
		for y := range h {
			luma, pairs := r.chroma(m, rect.Min.Y+y, rect.Min.X, rect.Max.X)
			r.raster.Pixels(out.Pix[y*out.Stride:][:out.Stride], luma, pairs)
		}
		return
	}
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
