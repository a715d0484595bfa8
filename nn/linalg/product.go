package linalg

import (
	"fmt"

	"github.com/c236555e/rehead/nn/internal/gemm"
)

// Float is the type of values.
type Float interface{ float32 | float64 }

// Matrix is a row-major view: value i,j is Data[i*Stride+j].
type Matrix[T Float] struct {
	Data               []T
	Rows, Cols, Stride int
}

// New is the view of all of data, rows by cols.
func New[T Float](data []T, rows, cols int) Matrix[T] { return Matrix[T]{data, rows, cols, cols} }

// part is the view of rows by cols values from i,j on.
func (m Matrix[T]) part(i, j, rows, cols int) Matrix[T] {
	return Matrix[T]{m.Data[min(i*m.Stride+j, len(m.Data)):], rows, cols, m.Stride}
}

// check asks that the values are there.
func (m Matrix[T]) check(name string) error {
	if m.Rows < 0 || m.Cols < 0 || m.Stride < m.Cols {
		return fmt.Errorf("linalg: %s: got %d x %d values, rows %d apart, want none of them negative and rows at "+
			"least %d apart", name, m.Rows, m.Cols, m.Stride, m.Cols)
	}
	if m.Rows > 0 && (m.Rows-1)*m.Stride+m.Cols > len(m.Data) {
		return fmt.Errorf("linalg: %s: got %d values, want %d for %d x %d, rows %d apart", name, len(m.Data),
			(m.Rows-1)*m.Stride+m.Cols, m.Rows, m.Cols, m.Stride)
	}
	return nil
}

// Product says how AddProduct multiplies.
type Product struct {
	TransposeA, TransposeB bool
	Minus                  bool // subtract the product
	Lower                  bool // only values on and below the diagonal of c are asked for; others may be changed
	Threads                int  // goroutines; less than 2 means one; changes no bit of the result
}

// AddProduct adds to c [M,N] the product of a [M,K] and b [K,N], each of which may be the transpose
// of what is given. c must not overlap the others. The error says which sizes do not fit.
func AddProduct[T, A, B Float](c Matrix[T], a Matrix[A], b Matrix[B], p Product) error {
	for _, err := range []error{c.check("c"), a.check("a"), b.check("b")} {
		if err != nil {
			return err
		}
	}
	m, k := a.Rows, a.Cols
	left := gemm.View[A]{Data: a.Data, Row: a.Stride, Col: 1}
	if p.TransposeA {
		m, k, left = k, m, left.Transposed()
	}
	inner, n := b.Rows, b.Cols
	right := gemm.View[B]{Data: b.Data, Row: b.Stride, Col: 1}
	if p.TransposeB {
		inner, n, right = n, inner, right.Transposed()
	}
	if m != c.Rows || n != c.Cols || k != inner {
		return fmt.Errorf("linalg: product: got %d x %d and %d x %d, want a result of %d x %d", m, k, inner, n, c.Rows,
			c.Cols)
	}
	gemm.Block[T, A, B]{
		Size: gemm.Size{M: m, N: n, K: k}, C: gemm.View[T]{Data: c.Data, Row: c.Stride, Col: 1}, A: left, B: right,
		Minus: p.Minus, Lower: p.Lower, Threads: max(p.Threads, 1),
	}.Run()
	return nil
}
