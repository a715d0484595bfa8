package train

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"strings"
	"unicode/utf8"

	"github.com/c236555e/rehead/internal/draw/svg"
)

// Plot is one of the report's charts as an SVG file of its own: white ground, its own styles,
// nothing else needed.
type Plot struct {
	Name string // of the file: loss.svg, accuracy.svg, reliability.svg, confusion.svg, labels.svg, map.svg
	SVG  []byte
}

// PNG draws the plot as pixels, two for each of the SVG's units (fewer where a side would have more
// than 16,384). Letters that are not Latin, Greek or Cyrillic are boxes. The same plot gives the
// same bytes.
func (p Plot) PNG() ([]byte, error) {
	img, err := svg.Draw(p.SVG, 2)
	if err != nil {
		return nil, fmt.Errorf("train: plot %s: %w", p.Name, err)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return nil, fmt.Errorf("train: plot %s: %w", p.Name, err)
	}
	return b.Bytes(), nil
}

// Sizes in plots, in the units of their view boxes.
const (
	plotTitle  = 34.0  // height of the title
	plotMargin = 12.0  //
	plotText   = 190.0 // widest label, cut beyond it
	plotBar    = 320.0 // length of 100 %
	plotLegend = 160.0 // width of a legend's column
)

// Plots draws the report's charts. A chart that the report does not have, such as the confusion
// matrix of more than a hundred labels or of pictures with several, is left out. The same run gives
// the same bytes. The result must come from Run.
func (r *Result) Plots(ctx context.Context) ([]Plot, error) {
	return guarded("plots", func() ([]Plot, error) {
		if err := r.whole(); err != nil {
			return nil, err
		}
		v, err := r.evidence.learning(ctx, r.Fit, r.Metrics.Classes)
		if err != nil {
			return nil, err
		}
		return r.evidence.plots(&r.Metrics, r.Pictures, r.Model.Labels, v.Charts)
	})
}

// plots draws the given charts and those that a training and an evaluation have in common.
func (e *evidence) plots(m *Metrics, pictures []Picture, labels []string, charts []chart) (plots []Plot, err error) {
	if c := e.calibration(m); c.Chart != nil {
		charts = append(charts, *c.Chart)
	}
	for _, c := range charts {
		p := plotFrame{Title: c.Title, Width: c.Width + 2*plotMargin, Height: c.Height + plotTitle + plotMargin}
		if plots, err = drawPlot(plots, strings.TrimPrefix(c.ID, "chart-"), plotChart{p, c}); err != nil {
			return nil, err
		}
	}
	if m.MultiLabel == nil && len(m.PerClass) <= mostHeat {
		if plots, err = drawPlot(plots, "confusion", newConfusionPlot(m)); err != nil {
			return nil, err
		}
	}
	if plots, err = drawPlot(plots, "labels", newClassPlot(m)); err != nil {
		return nil, err
	}
	return drawPlot(plots, "map", newMapPlot(e.bottleneckMap(pictures, labels)))
}

// drawPlot adds the plot that the template plot-NAME makes of v, or plot-chart where there is none
// of that name.
func drawPlot(plots []Plot, name string, v any) ([]Plot, error) {
	t := reportTemplate.Lookup("plot-" + name)
	if t == nil {
		t = reportTemplate.Lookup("plot-chart")
	}
	var b bytes.Buffer
	if err := t.Execute(&b, v); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return append(plots, Plot{name + ".svg", bytes.Map(xmlRune, bytes.TrimSpace(b.Bytes()))}), nil
}

// xmlRune replaces what must not be in XML, which file names may have.
func xmlRune(r rune) rune {
	if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
		return utf8.RuneError
	}
	return r
}

// plotFrame is what every plot has.
type plotFrame struct {
	Title         string
	Width, Height float64
}

type plotChart struct {
	plotFrame
	Chart chart
}

// plotLabel is a text of at most plotText, and all of it.
type plotLabel struct {
	Text, All string
	X, Y      float64
}

// newPlotLabel cuts a text to a width, as wide as its characters are about.
func newPlotLabel(text string, width float64) (plotLabel, float64) {
	used := 0.0
	for i, r := range text {
		w := 6.8
		if r >= 0x1100 {
			w = 12.5
		}
		if used+w > width {
			return plotLabel{Text: text[:i] + "…", All: text}, width
		}
		used += w
	}
	return plotLabel{Text: text, All: text}, used
}

// plotLabels are the labels' texts and the width of the widest.
func plotLabels(m *Metrics) (labels []plotLabel, widest float64) {
	for _, c := range m.PerClass {
		l, w := newPlotLabel(c.Label, plotText)
		labels, widest = append(labels, l), max(widest, w+8)
	}
	return labels, widest
}

// confusionPlot is the confusion matrix: with numbers up to mostCells labels.
type confusionPlot struct {
	plotFrame
	Rows, Columns []plotLabel
	Cells         []plotCell
	Side          float64 // of a cell
	Left, Top     float64 // of the cells
	Size          float64 // of all cells
	Part          string
}

