package linalg

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// spd makes a well conditioned symmetric positive definite matrix, with NaN above the diagonal.
func spd[T Float](n, stride int) (Matrix[T], [][]float64) {
	rng := rand.New(rand.NewPCG(uint64(n), 3))
	half := make([]float64, n*(n+5))
	for i := range half {
		half[i] = rng.NormFloat64()
	}
	whole, m := make([][]float64, n), Matrix[T]{make([]T, n*stride), n, n, stride}
	for i := range n {
		whole[i] = make([]float64, n)
		for j := range n {
			for k := range n + 5 {
				whole[i][j] += half[i*(n+5)+k] * half[j*(n+5)+k] / float64(n)
			}
			if i == j {
				whole[i][j] += 0.5
			}
			if m.Data[i*stride+j] = T(whole[i][j]); j > i {
				m.Data[i*stride+j] = T(math.NaN())
			}
		}
	}
	return m, whole
}

func TestCholesky(t *testing.T) {
	for _, n := range []int{1, 5, cholBlock, cholBlock + 1, 2*cholBlock + 37} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			testCholesky[float32](t, n, 2e-4)
			testCholesky[float64](t, n, 1e-12)
		})
	}
}

// testCholesky multiplies what Solve returns by the matrix again.
func testCholesky[T Float](t *testing.T, n int, tol float64) {
	t.Helper()
	var first []T
	for _, threads := range []int{1, 3} {
		m, whole := spd[T](n, n+2)
		c, err := Factor(m, threads)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(9, 9))
		const rows = 3
		b := New(make([]T, rows*n), rows, n)
		for i := range b.Data {
			b.Data[i] = T(rng.NormFloat64())
		}
		want := slices.Clone(b.Data)
		if err := c.Solve(b); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b.Data
		}
		if !slices.Equal(first, b.Data) {
			t.Fatalf("%d threads give another solution", threads)
		}
		for i := range rows {
			for j := range n {
				sum := 0.0
				for k := range n {
					sum += float64(b.Data[i*n+k]) * whole[k][j]
				}
				if !(math.Abs(sum-float64(want[i*n+j])) <= tol) {
					t.Fatalf("row %d, column %d: the solution times the matrix is %g, want %g", i, j, sum, float64(want[i*n+j]))
				}
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	m, _ := spd[float64](5, 5)
	m.Data[24] = -1
	if _, err := Factor(m, 1); !errors.Is(err, ErrNotPositive) {
		t.Errorf("a matrix with a negative diagonal: got %v", err)
	}
	m.Data[24] = math.NaN()
	if _, err := Factor(m, 1); !errors.Is(err, ErrNotPositive) {
		t.Errorf("a matrix with a NaN: got %v", err)
	}
	if _, err := Factor(New(m.Data, 4, 6), 1); err == nil {
		t.Error("4 x 6: no error")
	}
	x := New(make([]float64, 6), 2, 3)
	for _, p := range []struct {
		c, a, b Matrix[float64]
		how     Product
	}{
		{New(make([]float64, 4), 2, 2), x, x, Product{}},
		{New(make([]float64, 3), 2, 2), x, x, Product{TransposeB: true}},
		{New(make([]float64, 4), 2, 2), x, Matrix[float64]{x.Data, 2, 3, 2}, Product{TransposeB: true}},
		{New(make([]float64, 4), 2, 2), Matrix[float64]{x.Data, -2, 3, 3}, x, Product{TransposeB: true}},
	} {
		if err := AddProduct(p.c, p.a, p.b, p.how); err == nil {
			t.Errorf("%+v: no error", p)
		}
	}
	good, _ := spd[float64](5, 5)
	c, err := Factor(good, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Solve(x); err == nil {
		t.Error("3 columns for 5: no error")
	}
	var none *Cholesky[float64]
	if err := none.Solve(x); err == nil {
		t.Error("no factor: no error")
	}
}
