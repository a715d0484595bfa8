package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
)

// TestRows holds both products to plain sums in float64, for every tile, at sizes on both sides of
// its own, with what is beyond a result's end kept.
func TestRows(t *testing.T) {
	tiles := append([]format{{mr: 4, nr: 4}}, formats()...)
	for _, f := range tiles[:len(tiles)-1] { // but for plain, whose place the first takes
		for _, size := range []struct{ n, f, k, lo, hi int }{
			{1, 1, 1, 0, 1}, {13, 5, 2, 3, 13}, {40, 300, 17, 0, 37}, {300, 257, 33, 7, 290}, {530, 515, 40, 0, 530},
		} {
			t.Run(fmt.Sprintf("%dx%d/%v", f.mr, f.nr, size), func(t *testing.T) {
				testRows(t, f, size.n, size.f, size.k, [2]int{size.lo, size.hi})
			})
		}
	}
}

func testRows(t *testing.T, f format, n, features, k int, part [2]int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(n), uint64(k)))
	normal := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		return v
	}
	r := NewRows(n, features)
	if f != r.format {
		r.format = f
	}
	x, w, lo, hi := normal(n*features), normal(k*features), part[0], part[1]
	back := make([]float32, features)
	for i := range n {
		r.Set(i, x[i*features:][:features])
		r.Get(back, i)
		for j, v := range back {
			if v != x[i*features+j] {
				t.Fatalf("row %d, value %d: got %g, want %g", i, j, v, x[i*features+j])
			}
		}
	}
	ld := r.Columns(k) + 3
	c := normal((hi-lo)*ld + 1)
	last := c[len(c)-1]
	for range 2 {
		r.Times(c, ld, lo, hi, r.Pack(nil, w, k, 2))
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if !(math.Abs(got-want) <= 1e-6*float64(features+n)) {
			t.Fatalf("%s: got %g, want %g", what, got, want)
		}
	}
	for i := lo; i < hi; i++ {
		for l := range k {
			sum := 0.0
			for j := range features {
				sum += float64(x[i*features+j]) * float64(w[l*features+j])
			}
			near(fmt.Sprintf("product %d, %d", i, l), float64(c[(i-lo)*ld+l]), sum)
		}
	}
	if c[len(c)-1] != last {
		t.Error("what lies after the result was changed")
	}
	s, g := r.NewSum(k), make([]float64, k*features)
	for range 2 { // the second time begins anew and is added
		s.Clear()
		s.Add(c, ld, lo, hi)
		s.AddTo(g, 2)
	}
	for l := range k {
		for j := range features {
			sum := 0.0
			for i := lo; i < hi; i++ {
				sum += 2 * float64(c[(i-lo)*ld+l]) * float64(x[i*features+j])
			}
			near(fmt.Sprintf("sum %d, %d", l, j), g[l*features+j]/20, sum/20)
		}
	}
}

// TestPairs holds both products of bfloat16 to those of float32 of the same values, for both tiles, and
// wants the same bits of both.
func TestPairs(t *testing.T) {
	for _, size := range []struct{ n, f, k, lo, hi int }{
		{1, 1, 1, 0, 1}, {13, 5, 2, 3, 13}, {40, 601, 17, 0, 37}, {300, 515, 33, 7, 290}, {530, 1027, 40, 0, 530},
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(size.n), 7))
			x, w := random(rng, size.n*size.f), random(rng, size.k*size.f)
			left := random(rng, (size.hi-size.lo)*(size.k+40))
			round := func(v []float32) []float32 {
				out := make([]float32, len(v))
				for i, v := range v {
					out[i] = math.Float32frombits(bfloat16(v) << 16)
				}
				return out
			}
			type result struct{ c, g []float64 }
			of := func(r *Rows, x, w, left []float32) (out result) {
				for i := range size.n {
					r.Set(i, x[i*size.f:][:size.f])
				}
				ld, rows := size.k+40, size.hi-size.lo
				c := make([]float32, rows*ld)
				r.Times(c, ld, size.lo, size.hi, r.Pack(nil, w, size.k, 2))
				for i := range rows {
					for l := range size.k {
						out.c = append(out.c, float64(c[i*ld+l]))
					}
				}
				s := r.NewSum(size.k)
				out.g = make([]float64, size.k*size.f)
				s.Add(left, ld, size.lo, size.hi)
				s.AddTo(out.g, 1)
				back := make([]float32, size.f)
				r.Get(back, size.n-1)
				for j, v := range back {
					if want := round(x[(size.n-1)*size.f:])[j]; v != want && r.pairs() {
						t.Fatalf("feature %d of the last row: got %g, want %g", j, v, want)
					}
				}
				return out
			}
			want := of(NewRows(size.n, size.f), round(x), round(w), round(left))
			plain := of(newRows(size.n, size.f, plainPairsFormat), x, w, left)
			near := func(what string, got, want []float64) {
				for i, v := range got {
					if !(math.Abs(v-want[i]) <= 1e-5*math.Sqrt(float64(size.f+size.n))) {
						t.Fatalf("%s %d: got %g, want %g", what, i, v, want[i])
					}
				}
			}
			near("product", plain.c, want.c)
			near("sum", plain.g, want.g)
			if !hasPairs() {
				t.Skip("this processor has no dot products of bfloat16 (AVX512_BF16)")
			}
			if got := of(NewPairs(size.n, size.f), x, w, left); !reflect.DeepEqual(got, plain) {
				t.Error("assembly and plain Go differ")
			}
		})
	}
}

// BenchmarkRows is the two products of a softmax head as its solver makes them, on one thread.
func BenchmarkRows(b *testing.B) {
	const n, features = 1024, 2048
	for _, classes := range []int{5, 50, 257} {
		for name, r := range map[string]*Rows{"float32": NewRows(n, features), "bfloat16": NewPairs(n, features)} {
			b.Run(fmt.Sprint(name, "/", classes), func(b *testing.B) {
				w := r.Pack(nil, make([]float32, classes*features), classes, 1)
				ld, s := r.Columns(classes), r.NewSum(classes)
				c := make([]float32, n*ld)
				for b.Loop() {
					r.Times(c, ld, 0, n, w)
					s.Add(c, ld, 0, n)
				}
				b.ReportMetric(4*float64(n*features*classes)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
