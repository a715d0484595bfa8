package report

import (
	"context"
	"fmt"
	"strings"

	"github.com/c236555e/rehead/train/metrics"
	"github.com/c236555e/rehead/train/report/internal/plot"
)

// Plot is one of the report's charts as a file of its own: white ground, nothing else needed.
type Plot struct {
	Name string // of the file: loss.svg, accuracy.svg, reliability.svg, confusion.svg, labels.svg, map.svg
	SVG  []byte

	chart plot.Chart
}

// PNG draws the plot as pixels, two for each CSS pixel of the SVG (fewer where a side would have
// more than 16,384). Letters that are not Latin, Greek, Cyrillic or Hebrew are boxes. The same plot
// gives the same bytes.
func (p Plot) PNG() ([]byte, error) {
	return guarded("plot "+p.Name, func() ([]byte, error) { return plot.PNG(p.chart) })
}

// Plots draws the report's charts. A chart that the report does not have, such as the confusion
// matrix of more than a hundred labels or of pictures with several, or the solver's in an
// evaluation, is left out. The same input gives the same bytes.
func Plots(ctx context.Context, in *Input) ([]Plot, error) {
	return guarded("plots", func() ([]Plot, error) {
		if err := in.whole(); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("stopped: %w", context.Cause(ctx))
		}
		return in.plots()
	})
}

func (in *Input) plots() ([]Plot, error) {
	m := in.Metrics
	var charts []chart
	if in.Learning != nil {
		charts = in.learning().Charts
	}
	if c := in.calibration(); c.Chart != nil {
		charts = append(charts, *c.Chart)
	}
	var plots []Plot
	for _, c := range charts {
		plots = append(plots, Plot{Name: strings.TrimPrefix(c.ID, "chart-"), chart: plotLines(c)})
	}
	if m.MultiLabel == nil && len(m.PerClass) <= mostHeat {
		plots = append(plots, Plot{Name: "confusion", chart: plotConfusion(m)})
	}
	plots = append(plots, Plot{Name: "labels", chart: plotClasses(m)},
		Plot{Name: "map", chart: plotMap(in.pictureMap(), in.Model.Labels)})
	for i := range plots {
		p := &plots[i]
		var err error
		if p.SVG, err = plot.SVG(p.chart); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		p.Name += ".svg"
	}
	return plots, nil
}

func plotLines(c chart) plot.Lines {
	v := plot.Lines{Title: c.Title, Note: c.Desc, XName: c.XName, YName: c.YName, Diagonal: c.Diagonal}
	for _, t := range c.XTicks {
		v.XTicks = append(v.XTicks, plot.Tick{At: (t.At - c.Left) / (c.Right - c.Left), Text: t.Text})
	}
	for _, t := range c.YTicks {
		v.YTicks = append(v.YTicks, plot.Tick{At: (c.Bottom - t.At) / (c.Bottom - c.Top), Text: t.Text})
	}
	for _, l := range c.Lines {
		s := plot.Series{Name: l.Name, Points: l.Points, Ink: plot.Blue}
		if l.Class == "b" {
			s.Ink = plot.Gold
		}
		for _, d := range l.Dots {
			s.Radii = append(s.Radii, d.R)
		}
		v.Series = append(v.Series, s)
	}
	return v
}

// plotPart says which pictures a chart is about.
func plotPart(m *metrics.Metrics) string {
	if m.ConfusionPart == "all" {
		return "All pictures"
	}
	return "Pictures of the " + m.ConfusionPart + " part"
}

func plotConfusion(m *metrics.Metrics) plot.Matrix {
	v := plot.Matrix{Title: "Confusion matrix", Counts: m.Confusion,
		Note: plotPart(m) + "; the stronger a colour, the larger the share of its row."}
	for _, c := range m.PerClass {
		v.Labels, v.Totals = append(v.Labels, c.Label), append(v.Totals, c.Measured)
	}
	return v
}

func plotClasses(m *metrics.Metrics) plot.Bars {
	list := newClasses(m)
	v := plot.Bars{Title: "Precision, recall and F1", Note: plotPart(m) + ", the worst label first.",
		Names: []string{"precision", "recall", "F1"}}
	for _, c := range list.List {
		r := plot.Row{Label: c.Label}
		if c.Measured > 0 {
			for _, share := range []float64{c.Precision, c.Recall, c.F1} {
				r.Bars = append(r.Bars, plot.Bar{Share: share, Text: percent(share)})
			}
		}
		v.Rows = append(v.Rows, r)
	}
	if list.More > 0 {
		v.Foot = fmt.Sprintf("%d labels that fared better are not shown.", list.More)
	}
	return v
}

func plotMap(m mapView, labels []string) plot.Scatter {
	v := plot.Scatter{Title: "Map of the pictures", Width: m.Width, Height: m.Height,
		Groups: labels[:min(len(labels), mostHeat)], Note: "A mark for each picture, like pictures near each other.",
		XName: m.Axes[0].Text(), YName: m.Axes[1].Text()}
	for _, p := range m.Points {
		v.Points = append(v.Points, plot.Point{X: p.X, Y: p.Y, Group: p.Label, Marked: p.Wrong})
	}
	if len(m.Points) < m.Of {
		v.Note = fmt.Sprintf("An even sample of %d of the %d pictures, like pictures near each other.", len(m.Points), m.Of)
	}
	if more := len(labels) - len(v.Groups); more > 0 {
		v.Foot = fmt.Sprintf("and %d more", more)
	}
	v.Note += " Ringed pictures got a wrong answer."
	return v
}
