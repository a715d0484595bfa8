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

// TestRows holds the products of rows to those of AddProduct, and what does not fit is refused.
func TestRows(t *testing.T) {
	const n, f, k = 50, 300, 7
	rng := rand.New(rand.NewPCG(4, 4))
	normal := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		return v
	}
	x, w := normal(n*f), normal(k*f)
	r, err := NewRows(n, f)
	for i := range n {
		err = errors.Join(err, r.Set(i, x[i*f:][:f]))
	}
	var packed Weights
	ld := r.Columns(k)
	c, s, sum := make([]float32, n*ld), r.NewSum(k), make([]float64, k*f)
	err = errors.Join(err, r.Pack(&packed, w, k, 2), r.Times(c, ld, &packed, 0, n), s.Add(c, ld, 0, n), s.AddTo(sum, 2))
	products, sums := New(make([]float64, n*k), n, k), New(make([]float64, k*f), k, f)
	err = errors.Join(err, r.Blocks(0, n, func(at int, m Matrix[float32]) error {
		return AddProduct(products, m, Matrix[float32]{w[at:], k, m.Cols, f}, Product{TransposeB: true})
	}), AddProduct(sums, Matrix[float32]{c, n, k, ld}, New(x, n, f), Product{TransposeA: true}))
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		for l := range k {
			if got, want := float64(c[i*ld+l]), products.Data[i*k+l]; !(math.Abs(got-want) <= 1e-4) {
				t.Fatalf("product %d, %d: got %g, want %g", i, l, got, want)
			}
		}
	}
	for i, want := range sums.Data {
		if !(math.Abs(sum[i]-want) <= 2e-3) {
			t.Fatalf("sum %d: got %g, want %g", i, sum[i], want)
		}
	}
	_, err = NewRows(0, 3)
	for i, err := range []error{
		err, r.Set(n, x[:f]), r.Set(0, x[:f-1]), r.Get(x[:f+1], 0), r.Pack(&packed, w[1:], k, 1),
		r.Times(c, ld, &packed, 1, n+1), r.Times(c, k-1, &packed, 0, n), r.Times(c[1:], ld, &packed, 0, n),
		r.Times(c, ld, &Weights{}, 0, n), s.Add(c, k-1, 0, n), s.Add(c[1:], ld, 0, n), s.Add(c, ld, -1, 4),
		s.AddTo(sum[1:], 1), r.Blocks(3, 2, nil),
	} {
		if err == nil {
			t.Errorf("call %d that does not fit: no error", i)
		}
	}
}

// TestBFloat16Rows: rows of bfloat16 are those of float32 rounded to 8 bits, and their blocks are refused.
func TestBFloat16Rows(t *testing.T) {
	r, err := NewBFloat16Rows(3, 5)
	row := []float32{1, -2.5, 1 + 1.0/256 + 1e-4, 1e-20, 3}
	err = errors.Join(err, r.Set(1, row))
	var packed Weights
	c := make([]float32, 3*r.Columns(1))
	err = errors.Join(err, r.Pack(&packed, []float32{2, 1, 0, 0, 1}, 1, 1), r.Times(c, r.Columns(1), &packed, 0, 3))
	got := make([]float32, 5)
	err = errors.Join(err, r.Get(got, 1))
	if err != nil {
		t.Fatal(err)
	}
	if got[0] != 1 || got[1] != -2.5 || got[2] != 1+1.0/128 || !(math.Abs(float64(got[3])-1e-20) <= 1e-20/256) || got[4] != 3 {
		t.Errorf("got %v of %v", got, row)
	}
	if c[r.Columns(1)] != 2.5 {
		t.Errorf("a product: got %g, want 2.5", c[r.Columns(1)])
	}
	if err := r.Blocks(0, 1, func(int, Matrix[float32]) error { return nil }); err == nil {
		t.Error("blocks of bfloat16: no error")
	}
	if _, err := NewBFloat16Rows(0, 3); err == nil {
		t.Error("no rows: no error")
	}
}
