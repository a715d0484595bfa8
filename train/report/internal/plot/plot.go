package plot

import (
	"bytes"
	"fmt"
	"html"
	"image/png"
	"regexp"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Chart is Lines, Bars, Matrix or Scatter.
type Chart interface {
	// layout measures the chart.
	layout(*fonts) figure
}

// figure is a chart laid out.
type figure struct {
	head
	width, height float64
	paint         func(*pen) // all but the head
}

// SVG draws a chart as an SVG document that needs nothing else.
func SVG(c Chart) ([]byte, error) {
	f, fig, err := measure(c)
	if err != nil {
		return nil, err
	}
	canvas := vgsvg.New(vg.Length(fig.width)*px, vg.Length(fig.height)*px)
	fig.draw(&pen{Canvas: canvas, fonts: f, hover: true})
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("plot: SVG: %w", err)
	}
	// Without the XML declaration it can stand in a page.
	_, svg, _ := bytes.Cut(b.Bytes(), []byte("<svg"))
	tag, rest, _ := bytes.Cut(svg, []byte(">"))
	rest = bytes.ReplaceAll(rest, []byte(`style="font-family:`+family+`;`), []byte(`style="font-family:`+families+`;`))
	hovered := regexp.MustCompile(">([^<]*)" + hoverMark + "([^<]*)</text>")
	rest = hovered.ReplaceAll(rest, []byte("><title>$2</title>$1</text>"))
	return fmt.Appendf(nil, "<svg%s>\n<title>%s</title>%s", tag, html.EscapeString(fig.title),
		bytes.TrimRight(rest, "\n")), nil
}

// hoverMark stands between a text and what a viewer shows when the pointer rests on it, which vg
// has no way to say; no other text has it.
const hoverMark = "\x01"

// mostPixels is the longest side of a PNG.
const mostPixels = 1 << 14

// PNG draws a chart with two pixels for each CSS pixel, fewer where a side would have more than
// 16,384.
func PNG(c Chart) ([]byte, error) {
	f, fig, err := measure(c)
	if err != nil {
		return nil, err
	}
	const perInch = 96
	canvas := vgimg.NewWith(vgimg.UseWH(vg.Length(fig.width)*px, vg.Length(fig.height)*px),
		vgimg.UseDPI(int(min(2*perInch, perInch*mostPixels/max(fig.width, fig.height)))))
	fig.draw(&pen{Canvas: canvas, fonts: f})
	var b bytes.Buffer
	if err := png.Encode(&b, canvas.Image()); err != nil {
		return nil, fmt.Errorf("plot: PNG: %w", err)
	}
	return b.Bytes(), nil
}

func measure(c Chart) (*fonts, figure, error) {
	f, err := loadFonts()
	if err != nil {
		return nil, figure{}, fmt.Errorf("plot: %w", err)
	}
	return f, c.layout(f), nil
}

func (fig *figure) draw(p *pen) {
	p.height = fig.height
	p.box(0, 0, fig.width, fig.height, white)
	p.write(margin, 22, fig.title, style{size: titleSize, ink: dark})
	for i, line := range fig.notes {
		p.write(margin, 46+noteStep*float64(i), line, style{})
	}
	fig.paint(p)
}

// Measures that the charts share.
const (
	margin    = 16.0
	titleSize = 17.0
	noteStep  = 17.0
	mostLabel = 190.0 // width of a label, cut beyond it
)

// head is what stands above a chart: its title and what there is to know.
type head struct {
	title string
	notes []string // lines
	end   float64  // where the chart may begin
}

func (f *fonts) head(title, note string, width float64) head {
	h := head{title: title, notes: f.wrap(note, width-2*margin)}
	h.end = 44 + noteStep*float64(len(h.notes))
	return h
}

// nothing is a chart that has no data.
func nothing(h head) figure {
	return figure{h, 400, h.end + 80, func(p *pen) {
		p.write(200, h.end+30, "Nothing to draw.", style{align: 0.5})
	}}
}

// spot is the middle of an entry's mark in a legend; its text begins beside it.
type spot struct{ x, y float64 }

const legendStep, legendText = 20.0, 15.0

// legend places entries from the left to the right in lines between two margins.
func (f *fonts) legend(names []string, width, y float64) (spots []spot, end float64) {
	x := margin + 8
	for _, name := range names {
		w := legendText + f.width(name, style{})
		if x+w > width-margin && x > margin+8 {
			x, y = margin+8, y+legendStep
		}
		spots = append(spots, spot{x, y})
		x += w + 24
	}
	return spots, y + legendStep
}
