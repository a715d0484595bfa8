package linalg

import (
	"errors"
	"fmt"
	"math"
)

// cholBlock is how many rows of a factor are computed at once, outside of products.
const cholBlock = 96

// Cholesky is the factorisation A = L * transposed(L) of a symmetric positive definite matrix [n,n]:
// Golub and Van Loan, "Matrix Computations", 2013, section 4.2.
type Cholesky[T Float] struct {
	l       Matrix[T]
	inverse []Matrix[T] // of the blocks on l's diagonal
	threads int
}

// ErrNotPositive says that a matrix is not positive definite, or not in the precision of its type.
var ErrNotPositive = errors.New("linalg: the matrix is not positive definite")

// Factor factorises a, of which it reads only what is on and below the diagonal and where it leaves
// L; a belongs to the result from then on. threads is of this and of later calls and changes no bit.
// The error is ErrNotPositive, or says that a is not square.
func Factor[T Float](a Matrix[T], threads int) (*Cholesky[T], error) {
	if err := a.check("a"); err != nil {
		return nil, err
	}
	if a.Rows != a.Cols {
		return nil, fmt.Errorf("linalg: factor: got %d x %d values, want a square matrix", a.Rows, a.Cols)
	}
	c, n := &Cholesky[T]{l: a, threads: threads}, a.Rows
	for j := 0; j < n; j += cholBlock {
		width := min(cholBlock, n-j)
		block := a.part(j, j, width, width)
		inverse, ok := factorBlock(block)
		if !ok {
			return nil, ErrNotPositive
		}
		c.inverse = append(c.inverse, inverse)
		rest := n - j - width
		if rest == 0 {
			break
		}
		below := a.part(j+width, j, rest, width)
		if err := times(below, inverse, Product{TransposeB: true, Threads: threads}); err != nil {
			return nil, err
		}
		if err := AddProduct(a.part(j+width, j+width, rest, rest), below, below,
			Product{TransposeB: true, Minus: true, Lower: true, Threads: threads}); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// times replaces m by its product with b, which is square.
func times[T Float](m, b Matrix[T], p Product) error {
	old := New(make([]T, m.Rows*m.Cols), m.Rows, m.Cols)
	for i := range m.Rows {
		row := m.Data[i*m.Stride:][:m.Cols]
		copy(old.Data[i*m.Cols:], row)
		clear(row)
	}
	return AddProduct(m, old, b, p)
}

// factorBlock factorises a small matrix in place, with sums in float64, and returns the inverse of
// its factor.
func factorBlock[T Float](a Matrix[T]) (inverse Matrix[T], ok bool) {
	n := a.Rows
	l, inv := make([]float64, n*n), make([]float64, n*n)
	for i := range n {
		for j := range i + 1 {
			sum := float64(a.Data[i*a.Stride+j])
			for k, v := range l[j*n : j*n+j] {
				sum -= l[i*n+k] * v
			}
			if i > j {
				l[i*n+j] = sum / l[j*n+j]
				continue
			}
			if l[i*n+i] = math.Sqrt(sum); !(sum > 0) || math.IsInf(sum, 0) {
				return Matrix[T]{}, false
			}
		}
	}
	for i := range n { // row i of the inverse follows from those above it
		inv[i*n+i] = 1 / l[i*n+i]
		for j := range i {
			sum := 0.0
			for k := j; k < i; k++ {
				sum += l[i*n+k] * inv[k*n+j]
			}
			inv[i*n+j] = -sum / l[i*n+i]
		}
	}
	inverse = New(make([]T, n*n), n, n)
	for i := range n {
		for j := range i + 1 {
			a.Data[i*a.Stride+j], inverse.Data[i*n+j] = T(l[i*n+j]), T(inv[i*n+j])
		}
	}
	return inverse, true
}

// Solve replaces b [m,n] by b * inverse(A). The error says that b is not n wide.
func (c *Cholesky[T]) Solve(b Matrix[T]) error {
	if err := c.SolveUpper(b); err != nil {
		return err
	}
	return c.SolveLower(b)
}

// SolveUpper replaces b [m,n] by b * inverse(transposed(L)).
func (c *Cholesky[T]) SolveUpper(b Matrix[T]) error {
	if err := c.fits(b); err != nil {
		return err
	}
	for i, inverse := range c.inverse {
		j := i * cholBlock
		end := j + inverse.Rows
		at := b.part(0, j, b.Rows, inverse.Rows)
		if err := times(at, inverse, Product{TransposeB: true, Threads: c.threads}); err != nil {
			return err
		}
		if rest := c.l.Rows - end; rest > 0 {
			if err := AddProduct(b.part(0, end, b.Rows, rest), at, c.l.part(end, j, rest, inverse.Rows),
				Product{TransposeB: true, Minus: true, Threads: c.threads}); err != nil {
				return err
			}
		}
	}
	return nil
}

// SolveLower replaces b [m,n] by b * inverse(L).
func (c *Cholesky[T]) SolveLower(b Matrix[T]) error {
	if err := c.fits(b); err != nil {
		return err
	}
	for i := len(c.inverse) - 1; i >= 0; i-- {
		j, inverse := i*cholBlock, c.inverse[i]
		at := b.part(0, j, b.Rows, inverse.Rows)
		if err := times(at, inverse, Product{Threads: c.threads}); err != nil {
			return err
		}
		if j > 0 {
			if err := AddProduct(b.part(0, 0, b.Rows, j), at, c.l.part(j, 0, inverse.Rows, j),
				Product{Minus: true, Threads: c.threads}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Cholesky[T]) fits(b Matrix[T]) error {
	if err := b.check("b"); err != nil {
		return err
	}
	if c == nil || b.Cols != c.l.Rows {
		return fmt.Errorf("linalg: solve: got %d columns, want as many as the factorised matrix has", b.Cols)
	}
	return nil
}
