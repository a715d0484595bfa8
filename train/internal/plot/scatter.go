package plot

import (
	"slices"

	"gonum.org/v1/plot/vg"
)

// Scatter is points on a plane, with a colour and a shape for each group.
type Scatter struct {
	Title, Note   string
	XName, YName  string
	Width, Height float64 // of the plane, in pixels
	Points        []Point // the last are on top
	Groups        []string
	Foot          string // last in the legend, if there is more to say
}

// Point is a point in pixels from the plane's upper left corner.
type Point struct {
	X, Y   float64
	Group  int
	Marked bool // has a dark border
}

func (s Scatter) layout(f *fonts) figure {
	width := s.Width + 2*margin + 20
	h := f.head(s.Title, s.Note, width)
	if len(s.Points) == 0 {
		return nothing(h)
	}
	full := s.Groups
	if s.Foot != "" {
		full = append(slices.Clip(full), s.Foot)
	}
	names, _ := f.fitAll(full, mostLabel)
	height := max(s.Height, 120) // of the ground, for the axis's name
	left, top := margin+20, h.end+6
	spots, end := f.legend(names, width, top+height+46)
	return figure{h, width, end + 2, func(p *pen) {
		p.box(left, top, s.Width, height, panel)
		p.write(left+s.Width/2, top+height+16, s.XName, style{align: 0.5})
		p.write(margin+4, top+height/2, s.YName, style{align: 0.5, upward: true})
		for _, at := range s.Points {
			mark(p, left+at.X, top+(height-s.Height)/2+at.Y, at)
		}
		for i, at := range spots {
			if i < len(s.Groups) {
				mark(p, at.x, at.y, Point{Group: i})
			}
			p.write(at.x+legendText, at.y, names[i], style{ink: dark, hover: full[i]})
		}
	}}
}

// mark draws a point in its group's colour and shape: a circle, square, triangle or diamond.
func mark(p *pen, x, y float64, at Point) {
	corner := func(dx, dy float64) [2]float64 { return [2]float64{x + dx, y + dy} }
	var path vg.Path
	switch at.Group / 10 % 4 {
	case 0:
		path = p.circle(x, y, 4)
	case 1:
		path = p.polygon(corner(-3.6, -3.6), corner(3.6, -3.6), corner(3.6, 3.6), corner(-3.6, 3.6))
	case 2:
		path = p.polygon(corner(0, -4.6), corner(4.6, 3.4), corner(-4.6, 3.4))
	default:
		path = p.polygon(corner(0, -5), corner(5, 0), corner(0, 5), corner(-5, 0))
	}
	if !at.Marked {
		p.SetColor(category(at.Group).veil(0.75))
		p.Fill(path)
		return
	}
	p.SetColor(category(at.Group))
	p.Fill(path)
	p.SetColor(dark)
	p.SetLineWidth(1.6 * px)
	p.Stroke(path)
}