type plotCell struct {
	X, Y    float64 // of the cell's corner
	MX, MY  float64 // of its middle
	Class   string
	Opacity float64
	Dark    bool
	Count   int
	Number  bool
	Title   string
}

func newConfusionPlot(m *Metrics) confusionPlot {
	rows, widest := plotLabels(m)
	n := len(rows)
	v := confusionPlot{Side: 34, Rows: rows, Columns: append([]plotLabel(nil), rows...), Part: m.ConfusionPart}
	if n > mostCells {
		v.Side = 14
	}
	v.Left = max(plotMargin+widest+16, 90)
	v.Top = plotTitle + widest + 24
	v.Size = v.Side * float64(n)
	v.plotFrame = plotFrame{"Confusion matrix", max(v.Left+v.Size+plotMargin, 300), v.Top + v.Size + plotMargin}
	for i, row := range m.Confusion {
		y := v.Top + v.Side*float64(i)
		v.Rows[i].X, v.Rows[i].Y = v.Left-6, y+v.Side/2
		v.Columns[i].X, v.Columns[i].Y = v.Left+v.Side*(float64(i)+0.5), v.Top-6
		for j, count := range row {
			share := ratio(float64(count), m.PerClass[i].Measured)
			c := plotCell{X: v.Left + v.Side*float64(j), Y: y, Class: "miss", Opacity: share, Count: count,
				Number: n <= mostCells, Dark: share > 0.5,
				Title: fmt.Sprintf("%s taken for %s: %d of %d", m.PerClass[i].Label, m.PerClass[j].Label, count,
					m.PerClass[i].Measured)}
			c.MX, c.MY = c.X+v.Side/2, c.Y+v.Side/2
			switch {
			case i == j:
				c.Class = "hit"
			case count > 0:
				c.Opacity = 0.25 + 0.75*share
				c.Dark = c.Opacity > 0.5
			}
			if count > 0 || c.Number {
				v.Cells = append(v.Cells, c)
			}
		}
	}
	return v
}

// classPlot is bars for each label, the worst first.
type classPlot struct {
	plotFrame
	Left float64
	Rows []plotClass
	More int
	Part string
}

type plotClass struct {
	Label plotLabel
	Bars  []plotBarView // none where nothing was measured
}

type plotBarView struct {
	Class         string
	Y, MY         float64
	Length, TextX float64
	Share         float64
}

func newClassPlot(m *Metrics) classPlot {
	_, widest := plotLabels(m)
	list := newClasses(m)
	v := classPlot{Left: plotMargin + widest, More: list.More, Part: m.ConfusionPart}
	y := plotTitle + 30
	for _, c := range list.List {
		row := plotClass{}
		row.Label, _ = newPlotLabel(c.Label, plotText)
		row.Label.X, row.Label.Y = v.Left-6, y+18
		if c.Measured > 0 {
			for i, share := range []float64{c.Precision, c.Recall, c.F1} {
				at := y + 12*float64(i)
				row.Bars = append(row.Bars, plotBarView{"prf"[i : i+1], at, at + 6, plotBar * share, v.Left + plotBar*share + 4,
					share})
			}
		}
		v.Rows = append(v.Rows, row)
		y += 46
	}
	if v.More > 0 {
		y += 18
	}
	v.plotFrame = plotFrame{"Precision, recall and F1", v.Left + plotBar + 60, y}
	return v
}

// mapPlot is the map with its legend below it.
type mapPlot struct {
	plotFrame
	Map    mapView
	Top    float64
	Legend []plotEntry
}

type plotEntry struct {
	Mark point
	Text plotLabel
}

func newMapPlot(m mapView) mapPlot {
	v := mapPlot{Map: m, Top: plotTitle}
	columns := int(m.Width / plotLegend)
	top := plotTitle + m.Height + 20
	place := func(i int) (x, y float64) {
		return plotMargin + 6 + plotLegend*float64(i%columns), top + 20*float64(i/columns)
	}
	add := func(l mapLabel, text string) {
		x, y := place(len(v.Legend))
		e := plotEntry{Mark: point{X: x, Y: y, Class: l.Class, Shape: l.Shape, Title: text}}
		e.Text, _ = newPlotLabel(text, plotLegend-30)
		e.Text.X, e.Text.Y = x+10, y
		v.Legend = append(v.Legend, e)
	}
	for _, l := range m.Labels[:min(len(m.Labels), mostHeat)] {
		add(l, l.Name)
	}
	if more := len(m.Labels) - len(v.Legend); more > 0 {
		add(mapLabel{Class: "none"}, fmt.Sprintf("and %d more", more))
	}
	_, last := place(max(len(v.Legend)-1, 0))
	v.plotFrame = plotFrame{"Map of the bottlenecks", m.Width + 2*plotMargin, last + 20}
	return v
}
