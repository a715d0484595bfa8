package plot

import (
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"
)

// px is a CSS pixel.
const px = vg.Length(0.75)

// Ink is a colour, 0xRRGGBB.
type Ink uint32

// The report's colours on paper: see style.css.
const (
	white Ink = 0xffffff
	panel Ink = 0xf5f6f8
	dark  Ink = 0x1b1f24
	soft  Ink = 0x57606a
	rule  Ink = 0xd5dae0
	Blue  Ink = 0x1463c4
	red   Ink = 0xc02f1d
	green Ink = 0x1a7f37
	Gold  Ink = 0xb35900
)

func (i Ink) RGBA() (r, g, b, a uint32) { return i.veil(1).RGBA() }

// veil makes a colour transparent.
func (i Ink) veil(opacity float64) color.NRGBA {
	return color.NRGBA{uint8(i >> 16), uint8(i >> 8), uint8(i), uint8(255*opacity + 0.5)}
}

// over is the colour that a share of i on a ground has.
func (i Ink) over(ground Ink, share float64) Ink {
	mixed := Ink(0)
	for shift := 0; shift < 24; shift += 8 {
		a, b := float64(i>>shift&255), float64(ground>>shift&255)
		mixed |= Ink(b+(a-b)*share+0.5) << shift
	}
	return mixed
}

// category is the colour of a label on the map, by its number.
func category(i int) Ink {
	return [...]Ink{0x4e79a7, 0xf28e2b, 0xe15759, 0x3fa9a0, 0x59a14f, 0xd9b300, 0xb07aa1, 0xff7f9f, 0x9c755f,
		0x8a8f98}[i%10]
}

// pen draws on either canvas.
type pen struct {
	vg.Canvas
	*fonts
	height float64 // of the figure: vg's y goes upward
	hover  bool    // in an SVG: texts may have one that shows when the pointer rests on them
}

func (p *pen) at(x, y float64) vg.Point {
	return vg.Point{X: vg.Length(x) * px, Y: vg.Length(p.height-y) * px}
}

func (p *pen) box(x, y, w, h float64, c color.Color) {
	p.SetColor(c)
	p.Fill(p.polygon([2]float64{x, y}, [2]float64{x + w, y}, [2]float64{x + w, y + h}, [2]float64{x, y + h}))
}

// line is straight from point to point.
func (p *pen) line(width float64, c color.Color, points ...[2]float64) {
	p.SetColor(c)
	p.SetLineWidth(vg.Length(width) * px)
	p.Stroke(p.path(points))
}

func (p *pen) dashed(width float64, c color.Color, points ...[2]float64) {
	p.SetLineDash([]vg.Length{5 * px, 4 * px}, 0)
	p.line(width, c, points...)
	p.SetLineDash(nil, 0)
}

// dot is a disc with a thin white border, which keeps neighbours apart.
func (p *pen) dot(x, y, r float64, c color.Color) {
	p.SetColor(white)
	p.Fill(p.circle(x, y, r+0.8))
	p.SetColor(c)
	p.Fill(p.circle(x, y, r))
}

func (p *pen) path(points [][2]float64) (path vg.Path) {
	for i, at := range points {
		if i == 0 {
			path.Move(p.at(at[0], at[1]))
		} else {
			path.Line(p.at(at[0], at[1]))
		}
	}
	return path
}

func (p *pen) polygon(corners ...[2]float64) vg.Path {
	path := p.path(corners)
	path.Close()
	return path
}

func (p *pen) circle(x, y, r float64) (path vg.Path) {
	path.Move(p.at(x+r, y))
	path.Arc(p.at(x, y), vg.Length(r)*px, 0, 2*math.Pi)
	path.Close()
	return path
}

// style is how a text looks: 12 pixels in soft ink from the left, where nothing else is said.
type style struct {
	size   float64
	ink    Ink
	align  float64 // 0: x is the text's start, 0.5: its middle, 1: its end
	upward bool    // a quarter turn to the left
	hover  string  // what a viewer of the SVG shows when the pointer rests on the text
}

// write sets a text; y is the middle of its capitals, x where it is upward.
func (p *pen) write(x, y float64, text string, s style) {
	if text = clean(text); text == "" {
		return
	}
	if s.ink == 0 {
		s.ink = soft
	}
	if !p.hover {
		text = p.boxes(text)
	}
	face := p.face(s)
	start := vg.Point{X: -vg.Length(s.align*p.width(text, s)) * px, Y: -0.36 * face.Font.Size}
	if p.hover && s.hover != "" && s.hover != text {
		text += hoverMark + clean(s.hover)
	}
	p.SetColor(s.ink)
	if !s.upward {
		p.FillString(face, p.at(x, y).Add(start), text)
		return
	}
	p.Push()
	p.Translate(p.at(x, y))
	p.Rotate(math.Pi / 2)
	p.FillString(face, start, text)
	p.Pop()
}
