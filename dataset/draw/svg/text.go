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
		d := font.Drawer{Dst: p.to, Src: image.NewUniform(c.style.fill), Face: face, Dot: fixed.Point26_6{X: fixed.Int26_6(x * 64), Y: fixed.Int26_6(y * 64)}}
		d.DrawString(text)
		return nil
	}
	// A text that reads upwards is set along and its picture turned.
	pad := int(math.Ceil(size))
	mask := image.NewAlpha(image.Rect(0, 0, min(int(math.Ceil(width))+2*pad, maxSide), 3*pad))
	d := font.Drawer{Dst: mask, Src: image.Opaque, Face: face, Dot: fixed.P(pad, 2*pad)}
	d.DrawString(text)
	turned := image.NewAlpha(image.Rect(0, 0, mask.Rect.Dy(), mask.Rect.Dx()))
	for y := range mask.Rect.Dy() {
		for x := range mask.Rect.Dx() {
			turned.SetAlpha(y, turned.Rect.Dy()-1-x, mask.AlphaAt(x, y))
		}
	}
	x, y := int(math.Round(c.x*p.scale+below))-2*pad, int(math.Round(c.y*p.scale-along))+pad-turned.Rect.Dy()
	at := turned.Rect.Add(image.Pt(x, y))
	draw.DrawMask(p.to, at, image.NewUniform(c.style.fill), image.Point{}, turned, image.Point{}, draw.Over)
	return nil
}
