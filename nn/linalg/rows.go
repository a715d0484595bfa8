package linalg

import (
	"errors"
	"fmt"

	"github.com/c236555e/rehead/nn/internal/gemm"
)

// Rows are rows [N,F] that are multiplied again and again: by weights from one side, by what
// was made of the products from the other. They are laid out once so that both products read them
// where they are. Their methods may be called concurrently, but for Set.
type Rows struct {
	of    *gemm.Rows
	rough bool // bfloat16
}

// NewRows makes n rows of f zeros, both at least 1.
func NewRows(n, f int) (*Rows, error) {
	if n < 1 || f < 1 {
		return nil, fmt.Errorf("linalg: rows: got %d x %d, want at least 1 x 1", n, f)
	}
	return &Rows{of: gemm.NewRows(n, f)}, nil
}

// NewBFloat16Rows is NewRows of rows that are rounded to bfloat16, in half the memory, as is all that they
// are multiplied by; sums are float32. Without the processor's help it takes longer than float32 does.
func NewBFloat16Rows(n, f int) (*Rows, error) {
	if n < 1 || f < 1 {
		return nil, fmt.Errorf("linalg: rows: got %d x %d, want at least 1 x 1", n, f)
	}
	return &Rows{gemm.NewPairs(n, f), true}, nil
}

// FastBFloat16 reports whether the processor multiplies rows of bfloat16 faster than those of float32.
func FastBFloat16() bool { return gemm.FastPairs() }

// Set makes row [F] row i.
func (r *Rows) Set(i int, row []float32) error {
	if err := r.has(i, i+1, len(row)); err != nil {
		return err
	}
	r.of.Set(i, row)
	return nil
}

// Get copies row i to row [F].
func (r *Rows) Get(row []float32, i int) error {
	if err := r.has(i, i+1, len(row)); err != nil {
		return err
	}
	r.of.Get(row, i)
	return nil
}

func (r *Rows) has(lo, hi, width int) error {
	if lo < 0 || hi < lo || hi > r.of.N || width != r.of.F {
		return fmt.Errorf("linalg: rows: got rows %d to %d of %d values, want them in %d rows of %d", lo, hi, width, r.of.N,
			r.of.F)
	}
	return nil
}

// Blocks calls do with the rows lo to hi-1, a block of features after the other: from feature k on. Rows of
// bfloat16 have none.
func (r *Rows) Blocks(lo, hi int, do func(k int, m Matrix[float32]) error) (err error) {
	if err := r.has(lo, hi, r.of.F); err != nil {
		return err
	}
	if r.rough {
		return errors.New("linalg: rows: blocks are of float32, got rows of bfloat16")
	}
	r.of.Blocks(lo, func(k, n int, v gemm.View[float32]) {
		if err == nil {
			err = do(k, Matrix[float32]{Data: v.Data, Rows: hi - lo, Cols: n, Stride: v.Row})
		}
	})
	return err
}

// Columns is the least distance between the rows of what Times writes for k lines of weights.
func (r *Rows) Columns(k int) int { return r.of.Columns(k) }

// Weights are lines of weights that Times multiplies by.
type Weights struct{ of *gemm.Weights }

// Pack lays out w [k,F] for Times, in the place of what to had.
func (r *Rows) Pack(to *Weights, w []float32, k, threads int) error {
	if k < 1 || len(w) != k*r.of.F {
		return fmt.Errorf("linalg: weights: got %d values for %d lines, want %d for each", len(w), k, r.of.F)
	}
	to.of = r.of.Pack(to.of, w, k, max(threads, 1))
	return nil
}

// Times writes the products of the rows lo to hi-1 and the transposed weights [k,F] to c [hi-lo,k],
// whose rows are ld apart, at least Columns(k); what lies between them is overwritten, too.
func (r *Rows) Times(c []float32, ld int, w *Weights, lo, hi int) error {
	if err := r.has(lo, hi, r.of.F); err != nil {
		return err
	}
	if w.of == nil || ld < r.Columns(w.of.K()) || len(c) < (hi-lo)*ld {
		return fmt.Errorf("linalg: product: got room for %d values, rows %d apart, want %d rows of the weights' lines",
			len(c), ld, hi-lo)
	}
	r.of.Times(c, ld, lo, hi, w.of)
	return nil
}

// Sum is a sum [k,F] of products of the transpose of something and rows.
type Sum struct {
	rows *Rows
	of   *gemm.Sum
	k    int
}

// NewSum makes a sum of k lines of zeros.
func (r *Rows) NewSum(k int) *Sum { return &Sum{r, r.of.NewSum(max(k, 1)), max(k, 1)} }

// Clear makes the sum zeros.
func (s *Sum) Clear() { s.of.Clear() }

// Add adds the product of the transpose of a [hi-lo,k], whose rows are ld apart, and the rows lo to
// hi-1, in float32.
func (s *Sum) Add(a []float32, ld, lo, hi int) error {
	if err := s.rows.has(lo, hi, s.rows.of.F); err != nil {
		return err
	}
	if ld < s.k || len(a) < (hi-lo)*ld {
		return fmt.Errorf("linalg: sum: got %d values, rows %d apart, want %d rows of %d", len(a), ld, hi-lo, s.k)
	}
	s.of.Add(a, ld, lo, hi)
	return nil
}

// AddTo adds the sum to g [k,F].
func (s *Sum) AddTo(g []float64, threads int) error {
	f := s.rows.of.F
	if len(g) != s.k*f {
		return fmt.Errorf("linalg: sum: got room for %d values, want %d", len(g), s.k*f)
	}
	s.of.AddTo(g, max(threads, 1))
	return nil
}
