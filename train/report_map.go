package train

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/c236555e/rehead/dataset"
)

// Bounds on the map of bottlenecks.
const (
	mostPoints = 1500
	mapColours = 10
	mapShapes  = 4
	mapWidth   = 640.0
	mapMargin  = 10.0
)

// mapView is the bottlenecks on a plane.
type mapView struct {
	Width, Height float64
	Points        []point
	Labels        []mapLabel
	Of            int        // pictures, of which Points may be a part
	Shares        [2]float64 // of the variance, of each axis
}

type point struct {
	X, Y  float64
	Class string // colour, and "held" or "wrong"
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

// bottleneckMap lays an even sample of the pictures out by their two principal components.
func (e *evidence) bottleneckMap(pictures []Picture, labels []string) mapView {
	n := len(e.items)
	v := mapView{Of: n, Width: mapWidth}
	var at []int
	for j := range min(n, mostPoints) {
		at = append(at, j*n/min(n, mostPoints))
	}
	rows := make([][]float32, len(at))
	for j, i := range at {
		rows[j] = e.rows[i]
	}
	xy, shares := principal(rows)
	v.Shares = shares
	lo, hi := [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{math.Inf(-1), math.Inf(-1)}
	for _, p := range xy {
		for d := range 2 {
			lo[d], hi[d] = min(lo[d], p[d]), max(hi[d], p[d])
		}
	}
	scale := (mapWidth - 2*mapMargin) / cmp.Or(max(hi[0]-lo[0], (hi[1]-lo[1])/1.1), 1) // one scale for both axes
	v.Height = 2*mapMargin + scale*(hi[1]-lo[1])
	used := mapMargin + (mapWidth-2*mapMargin-scale*(hi[0]-lo[0]))/2
	v.Labels = make([]mapLabel, len(labels))
	for l, name := range labels {
		v.Labels[l] = mapLabel{Name: name, Class: fmt.Sprintf("k%d", l%mapColours), Shape: l / mapColours % mapShapes}
	}
	for j, i := range at {
		l := &v.Labels[e.items[i].Label]
		l.Points++
		l.X += xy[j][0]
		l.Y += xy[j][1]
		p := point{X: used + scale*(xy[j][0]-lo[0]), Y: v.Height - mapMargin - scale*(xy[j][1]-lo[1]), Class: l.Class,
			Shape: l.Shape, Label: e.items[i].Label, Wrong: pictures[i].Label != pictures[i].Predicted}
		p.Title = pictures[i].Rel
		if e.items[i].Split != dataset.Train {
			p.Title += " (" + pictures[i].Part + ")"
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
	// mistakes on top
	slices.SortStableFunc(v.Points, func(a, b point) int { return cmp.Compare(len(a.Class), len(b.Class)) })
	return v
}

// How principal finds its directions: see Halko, Martinsson and Tropp, "Finding Structure with
// Randomness", 2011.
const (
	principalExtra  = 8  // directions beyond the two wanted
	principalRounds = 10 // of power iteration
)

// principal returns the first two principal components of the rows and their shares of the
// variance. The weight that is largest by magnitude is positive on each axis, so that the signs are
// always the same.
func principal(rows [][]float32) (xy [][2]float64, shares [2]float64) {
	n, f := len(rows), len(rows[0])
	xy = make([][2]float64, n)
	x := mat.NewDense(n, f, nil)
	mean := make([]float64, f)
	for _, row := range rows {
		for j, v := range row {
			mean[j] += float64(v) / float64(n)
		}
	}
	total := 0.0
	for i, row := range rows {
		to := x.RawRowView(i)
		for j, v := range row {
			to[j] = float64(v) - mean[j]
			total += to[j] * to[j]
		}
	}
	if !(total > 0) {
		return xy, shares
	}
	k := min(n, f, 2+principalExtra)
	rng := rand.New(rand.NewPCG(1, 2)) // where it starts does not matter, but has to be the same
	q := mat.NewDense(f, k, nil)
	for j := range f {
		for c := range k {
			q.Set(j, c, rng.NormFloat64())
		}
	}
	var y, back mat.Dense
	for range principalRounds {
		y.Mul(x, q)
		back.Mul(x.T(), &y)
		basis, ok := orthonormal(&back)
		if !ok {
			return xy, shares
		}
		q = basis
	}
	y.Mul(x, q) // [n,k]
	var svd mat.SVD
	if !svd.Factorize(&y, mat.SVDThin) {
		return xy, shares
	}
	var v, weights, at mat.Dense
	svd.VTo(&v)
	weights.Mul(q, &v) // [f,k]
	at.Mul(&y, &v)     // [n,k]
	values := svd.Values(nil)
	for d := range min(2, k) {
		shares[d] = values[d] * values[d] / total
		sign, most := 1.0, 0.0
		for j := range f {
			if w := weights.At(j, d); math.Abs(w) > most {
				most, sign = math.Abs(w), math.Copysign(1, w)
			}
		}
		for i := range n {
			xy[i][d] = sign * at.At(i, d)
		}
	}
	return xy, shares
}

// orthonormal returns an orthonormal basis that spans the columns.
func orthonormal(a *mat.Dense) (*mat.Dense, bool) {
	var svd mat.SVD
	if !svd.Factorize(a, mat.SVDThin) {
		return nil, false
	}
	var u mat.Dense
	svd.UTo(&u)
	return &u, true
}
