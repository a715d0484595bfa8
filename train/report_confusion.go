package train

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
)

// Up to mostCells labels the confusion matrix is a table with numbers, up to mostHeat a picture.
const (
	mostCells = 25
	mostHeat  = 100
	mostPairs = 20
	mostNamed = 3000 // squares of the picture, if they are to have names
)

// confusionView shows what is taken for what.
type confusionView struct {
	Labels        []string
	Table         [][]cell    // [true][predicted], with few labels
	Heat          []heat      // with more, as a picture
	Rows, Columns []plotLabel // of the picture
	Left, Top     float64     // of its squares, which are heatCell wide
	Side          float64     // of all of them
	Pairs         []pair
	More          int // pairs that are not listed
}

// cell is a number with how dark it is.
type cell struct {
	Count     int
	Class     string // "hit" or "miss", and "dark"
	Style     template.CSS
	Predicted string
}

// heat is a square of the heat map.
type heat struct {
	X, Y    float64
	Class   string
	Opacity float64
	Title   string
}

type pair struct {
	Label, Predicted string
	Count            int
	Share            float64 // of the label's pictures
}

const heatCell = 12.0

// heatText is the width of the longest label of the picture, cut beyond it.
const heatText = 130.0

// Width and Height are the picture's.
func (v confusionView) Width() float64  { return v.Left + v.Side }
func (v confusionView) Height() float64 { return v.Top + v.Side }

// frame places the labels around the squares.
func (v *confusionView) frame() {
	widest := 0.0
	for _, name := range v.Labels {
		l, w := newPlotLabel(name, heatText)
		v.Rows, widest = append(v.Rows, l), max(widest, w)
	}
	v.Columns = slices.Clone(v.Rows)
	v.Left, v.Top, v.Side = widest+8, widest+8, heatCell*float64(len(v.Labels))
	for i := range v.Rows {
		middle := heatCell * (float64(i) + 0.5)
		v.Rows[i].X, v.Rows[i].Y = v.Left-5, v.Top+middle
		v.Columns[i].X, v.Columns[i].Y = v.Left+middle, v.Top-5
	}
}

func newConfusion(m *Metrics) confusionView {
	var v confusionView
	for _, c := range m.PerClass {
		v.Labels = append(v.Labels, c.Label)
	}
	if n := len(v.Labels); n > mostCells && n <= mostHeat {
		v.frame()
	}
	var pairs []pair
	for i, row := range m.Confusion {
		n := m.PerClass[i].Measured
		var cells []cell
		for j, count := range row {
			share := ratio(float64(count), n)
			if i != j && count > 0 {
				pairs = append(pairs, pair{v.Labels[i], v.Labels[j], count, share})
			}
			class := "miss"
			if i == j {
				class = "hit"
			}
			if len(v.Labels) <= mostCells {
				c := cell{Count: count, Class: class, Predicted: v.Labels[j], Style: template.CSS("--a:" + number(100*share) + "%")}
				switch {
				case count == 0:
					c.Class = "none"
				case share > 0.5:
					c.Class += " dark"
				}
				cells = append(cells, c)
			} else if len(v.Labels) <= mostHeat && count > 0 {
				v.Heat = append(v.Heat, heat{v.Left + heatCell*float64(j), v.Top + heatCell*float64(i), class, 0.25 + 0.75*share,
					fmt.Sprintf("%s taken for %s: %d of %d", v.Labels[i], v.Labels[j], count, n)})
			}
		}
		if cells != nil {
			v.Table = append(v.Table, cells)
		}
	}
	if len(v.Heat) > mostNamed {
		for i := range v.Heat {
			v.Heat[i].Title = ""
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(b.Share, a.Share))
	})
	v.Pairs = pairs[:min(len(pairs), mostPairs)]
	v.More = len(pairs) - len(v.Pairs)
	return v
}

// plotLabel is a text cut to a width, and all of it.
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
