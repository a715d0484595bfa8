package svg

import (
	"fmt"
	"image"
	"image/draw"
	"math"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// fonts are the Go fonts, and their faces by size.
type fonts struct {
	regular, bold *opentype.Font
	faces         map[faceKey]font.Face
}

type faceKey struct {
	pixels float64
	bold   bool
}

func newFonts() (*fonts, error) {
	f := &fonts{faces: map[faceKey]font.Face{}}
	var err error
	if f.regular, err = opentype.Parse(goregular.TTF); err != nil {
		return nil, err
	}
	f.bold, err = opentype.Parse(gobold.TTF)
	return f, err
}

func (f *fonts) face(pixels float64, bold bool) (font.Face, error) {
	key := faceKey{pixels, bold}
	if face := f.faces[key]; face != nil {
		return face, nil
	}
	from := f.regular
	if bold {
		from = f.bold
	}
	face, err := opentype.NewFace(from, &opentype.FaceOptions{Size: pixels, DPI: 72})
	if err != nil {
		return nil, err
	}
	f.faces[key] = face
	return face, nil
}

// middle is how far below its middle a line of text stands, in its size.
const middle = 0.35

// write sets a line of text.
func (p *painter) write(text string, a attrs, c context) error {
	text = strings.Join(strings.Fields(text), " ")
	if text == "" || c.style.fill.A == 0 {
		return nil
	}
	size := c.style.size * p.scale
	if !(size >= 1 && size <= 200) {
		return fmt.Errorf("<text>: got a size of %g pixels, want 1 to 200", size)
	}
	face, err := p.fonts.face(size, c.style.bold)
	if err != nil {
		return fmt.Errorf("<text>: %w", err)
	}
	width := float64(font.MeasureString(face, text)) / 64
	along, below := 0.0, 0.0 // from the point given to where the text begins
	switch c.style.anchor {
	case "middle":
		along = -width / 2
	case "end":
		along = -width
	}
	if c.style.central {
		below = middle * size
	}
	if !c.turn {
		x, y := (c.x+a.num("x")+a.num("dx"))*p.scale+along, (c.y+a.num("y")+a.num("dy"))*p.scale+below
		if y < -size || y > float64(p.to.Rect.Dy())+size {
			return nil
		}
		text, skipped := shown(face, text, -size-x, float64(p.to.Rect.Dx())+size-x)
		x += skipped
		d := font.Drawer{Dst: p.to, Src: image.NewUniform(c.style.fill), Face: face,
			Dot: fixed.Point26_6{X: fixed.Int26_6(math.Floor(x * 64)), Y: fixed.Int26_6(math.Floor(y * 64))}}
		d.DrawString(text)
		return nil
	}
	// A text that reads upwards is set along and its picture turned.
	start := c.y*p.scale - along // the row at which it begins
	text, skipped := shown(face, text, start-float64(p.to.Rect.Dy())-size, start+size)
	pad := int(math.Ceil(size))
	mask := image.NewAlpha(image.Rect(0, 0, int(math.Ceil(float64(font.MeasureString(face, text))/64))+2*pad, 3*pad))
	whole := math.Floor(skipped) // so that the letters stand as if none were skipped
	x, y := int(math.Round(c.x*p.scale+below))-2*pad, int(math.Round(start)-whole)+pad-mask.Rect.Dx()
	turned := image.NewAlpha(image.Rect(0, 0, mask.Rect.Dy(), mask.Rect.Dx()))
	at := turned.Rect.Add(image.Pt(x, y))
	if text == "" || !at.Overlaps(p.to.Rect) {
		return nil
	}
	d := font.Drawer{Dst: mask, Src: image.Opaque, Face: face, Dot: fixed.P(pad, 2*pad)}
	d.Dot.X += fixed.Int26_6((skipped - whole) * 64)
	d.DrawString(text)
	for y := range mask.Rect.Dy() {
		for x := range mask.Rect.Dx() {
			turned.SetAlpha(y, turned.Rect.Dy()-1-x, mask.AlphaAt(x, y))
		}
	}
	draw.DrawMask(p.to, at, image.NewUniform(c.style.fill), image.Point{}, turned, image.Point{}, draw.Over)
	return nil
}

// shown cuts a text to the letters that lie between two distances from its beginning, in pixels,
// and says how far the first of them begins: each letter is painted by itself, seen or not.
func shown(face font.Face, text string, from, to float64) (part string, skipped float64) {
	first, before := len(text), rune(-1)
	var at fixed.Int26_6
	for i, r := range text {
		if before >= 0 {
			at += face.Kern(before, r)
		}
		if float64(at)/64 > to {
			return text[min(first, i):i], skipped
		}
		wide, _ := face.GlyphAdvance(r)
		if first == len(text) && float64(at+wide)/64 >= from {
			first, skipped = i, float64(at)/64
		}
		at += wide
		before = r
	}
	return text[first:], skipped
}
