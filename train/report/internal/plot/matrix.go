package plot

import "fmt"

// Matrix is a confusion matrix: what is taken for what.
type Matrix struct {
	Title, Note string
	Labels      []string
	Counts      [][]int // [true][predicted]
	Totals      []int   // of each row's pictures
}

// mostZeros is up to how many labels cells are large, and empty ones have a zero.
const mostZeros = 25

func (m Matrix) layout(f *fonts) figure {
	n := len(m.Labels)
	if n == 0 {
		return nothing(f.head(m.Title, m.Note, 400))
	}
	labels, widest := f.fitAll(m.Labels, mostLabel)
	side := 15.0
	if n <= mostZeros {
		side = min(max(480/float64(n), 34), 72)
	}
	upward := widest > side-8
	size, left := side*float64(n), margin+24+widest+8
	width := max(left+size+margin, 440)
	h := f.head(m.Title, m.Note, width)
	top := h.end + 42
	if upward {
		top += widest - 6
	}
	return figure{h, width, top + size + 62, func(p *pen) {
		m.cells(p, left, top, side)
		p.write(left+size/2, h.end+10, "predicted label", style{align: 0.5})
		p.write(margin+6, top+size/2, "true label", style{align: 0.5, upward: true})
		for i, label := range labels {
			middle := side * (float64(i) + 0.5)
			s := style{ink: dark, align: 1, hover: m.Labels[i]}
			p.write(left-8, top+middle, label, s)
			if s.upward, s.align = upward, 0; upward {
				p.write(left+middle, top-8, label, s)
			} else {
				s.align = 0.5
				p.write(left+middle, top-12, label, s)
			}
		}
		ramp(p, margin, top+size+34, "right", hit)
		ramp(p, margin+210, top+size+34, "wrong", miss)
	}}
}

// hit and miss are the colours of a share of a label's pictures on the diagonal and beside it.
func hit(share float64) Ink  { return Blue.over(panel, share) }
func miss(share float64) Ink { return red.over(panel, 0.25+0.75*share) }

func (m Matrix) cells(p *pen, left, top, side float64) {
	n := float64(len(m.Labels))
	p.box(left, top, side*n, side*n, panel)
	for i := range m.Labels { // thin lines guide the eye where cells are small
		at := side * float64(i)
		p.line(1, white, [2]float64{left, top + at}, [2]float64{left + side*n, top + at})
		p.line(1, white, [2]float64{left + at, top}, [2]float64{left + at, top + side*n})
	}
	for i, row := range m.Counts {
		for j, count := range row {
			x, y := left+side*float64(j), top+side*float64(i)
			share, ground := float64(count)/float64(max(m.Totals[i], 1)), panel
			switch {
			case i == j:
				ground = hit(share)
			case count > 0:
				ground = miss(share)
			}
			if count > 0 {
				p.box(x+0.5, y+0.5, side-1, side-1, ground)
			}
			if count > 0 || len(m.Labels) <= mostZeros {
				m.number(p, x+side/2, y+side/2, side, i, j)
			}
		}
	}
}

// number writes a count so that it is read on its cell's ground, and no wider.
func (m Matrix) number(p *pen, x, y, side float64, row, column int) {
	count, total := m.Counts[row][column], m.Totals[row]
	text := fmt.Sprint(count)
	s := style{size: 13, ink: dark, align: 0.5,
		hover: fmt.Sprintf("%s taken for %s: %d of %d", m.Labels[row], m.Labels[column], count, total)}
	switch {
	case count == 0:
		s.ink = 0x8c959f
	case 2*count > total:
		s.ink = white
	}
	s.size = min(s.size, 0.6*side, s.size*0.8*side/p.width(text, s))
	p.write(x, y, text, s)
}

// ramp shows what a colour means, from none of a label's pictures to all of them.
func ramp(p *pen, x, y float64, name string, colour func(share float64) Ink) {
	p.write(x, y, name, style{ink: dark})
	p.write(x+66, y, "0 %", style{align: 1})
	const steps, step = 40, 2.0
	for i := range steps {
		p.box(x+72+step*float64(i), y-6, step+0.2, 12, colour(float64(i)/(steps-1)))
	}
	p.write(x+78+steps*step, y, "100 %", style{})
}
