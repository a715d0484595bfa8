package train

import (
	"cmp"
	"math"
	"slices"

	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/nn/linalg"
)

// everyFold is no fold: nothing is held out.
const everyFold = -1

// relevance returns the columns of some spans, the most relevant first, once for the pictures outside of
// each fold: by the squares of their weights in a ridge regression on the labels, of which g are the
// inner products.
func (c *choice) relevance(g []float64, spans []int, parts ...int) ([][]int, error) {
	n, k := len(c.ex.Labels), c.ex.Classes
	dual := make([]float32, len(parts)*k*n)
	for i, f := range parts {
		if err := c.regress(dual[i*k*n:(i+1)*k*n], g, f); err != nil {
			return nil, err
		}
	}
	weight := make([]float64, len(parts)*c.width)
	var columns []int
	for _, s := range spans {
		x := c.span(s)
		w := make([]float32, len(parts)*k*x.Cols)
		if err := linalg.AddProduct(linalg.New(w, len(parts)*k, x.Cols), linalg.New(dual, len(parts)*k, n), x,
			linalg.Product{Threads: c.threads}); err != nil {
			return nil, err
		}
		for i, v := range w {
			weight[i/(k*x.Cols)*c.width+c.spans[s].From+i%x.Cols] += float64(v) * float64(v)
		}
		for j := range x.Cols {
			columns = append(columns, c.spans[s].From+j)
		}
	}
	orders := make([][]int, len(parts))
	par.Do(c.threads, len(parts), func(i int) {
		orders[i] = slices.Clone(columns)
		of := weight[i*c.width:][:c.width]
		slices.SortStableFunc(orders[i], func(a, b int) int { return cmp.Compare(of[b], of[a]) })
	})
	return orders, nil
}

// regress writes the dual solution [K,n] of the ridge regression on the labels of the pictures outside of
// a fold, of which g are the inner products.
func (c *choice) regress(dual []float32, g []float64, fold int) error {
	n, k := len(c.ex.Labels), c.ex.Classes
	var in []int
	for i, f := range c.fold {
		if f != fold {
			in = append(in, i)
		}
	}
	m := len(in)
	a, y := make([]float64, m*m), make([]float64, k*m)
	trace := 0.0
	for i, p := range in {
		for j, q := range in[:i+1] {
			a[i*m+j] = g[p*n+q]
		}
		trace += g[p*n+p]
		for _, l := range c.labels(p) {
			y[l*m+i] = 1
		}
	}
	for i := range m {
		a[i*m+i] += ridge*trace/float64(m) + math.SmallestNonzeroFloat32
	}
	for row := range slices.Chunk(y, m) {
		mean := 0.0
		for _, v := range row {
			mean += v / float64(m)
		}
		for i := range row {
			row[i] -= mean
		}
	}
	factor, err := linalg.Factor(linalg.New(a, m, m), c.threads)
	if err != nil {
		return err
	}
	if err := factor.Solve(linalg.New(y, k, m)); err != nil {
		return err
	}
	for l := range k {
		for i, p := range in {
			dual[l*n+p] = float32(y[l*m+i])
		}
	}
	return nil
}

// labels are those of a picture.
func (c *choice) labels(i int) []int {
	if c.ex.MultiLabel != nil {
		return c.ex.MultiLabel[i]
	}
	return c.ex.Labels[i : i+1]
}
