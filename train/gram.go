package train

import (
	"errors"
	"math"
	"slices"

	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/nn/linalg"
)

// scaleSpan centres the values from lo to hi-1 of all rows [n,width], divides each by the root of its
// standard deviation, as head.ScaleHalf does, and all by what makes their mean variance 1.
func scaleSpan(x []float32, width, lo, hi int) {
	n := float64(len(x) / width)
	mean, deviation := make([]float64, hi-lo), make([]float64, hi-lo)
	for row := range slices.Chunk(x, width) {
		for j, v := range row[lo:hi] {
			mean[j] += float64(v) / n
		}
	}
	for row := range slices.Chunk(x, width) {
		for j, v := range row[lo:hi] {
			d := float64(v) - mean[j]
			deviation[j] += d * d / n
		}
	}
	total := 0.0
	for j, v := range deviation {
		deviation[j] = math.Sqrt(v)
		total += deviation[j]
	}
	for row := range slices.Chunk(x, width) {
		for j, v := range row[lo:hi] {
			row[lo+j] = 0
			if d := deviation[j]; d > constantFeature*math.Abs(mean[j]) {
				row[lo+j] = float32((float64(v) - mean[j]) / math.Sqrt(d*total/float64(hi-lo)))
			}
		}
	}
}

// constantFeature is the part of its mean below which a value's deviation is the rounding of float16.
const constantFeature = 1e-4

// span is the part of the matrix that one span is.
func (c *choice) span(s int) linalg.Matrix[float32] {
	return linalg.Matrix[float32]{Data: c.x[c.spans[s].From:], Rows: len(c.ex.Labels),
		Cols: c.spans[s].To - c.spans[s].From, Stride: c.width}
}

// gram adds the inner products of the rows in a span to g [n,n], on and below the diagonal.
func (c *choice) gram(g []float64, s int) (err error) {
	if c.grams[s] == nil {
		if c.grams[s], err = c.products(c.span(s)); err != nil {
			return err
		}
	}
	addWide(g, c.grams[s])
	return nil
}

// products returns the inner products [n,n] of rows, on and below the diagonal: in float32, which tells
// candidates apart.
func (c *choice) products(x linalg.Matrix[float32]) ([]float32, error) {
	n := x.Rows
	g := make([]float32, n*n)
	return g, linalg.AddProduct(linalg.New(g, n, n), x, x, linalg.Product{TransposeB: true, Lower: true,
		Threads: c.threads})
}

// addWide adds b to a.
func addWide(a []float64, b []float32) {
	for i, v := range b {
		a[i] += float64(v)
	}
}

// gramOf returns the inner products [n,n] of the rows in some columns.
func (c *choice) gramOf(columns []int) ([]float32, error) {
	n := len(c.ex.Labels)
	columns = slices.Sorted(slices.Values(columns))
	x := make([]float32, n*len(columns))
	par.Do(c.threads, n, func(i int) {
		row, from := x[i*len(columns):(i+1)*len(columns)], c.x[i*c.width:(i+1)*c.width]
		for j, col := range columns {
			row[j] = from[col]
		}
	})
	return c.products(linalg.New(x, n, len(columns)))
}

// factorRows returns rows whose inner products are g [n,n], of which what is on and below the
// diagonal counts: those of its Cholesky factor, scaled to the length that so many values of
// variance 1 have.
func factorRows(g []float64, n, values, threads int) ([][]float32, error) {
	trace := 0.0
	for i := range n {
		trace += g[i*n+i]
	}
	if trace == 0 {
		trace = 1 // nothing varies
	}
	scale := float64(n) * float64(values) / trace
	for i := range g {
		g[i] *= scale
	}
	factor := make([]float64, n*n)
	for added := 1e-6 * float64(values); ; added *= 10 {
		copy(factor, g)
		for i := range n { // rows of equal pictures, and more of them than values, are dependent
			factor[i*n+i] += added
		}
		_, err := linalg.Factor(linalg.New(factor, n, n), threads)
		if err == nil {
			break
		}
		if !errors.Is(err, linalg.ErrNotPositive) || added > float64(n*values) {
			return nil, err
		}
	}
	rows := make([][]float32, n)
	for i := range rows {
		rows[i] = make([]float32, n)
		for j, v := range factor[i*n : i*n+i+1] {
			rows[i][j] = float32(v)
		}
	}
	return rows, nil
}
