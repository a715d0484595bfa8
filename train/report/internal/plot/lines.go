package plot

import (
	"math"
	"slices"
)

// Lines is a chart of lines over two axes. Positions are shares of the axes, 0..1 from the lower
// left corner.
type Lines struct {
	Title, Note  string
	XName, YName string
	XTicks       []Tick
	YTicks       []Tick
	Diagonal     bool // draws what would be ideal, dashed
	Series       []Series
}

// Tick is a place on an axis and what is written there.
type Tick struct {
	At   float64
	Text string
}

// Series is a line and its name in the legend.
type Series struct {
	Name   string
	Points [][2]float64 // x and y; one that is not finite breaks the line
	Radii  []float64    // of dots on the points, in pixels; nil for none
	Ink    Ink
}

const linesWidth, linesHeight = 640.0, 320.0 // of the whole, of the axes

func (l Lines) layout(f *fonts) figure {
	h := f.head(l.Title, l.Note, linesWidth)
	if len(l.Series) == 0 {
		return nothing(h)
	}
	var names []string
	for _, s := range l.Series {
		names = append(names, s.Name)
	}
	spots, top := f.legend(names, linesWidth, h.end+8)
	left := 0.0
	for _, t := range l.YTicks {
		left = max(left, f.width(t.Text, style{}))
	}
	left += margin + 30
	a := axes{left, top + 4, linesWidth - left - margin - 12, linesHeight}
	return figure{h, linesWidth, a.y + a.h + 62, func(p *pen) {
		l.grid(p, a)
		for _, s := range l.Series {
			s.draw(p, a)
		}
		for i, at := range spots {
			c := l.Series[i].Ink
			p.line(2, c, [2]float64{at.x - 8, at.y}, [2]float64{at.x + 8, at.y})
			if l.Series[i].Radii != nil {
				p.dot(at.x, at.y, 3.5, c)
			}
			p.write(at.x+legendText, at.y, names[i], style{ink: dark})
		}
	}}
}

// axes are where the shares 0..1 lie.
type axes struct{ x, y, w, h float64 }

func (a axes) at(share [2]float64) [2]float64 {
	return [2]float64{a.x + share[0]*a.w, a.y + (1-share[1])*a.h}
}

func (l Lines) grid(p *pen, a axes) {
	for _, t := range l.YTicks {
		from := a.at([2]float64{0, t.At})
		p.line(0.8, rule, from, a.at([2]float64{1, t.At}))
		p.write(from[0]-8, from[1], t.Text, style{align: 1})
	}
	for _, t := range l.XTicks {
		from := a.at([2]float64{t.At, 0})
		p.line(0.8, rule, from, a.at([2]float64{t.At, 1}))
		p.write(from[0], from[1]+14, t.Text, style{align: 0.5})
	}
	p.line(1, soft, a.at([2]float64{0, 1}), a.at([2]float64{0, 0}), a.at([2]float64{1, 0}))
	p.write(a.x+a.w/2, a.y+a.h+38, l.XName, style{align: 0.5})
	p.write(margin+6, a.y+a.h/2, l.YName, style{align: 0.5, upward: true})
	if l.Diagonal {
		p.dashed(1, soft, a.at([2]float64{0, 0}), a.at([2]float64{1, 1}))
	}
}

func (s Series) draw(p *pen, a axes) {
	var run [][2]float64
	for i, share := range append(slices.Clip(s.Points), [2]float64{math.NaN()}) { // which ends the last run
		if whole := !math.IsNaN(share[0]+share[1]) && !math.IsInf(share[0]+share[1], 0); whole {
			run = append(run, a.at(share))
			continue
		}
		if len(run) > 1 {
			p.line(2, s.Ink, run...)
		}
		for j, at := range run {
			if s.Radii != nil {
				p.dot(at[0], at[1], s.Radii[i-len(run)+j], s.Ink)
			}
		}
		run = nil
	}
}
