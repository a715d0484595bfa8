package svg

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Bounds on a picture.
const (
	maxSide   = 1 << 14 // pixels
	maxUnits  = 1 << 15 // of a number
	maxDepth  = 16      // elements within each other
	maxRules  = 1 << 10 // names and properties that every element is held against
	maxDashes = 16      // lengths of a pattern
)

// Draw paints a whole SVG on white, scale pixels for each of its units, fewer where a side would
// have more than 16,384. Errors name the element that cannot be painted.
func Draw(data []byte, scale float64) (*image.RGBA, error) {
	if !(scale > 0) {
		return nil, fmt.Errorf("svg: draw: got a scale of %g, want more than 0", scale)
	}
	p := &painter{scale: scale, dec: xml.NewDecoder(bytes.NewReader(data))}
	var err error
	if p.fonts, err = newFonts(); err != nil {
		return nil, fmt.Errorf("svg: draw: %w", err)
	}
	for {
		tok, err := p.dec.Token()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("svg: draw: got no element, want svg")
		}
		if err != nil {
			return nil, fmt.Errorf("svg: draw: %w", err)
		}
		if start, ok := tok.(xml.StartElement); ok {
			if err := p.root(start); err != nil {
				return nil, fmt.Errorf("svg: draw: %w", err)
			}
			return p.to, nil
		}
	}
}

// painter is a picture on its way.
type painter struct {
	dec   *xml.Decoder
	to    *image.RGBA
	scale float64
	rules []rule
	fonts *fonts
}

// context is what an element inherits.
type context struct {
	x, y  float64 // where its origin lies, in the units of the whole
	turn  bool    // a quarter to the left
	style style
	depth int
}

func (p *painter) root(e xml.StartElement) error {
	a, err := attributes(e)
	if err != nil {
		return err
	}
	p.scale = min(p.scale, maxSide/max(a.num("width"), a.num("height"), 1))
	w, h := a.num("width")*p.scale, a.num("height")*p.scale
	if e.Name.Local != "svg" || !(w >= 1 && w <= maxSide && h >= 1 && h <= maxSide) {
		return fmt.Errorf("got <%s> of %g x %g pixels, want <svg> of 1 to %d each", e.Name.Local, w, h, maxSide)
	}
	p.to = image.NewRGBA(image.Rect(0, 0, int(math.Ceil(w)), int(math.Ceil(h))))
	draw.Draw(p.to, p.to.Bounds(), image.White, image.Point{}, draw.Src)
	return p.children(context{style: style{fill: color.RGBA{A: 255}, opacity: 1, width: 1, size: 16}})
}

// children paints what is within an element, to its end.
func (p *painter) children(c context) error {
	if c.depth++; c.depth > maxDepth {
		return fmt.Errorf("got elements %d deep, want at most %d", c.depth, maxDepth)
	}
	for {
		tok, err := p.dec.Token()
		if err != nil {
			return err
		}
		switch tok := tok.(type) {
		case xml.EndElement:
			return nil
		case xml.StartElement:
			if err := p.element(tok, c); err != nil {
				return err
			}
		}
	}
}

// element paints one element and what is in it.
func (p *painter) element(e xml.StartElement, c context) error {
	name := e.Name.Local
	switch name {
	case "title", "desc":
		return p.dec.Skip()
	case "style":
		text, err := p.text()
		if err == nil {
			p.rules, err = parseRules(text)
		}
		return err
	}
	a, err := attributes(e)
	if err != nil {
		return err
	}
	if c, err = p.enter(name, a, c); err != nil {
		return fmt.Errorf("<%s>: %w", name, err)
	}
	switch name {
	case "g", "svg":
		return p.children(c)
	case "text":
		text, err := p.text()
		if err == nil {
			err = p.write(text, a, c)
		}
		return err
	}
	lines, closed, err := outline(name, a)
	if err != nil {
		return fmt.Errorf("<%s>: %w", name, err)
	}
	for _, l := range lines {
		for i := range l {
			l[i] = point{(c.x + l[i].x) * p.scale, (c.y + l[i].y) * p.scale}
		}
	}
	p.shape(lines, closed, c.style)
	return p.children(c) // its title
}

// enter is what holds within an element.
func (p *painter) enter(name string, a attrs, c context) (context, error) {
	if name == "svg" { // its view box is as large as it is: the charts' are
		c.x, c.y = c.x+a.num("x"), c.y+a.num("y")
	}
	rest := a["transform"]
	for rest != "" {
		var call, args string
		var ok bool
		if call, rest, ok = strings.Cut(rest, "("); ok {
			args, rest, ok = strings.Cut(rest, ")")
		}
		if !ok {
			return c, fmt.Errorf("got the transform %q, want translate(X Y) or rotate(-90)", a["transform"])
		}
		switch v := strings.Fields(args); {
		case strings.TrimSpace(call) == "translate" && len(v) == 2 && !c.turn:
			x, xerr := measure(v[0])
			y, yerr := measure(v[1])
			if err := cmp.Or(xerr, yerr); err != nil {
				return c, fmt.Errorf("got the transform %q: %w", a["transform"], err)
			}
			c.x, c.y = c.x+x, c.y+y
		case strings.TrimSpace(call) == "rotate" && args == "-90" && name == "text" && !c.turn:
			c.turn = true
		default:
			return c, fmt.Errorf("got the transform %q, want translate(X Y) or, of text, rotate(-90)", a["transform"])
		}
		rest = strings.TrimSpace(rest)
	}
	err := c.style.take(name, a, p.rules)
	return c, err
}

// text is the text up to an element's end, without that of elements in it.
func (p *painter) text() (string, error) {
	var b strings.Builder
	for {
		tok, err := p.dec.Token()
		if err != nil {
			return "", err
		}
		switch tok := tok.(type) {
		case xml.CharData:
			b.Write(tok)
		case xml.StartElement:
			if err := p.dec.Skip(); err != nil {
				return "", err
			}
		case xml.EndElement:
			return b.String(), nil
		}
	}
}

// attrs are an element's attributes.
type attrs map[string]string

// numeric are the attributes that must be numbers.
func numeric(name string) bool {
	return slices.Contains([]string{"x", "y", "dx", "dy", "cx", "cy", "r", "x1", "x2", "y1", "y2", "width", "height",
		"fill-opacity"}, name)
}

func attributes(e xml.StartElement) (attrs, error) {
	a := attrs{}
	for _, at := range e.Attr {
		if numeric(at.Name.Local) {
			if _, err := measure(at.Value); err != nil {
				return nil, fmt.Errorf("<%s>: %s: got %q, want a number of at most %d", e.Name.Local, at.Name.Local, at.Value,
					maxUnits)
			}
		}
		a[at.Name.Local] = at.Value
	}
	return a, nil
}

// num is an attribute as a number, 0 where there is none.
func (a attrs) num(name string) float64 {
	v, err := strconv.ParseFloat(a[name], 64)
	if err != nil {
		return 0
	}
	return v
}
