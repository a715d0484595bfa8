package report

import (
	"fmt"
	"math"
	"strings"
)

// chart is a line chart, in the units of its view box.
type chart struct {
	ID, Title, Desc  string
	XName, YName     string
	XTicks, YTicks   []tick
	Left, Top        float64 // of the plot
	Right, Bottom    float64
	Width, Height    float64
	Diagonal         bool
	Lines            []line
	Ranges           []rangeView // intervals
	MiddleX, MiddleY float64
}

type tick struct {
	At   float64
	Text string
}

type line struct {
	Name   string
	Class  string       // "a", "b" or a colour of the map
	Path   string       // of an SVG path
	Points [][2]float64 // its corners as shares of the plot, from the lower left
	Dots   []dotView
	Sample float64 // where the legend has it
}

// rangeView is an interval at a place of the x axis.
type rangeView struct{ X, Low, High float64 }

type dotView struct {
	X, Y, R float64
	Title   string
}

func newChart(id, title, desc, xName, yName string) chart {
	c := chart{ID: id, Title: title, Desc: desc, XName: xName, YName: yName, Left: 48, Top: 26, Right: 396, Bottom: 214,
		Width: 420, Height: 256}
	c.MiddleX, c.MiddleY = (c.Left+c.Right)/2, (c.Top+c.Bottom)/2
	return c
}

// x and y take shares of the plot to the view box.
func (c *chart) x(share float64) float64 { return c.Left + share*(c.Right-c.Left) }
func (c *chart) y(share float64) float64 { return c.Bottom - share*(c.Bottom-c.Top) }

// add draws a line through points given as shares of the plot; titles, if any, go with them as
// dots.
func (c *chart) add(name, class string, points [][2]float64, titles []string, sizes []float64) {
	l := line{Name: name, Class: class, Points: points, Sample: c.Left + float64(len(c.Lines))*120}
	var b strings.Builder
	for i, p := range points {
		command := "L"
		if i == 0 {
			command = "M"
		}
		fmt.Fprintf(&b, "%s%s %s", command, number(c.x(p[0])), number(c.y(p[1])))
		if titles != nil {
			d := dotView{X: c.x(p[0]), Y: c.y(p[1]), R: 3, Title: titles[i]}
			if sizes != nil {
				d.R = sizes[i]
			}
			l.Dots = append(l.Dots, d)
		}
	}
	l.Path = b.String()
	c.Lines = append(c.Lines, l)
}

// percentTicks puts six ticks from lo to 100 % on an axis.
func (c *chart) percentTicks(onX bool, lo float64) {
	for i := range 6 {
		share := float64(i) / 5
		text := fmt.Sprintf("%.0f %%", 100*(lo+(1-lo)*share))
		if onX {
			c.XTicks = append(c.XTicks, tick{c.x(share), text})
		} else {
			c.YTicks = append(c.YTicks, tick{c.y(share), text})
		}
	}
}

// niceStep returns 1, 2 or 5 times a power of ten, so that there are 4 to 9 steps to top.
func niceStep(top float64) float64 {
	if !(top > 0) || math.IsInf(top, 0) {
		return 1
	}
	step := math.Pow(10, math.Floor(math.Log10(top/4)))
	for _, f := range []float64{5, 2} {
		if top/(f*step) >= 4 {
			return f * step
		}
	}
	return step
}
