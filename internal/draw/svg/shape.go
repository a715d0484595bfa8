package svg

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/image/vector"
)

type point struct{ x, y float64 }

// roundness is the number of corners that stand for a circle.
const roundness = 40

// outline returns an element as lines, and whether they are closed.
func outline(name string, a attrs) (lines [][]point, closed bool, err error) {
	switch name {
	case "rect":
		x, y, w, h := a.num("x"), a.num("y"), a.num("width"), a.num("height")
		return [][]point{{{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}}}, true, nil
	case "circle":
		return [][]point{circle(point{a.num("cx"), a.num("cy")}, a.num("r"))}, true, nil
	case "line":
		return [][]point{{{a.num("x1"), a.num("y1")}, {a.num("x2"), a.num("y2")}}}, false, nil
	case "path":
		return path(a["d"])
	}
	return nil, false, fmt.Errorf("cannot be painted")
}

func circle(c point, r float64) []point {
	out := make([]point, roundness)
	for i := range out {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / roundness)
		out[i] = point{c.x + r*cos, c.y + r*sin}
	}
	return out
}

// path reads the commands M, L, l, h, v and z; numbers may follow each other without a space where
// a sign parts them.
func path(d string) (lines [][]point, closed bool, err error) {
	var at point
	var command byte
	for rest := strings.TrimLeft(d, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		if c := rest[0]; strings.IndexByte("MLlhvz", c) >= 0 {
			command, rest = c, rest[1:]
			if c == 'z' {
				closed = true
				continue
			}
		}
		var v [2]float64
		for i := range v {
			if i == 1 && (command == 'h' || command == 'v') {
				break
			}
			if v[i], rest, err = number(rest); err != nil {
				return nil, false, fmt.Errorf("got the path %q: %w", d, err)
			}
		}
		switch command {
		case 'M', 'L':
			at = point{v[0], v[1]}
		case 'l':
			at = point{at.x + v[0], at.y + v[1]}
		case 'h':
			at.x += v[0]
		case 'v':
			at.y += v[0]
		}
		if command == 'M' {
			lines = append(lines, nil)
			command = 'L' // for the points that may follow
		}
		if len(lines) == 0 {
			return nil, false, fmt.Errorf("got the path %q, want one that begins with M", d)
		}
		lines[len(lines)-1] = append(lines[len(lines)-1], at)
	}
	return lines, closed, nil
}

// number reads a number from the front of a text.
func number(text string) (v float64, rest string, err error) {
	text = strings.TrimLeft(text, " ")
	end := 0
	for end < len(text) && (text[end] >= '0' && text[end] <= '9' || text[end] == '.' || text[end] == '-' && end == 0) {
		end++
	}
	v, err = strconv.ParseFloat(text[:end], 64)
	if err == nil && math.Abs(v) > maxUnits {
		err = fmt.Errorf("%g is too large", v)
	}
	return v, text[end:], err
}

// shape fills and strokes lines, which are in pixels.
func (p *painter) shape(lines [][]point, closed bool, s style) {
	if s.fill.A > 0 && s.opacity > 0 {
		p.fill(lines, faded(s.fill, s.opacity))
	}
	if s.stroke.A == 0 || s.width <= 0 {
		return
	}
	half := s.width * p.scale / 2
	seen := frameOf(p.to.Bounds(), half+1)
	var areas [][]point
	for _, l := range lines {
		if closed {
			l = append(slices.Clone(l), l[0])
		}
		for _, part := range dashes(l, s.dash, p.scale, seen) {
			areas = append(areas, ribbon(part, half, len(s.dash) == 0, seen)...)
		}
	}
	p.fill(areas, s.stroke)
}

// ribbon covers a line by a rectangle for each piece and, where round, a disc for each corner
// between them. All turn the same way round, so that what they have in common is painted once.
// Pieces that are not seen are left out.
func ribbon(l []point, half float64, round bool, seen frame) (areas [][]point) {
	for i := 1; i < len(l); i++ {
		a, b := l[i-1], l[i]
		length := math.Hypot(b.x-a.x, b.y-a.y)
		if from, to := seen.along(a, b); length == 0 || from > to {
			continue
		}
		nx, ny := -(b.y-a.y)/length*half, (b.x-a.x)/length*half
		areas = append(areas, []point{{a.x - nx, a.y - ny}, {b.x - nx, b.y - ny}, {b.x + nx, b.y + ny}, {a.x + nx, a.y + ny}})
		if round && i > 1 {
			areas = append(areas, circle(a, half))
		}
	}
	return areas
}

// dashes cuts a line into its visible pieces: of a pattern, those where it is on, and of what is
// not seen hardly any.
func dashes(l []point, dash []float64, scale float64, seen frame) [][]point {
	if len(dash) == 0 {
		return [][]point{l}
	}
	var out [][]point
	n, left, period := 0, dash[0]*scale, 0.0
	for _, d := range dash {
		period += 2 * d * scale // twice: an odd number of lengths is off the second time where it was on
	}
	for i := 1; i < len(l); i++ {
		a, b := l[i-1], l[i]
		length := math.Hypot(b.x-a.x, b.y-a.y)
		from, end := seen.along(a, b)
		for at := 0.0; at < length; {
			next := length
			if at < from*length {
				next = from * length
			} else if at < end*length {
				next = at
			}
			if hidden := math.Floor((next - at) / period); hidden >= 1 {
				at += hidden * period
				continue
			}
			to := min(length, at+left)
			if n%2 == 0 {
				out = append(out, []point{
					{a.x + (b.x-a.x)*at/length, a.y + (b.y-a.y)*at/length},
					{a.x + (b.x-a.x)*to/length, a.y + (b.y-a.y)*to/length},
				})
			}
			if left -= to - at; left <= 1e-9 || to == at { // or too little to be added
				n++
				left = dash[n%len(dash)] * scale
			}
			at = to
		}
	}
	return out
}

// fill paints the areas.
func (p *painter) fill(areas [][]point, c color.RGBA) {
	b := p.to.Bounds()
	seen := frameOf(b, 1)
	box := image.Rectangle{}
	shown := make([][]point, 0, len(areas))
	for _, l := range areas {
		if l = seen.cut(l); len(l) == 0 {
			continue
		}
		shown = append(shown, l)
		for _, at := range l {
			box = box.Union(image.Rect(int(math.Floor(at.x)), int(math.Floor(at.y)), int(math.Ceil(at.x))+1,
				int(math.Ceil(at.y))+1))
		}
	}
	if box = box.Intersect(b); box.Empty() {
		return
	}
	r := vector.NewRasterizer(box.Dx(), box.Dy())
	for _, l := range shown {
		for i, at := range l {
			x, y := float32(at.x-float64(box.Min.X)), float32(at.y-float64(box.Min.Y))
			if i == 0 {
				r.MoveTo(x, y)
			} else {
				r.LineTo(x, y)
			}
		}
		r.ClosePath()
	}
	r.Draw(p.to, box, image.NewUniform(c), image.Point{})
}

// faded is a colour with its alpha multiplied in.
func faded(c color.RGBA, opacity float64) color.RGBA {
	f := func(v uint8) uint8 { return uint8(float64(v)*min(max(opacity, 0), 1) + 0.5) }
	return color.RGBA{f(c.R), f(c.G), f(c.B), f(c.A)}
}
