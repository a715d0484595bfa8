package plot

// Bars is rows of horizontal bars from 0 to 1.
type Bars struct {
	Title, Note string
	Names       []string // of a row's bars, in the legend
	Rows        []Row
	Foot        string // below the bars, if there is more to say
}

// Row is a label's bars.
type Row struct {
	Label string
	Bars  []Bar // none where nothing was measured
}

// Bar is a length, 0..1, and the number at its end.
type Bar struct {
	Share float64
	Text  string
}

const (
	barsWidth = 640.0
	barStep   = 13.0 // from bar to bar
	barThick  = 11.0
	rowGap    = 10.0
)

// barInk is the colour of a row's bars: Blue, green and gold, as the report has them.
func barInk(i int) Ink { return [...]Ink{Blue, green, Gold}[i%3] }

func (b Bars) layout(f *fonts) figure {
	h := f.head(b.Title, b.Note, barsWidth)
	if len(b.Rows) == 0 {
		return nothing(h)
	}
	var labels []string
	for _, r := range b.Rows {
		labels = append(labels, r.Label)
	}
	labels, widest := f.fitAll(labels, mostLabel)
	spots, top := f.legend(b.Names, barsWidth, h.end+8)
	top += 18
	rowStep := barStep*float64(len(b.Names)) + rowGap
	a := axes{margin + widest + 10, top, 0, rowStep * float64(len(b.Rows))}
	a.w = barsWidth - a.x - 68
	end := top + a.h + margin
	if b.Foot != "" {
		end += noteStep
	}
	return figure{h, barsWidth, end, func(p *pen) {
		for i, at := range spots {
			p.box(at.x-5, at.y-5, 10, 10, barInk(i))
			p.write(at.x+legendText, at.y, b.Names[i], style{ink: dark})
		}
		for i, text := range []string{"0 %", "25 %", "50 %", "75 %", "100 %"} {
			at := a.at([2]float64{float64(i) / 4, 1})
			p.write(at[0], at[1]-12, text, style{align: 0.5})
			p.line(0.8, rule, at, a.at([2]float64{float64(i) / 4, 0}))
		}
		for i, r := range b.Rows {
			r.draw(p, labels[i], axes{a.x, top + rowStep*float64(i) + rowGap/2, a.w, rowStep - rowGap})
		}
		p.write(margin, end-margin-2, b.Foot, style{})
	}}
}

// draw draws the row into its part of the axes.
func (r Row) draw(p *pen, label string, a axes) {
	p.write(a.x-10, a.y+a.h/2, label, style{ink: dark, align: 1, hover: r.Label})
	if len(r.Bars) == 0 {
		p.write(a.x+6, a.y+a.h/2, "not measured", style{})
	}
	for i, bar := range r.Bars {
		y, length := a.y+barStep*float64(i)+(barStep-barThick)/2, a.w*min(max(bar.Share, 0), 1)
		p.box(a.x, y, a.w, barThick, panel)
		p.box(a.x, y, length, barThick, barInk(i))
		p.write(a.x+length+5, y+barThick/2, bar.Text, style{size: 10.5})
	}
}
