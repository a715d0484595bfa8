package draw

import (
	"bytes"
	"image"
	"image/color"
	stddraw "image/draw"
	"image/jpeg"
	"math"
)

// Alteration makes another picture of the same thing, as copies in collections of pictures are.
type Alteration struct {
	Name    string
	Quality int // of the JPEG, 1..100
	alter   func(img *image.NRGBA) *image.NRGBA
}

// Alterations returns the ways in which a copy may differ: how it is encoded, its size, exposure,
// edges cut off, a border, the mirror image, a turn of 2 degrees, grey.
func Alterations() []Alteration {
	return []Alteration{
		{"quality 40", 40, func(img *image.NRGBA) *image.NRGBA { return img }},
		{"quality 75", 75, func(img *image.NRGBA) *image.NRGBA { return img }},
		{"half size", 85, func(img *image.NRGBA) *image.NRGBA { return mapped(img, 0.5, 0.5, 2, 0) }},
		{"exposure 0.6", 90, expose(0.6)},
		{"exposure 0.8", 90, expose(0.8)},
		{"exposure 1.2", 90, expose(1.2)},
		{"exposure 1.4", 90, expose(1.4)},
		{"5 % cut", 90, cut(0.05, 0.5, 0.5)},
		{"10 % cut", 90, cut(0.1, 0.3, 0.6)},
		{"15 % cut", 90, cut(0.15, 0.7, 0.5)},
		{"20 % cut", 90, cut(0.2, 0.5, 0.4)},
		{"dark border", 90, border(0.06, color.NRGBA{A: 255})},
		{"white border", 90, border(0.06, color.NRGBA{255, 255, 255, 255})},
		{"mirror", 90, func(img *image.NRGBA) *image.NRGBA { return mapped(img, -1, 1, 1, 0) }},
		{"turned 2 degrees", 90, func(img *image.NRGBA) *image.NRGBA { return mapped(img, 1, 1, 1, 2) }},
		{"turned -2 degrees", 90, func(img *image.NRGBA) *image.NRGBA { return mapped(img, 1, 1, 1, -2) }},
		{"grey", 90, grey},
	}
}

// Apply returns the altered picture as a JPEG file.
func (a Alteration) Apply(img image.Image) ([]byte, error) {
	b := img.Bounds()
	whole := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	stddraw.Draw(whole, whole.Rect, img, b.Min, stddraw.Src)
	var out bytes.Buffer
	err := jpeg.Encode(&out, a.alter(whole), &jpeg.Options{Quality: a.Quality})
	return out.Bytes(), err
}

// pixels paints every pixel anew.
func pixels(img *image.NRGBA, paint func(c color.NRGBA) color.NRGBA) *image.NRGBA {
	out := image.NewNRGBA(img.Rect)
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			out.SetNRGBA(x, y, paint(img.NRGBAAt(x, y)))
		}
	}
	return out
}

func expose(by float64) func(img *image.NRGBA) *image.NRGBA {
	times := func(v uint8) uint8 { return level(by * float64(v) / 255) }
	return func(img *image.NRGBA) *image.NRGBA {
		return pixels(img, func(c color.NRGBA) color.NRGBA { return color.NRGBA{times(c.R), times(c.G), times(c.B), 255} })
	}
}

func grey(img *image.NRGBA) *image.NRGBA {
	return pixels(img, func(c color.NRGBA) color.NRGBA {
		l := color.GrayModel.Convert(c).(color.Gray).Y
		return color.NRGBA{l, l, l, 255}
	})
}

// cut leaves 1-part of each side, of which the left and upper edges lose the shares given.
func cut(part, left, upper float64) func(img *image.NRGBA) *image.NRGBA {
	return func(img *image.NRGBA) *image.NRGBA {
		w, h := float64(img.Rect.Dx()), float64(img.Rect.Dy())
		out := image.NewNRGBA(image.Rect(0, 0, int(w*(1-part)), int(h*(1-part))))
		stddraw.Draw(out, out.Rect, img, image.Pt(int(w*part*left), int(h*part*upper)), stddraw.Src)
		return out
	}
}

// border adds a frame, as wide as part of the longer side.
func border(part float64, c color.NRGBA) func(img *image.NRGBA) *image.NRGBA {
	return func(img *image.NRGBA) *image.NRGBA {
		wide := int(part * float64(max(img.Rect.Dx(), img.Rect.Dy())))
		out := image.NewNRGBA(image.Rect(0, 0, img.Rect.Dx()+2*wide, img.Rect.Dy()+2*wide))
		stddraw.Draw(out, out.Rect, image.NewUniform(c), image.Point{}, stddraw.Src)
		stddraw.Draw(out, image.Rectangle{Max: img.Rect.Max}.Add(image.Pt(wide, wide)), img, image.Point{}, stddraw.Src)
		return out
	}
}

// mapped scales a picture, a negative sx mirrors it, and turns it; sub x sub samples a pixel.
func mapped(img *image.NRGBA, sx, sy float64, sub int, degrees float64) *image.NRGBA {
	w, h := float64(img.Rect.Dx()), float64(img.Rect.Dy())
	out := image.NewNRGBA(image.Rect(0, 0, int(w*math.Abs(sx)), int(h*sy)))
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	for y := range out.Rect.Dy() {
		for x := range out.Rect.Dx() {
			var sum [3]float64
			for s := range sub * sub {
				step := func(v, part int) float64 { return float64(v) + (float64(part)+0.5)/float64(sub) }
				u := (step(x, s%sub) - float64(out.Rect.Dx())/2) / sx
				v := (step(y, s/sub) - float64(out.Rect.Dy())/2) / sy
				c := sample(img, cos*u-sin*v+w/2-0.5, sin*u+cos*v+h/2-0.5)
				for i := range sum {
					sum[i] += c[i] / float64(255*sub*sub)
				}
			}
			out.SetNRGBA(x, y, color.NRGBA{level(sum[0]), level(sum[1]), level(sum[2]), 255})
		}
	}
	return out
}

// sample is bilinear, black outside of the picture.
func sample(img *image.NRGBA, x, y float64) (rgb [3]float64) {
	left, top := math.Floor(x), math.Floor(y)
	for i := range 4 {
		dx, dy := float64(i%2), float64(i/2)
		c := img.NRGBAAt(int(left+dx), int(top+dy))
		part := (1 - math.Abs(x-left-dx)) * (1 - math.Abs(y-top-dy))
		for k, v := range [3]uint8{c.R, c.G, c.B} {
			rgb[k] += part * float64(v)
		}
	}
	return rgb
}
