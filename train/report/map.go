package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/c236555e/rehead/dataset"
)

// Bounds on the map of pictures.
const (
	mostPoints = 1500
	mapColours = 10
	mapShapes  = 4
	mapWidth   = 640.0
	mapMargin  = 10.0
)

// mapView is the pictures on a plane, by their logits.
type mapView struct {
	Width, Height float64
	Points        []point
	Labels        []mapLabel
	Of            int // pictures, of which Points may be a part
	Axes          [2]axis
}

// axis is what a direction of the map means.
type axis struct {
	Name  string
	Share float64 // of what it is a share of, see Name; 0 where it is none
}

// Text is the axis in words.
func (a axis) Text() string {
	if a.Share == 0 {
		return a.Name
	}
	return fmt.Sprintf("%s, %s", a.Name, percent(a.Share))
}

type point struct {
	X, Y  float64
	Class string // colour, "seen" of training pictures, and "wrong"
	Shape int    // 0: circle, 1: square, 2: triangle, 3: diamond
	Title string
	Label int
	Wrong bool // taken for another label
}

// mapLabel is an entry of the legend.
type mapLabel struct {
	Name   string
	Class  string
	Shape  int
	Points int
	X, Y   float64 // the middle of its points, in the units of the axes
}

// pictureMap lays an even sample of the pictures out by their logits.
func (in *Input) pictureMap() mapView {
	pictures, labels := in.Pictures, in.Model.Labels
	n := len(in.Items)
	v := mapView{Of: n, Width: mapWidth}
	var at []int
	for j := range min(n, mostPoints) {
		at = append(at, j*n/min(n, mostPoints))
	}
	xy, axes := in.plane(at)
	v.Axes = axes
	place := v.frame(xy)
	v.Labels = make([]mapLabel, len(labels))
	for l, name := range labels {
		v.Labels[l] = mapLabel{Name: name, Class: fmt.Sprintf("k%d", l%mapColours), Shape: l / mapColours % mapShapes}
	}
	for j, i := range at {
		l := &v.Labels[in.Items[i].Label]
		l.Points++
		l.X += xy[j][0]
		l.Y += xy[j][1]
		p := point{Class: l.Class, Shape: l.Shape, Label: in.Items[i].Label, Title: pictures[i].Rel,
			Wrong: pictures[i].Label != pictures[i].Predicted}
		p.X, p.Y = place(xy[j])
		if in.Items[i].Split != dataset.Train {
			p.Title += " (" + pictures[i].Part + ")"
		} else {
			p.Class += " seen"
		}
		if p.Wrong {
			p.Class += " wrong"
			p.Title += ": " + pictures[i].Label + ", taken for " + pictures[i].Predicted
		}
		v.Points = append(v.Points, p)
	}
	for l := range v.Labels {
		if c := float64(v.Labels[l].Points); c > 0 {
			v.Labels[l].X /= c
			v.Labels[l].Y /= c
		}
	}
	// held-out pictures above those of the training, mistakes above all
	level := func(p point) int {
		switch {
		case p.Wrong:
			return 2
		case strings.HasSuffix(p.Class, " seen"):
			return 0
		}
		return 1
	}
	slices.SortStableFunc(v.Points, func(a, b point) int { return cmp.Compare(level(a), level(b)) })
	return v
}

// frame gives the map its height, for one scale on both axes, and returns where a point lies on it.
func (v *mapView) frame(xy [][2]float64) func(p [2]float64) (x, y float64) {
	lo, hi := [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{math.Inf(-1), math.Inf(-1)}
	for _, p := range xy {
		for d := range 2 {
			lo[d], hi[d] = min(lo[d], p[d]), max(hi[d], p[d])
		}
	}
	scale := (mapWidth - 2*mapMargin) / cmp.Or(max(hi[0]-lo[0], (hi[1]-lo[1])/1.1), 1)
	v.Height = 2*mapMargin + scale*(hi[1]-lo[1])
	used := mapMargin + (mapWidth-2*mapMargin-scale*(hi[0]-lo[0]))/2
	return func(p [2]float64) (x, y float64) {
		return used + scale*(p[0]-lo[0]), v.Height - mapMargin - scale*(p[1]-lo[1])
	}
}
