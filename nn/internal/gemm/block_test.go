package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestBlock holds blocks of larger matrices to the definition, in every type that is used, at both
// sides of every edge, on one thread and several: to the last bit the same.
func TestBlock(t *testing.T) {
	for _, s := range []Size{{1, 1, 1}, {3, 5, 7}, {12, 16, 256}, {13, 33, 257}, {97, 513, 40}, {201, 40, 519}, {30, 30, 0}} {
		t.Run(fmt.Sprintf("%dx%dx%d", s.M, s.N, s.K), func(t *testing.T) {
			for _, minus := range []bool{false, true} {
				testBlock[float64, float32, float64](t, s, minus)
				testBlock[float64, float64, float32](t, s, minus)
				testBlock[float64, float64, float64](t, s, minus)
				testBlock[float64, float32, float32](t, s, minus)
				testBlock[float32, float32, float32](t, s, minus)
			}
		})
	}
}

func testBlock[T, L, R Float](t *testing.T, s Size, minus bool) {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, uint64(s.M*s.N+s.K)))
	const pad = 3 // values between rows
	a, b := make([]L, s.M*(s.K+pad)), make([]R, s.N*(s.K+pad))
	for i := range a {
		a[i] = L(rng.NormFloat64())
	}
	for i := range b {
		b[i] = R(rng.NormFloat64())
	}
	left, right := View[L]{a, s.K + pad, 1}, View[R]{b, 1, s.K + pad}
	at, bt := make([]L, len(a)+pad*s.K), make([]R, len(b)+pad*s.K) // the same from transposes
	leftT, rightT := View[L]{at, 1, s.M + pad}, View[R]{bt, s.N + pad, 1}
	for k := range s.K {
		for i := range s.M {
			at[k*(s.M+pad)+i] = a[i*(s.K+pad)+k]
		}
		for j := range s.N {
			bt[k*(s.N+pad)+j] = b[j*(s.K+pad)+k]
		}
	}
	tol := 1e-14
	if _, single := any(T(0)).(float32); single {
		tol = 1e-6
	}
	for _, lower := range []bool{false, true} {
		var first []T
		for run := range 4 {
			p := Block[T, L, R]{Size: s, A: left, B: right, Minus: minus, Lower: lower, Threads: 1 + run%3}
			if run > 1 {
				p.A, p.B = leftT, rightT
			}
			c := make([]T, s.M*(s.N+pad))
			for i := range c {
				c[i] = T(i % 7)
			}
			p.C = View[T]{c, s.N + pad, 1}
			p.Run()
			if first == nil {
				first = c
			}
			for i := range s.M {
				for j := range s.N + pad {
					got, want := float64(c[i*(s.N+pad)+j]), float64((i*(s.N+pad)+j)%7)
					for k := 0; k < s.K && j < s.N; k++ {
						if v := float64(left.From(i, k).Data[0]) * float64(right.From(k, j).Data[0]); minus {
							want -= v
						} else {
							want += v
						}
					}
					if lower && j > i && j < s.N {
						continue
					}
					if !(math.Abs(got-want) <= tol*float64(s.K+1)) || c[i*(s.N+pad)+j] != first[i*(s.N+pad)+j] {
						t.Fatalf("%T of %T and %T, run %d, value %d,%d: got %v (at first %v), want %v", T(0), L(0), R(0), run, i, j,
							got, first[i*(s.N+pad)+j], want)
					}
				}
			}
		}
	}
}

// TestTilesOfFloat64 holds each tile to plain Go.
func TestTilesOfFloat64(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for _, f := range append(formats64(), tileFormat[float64]{4, 4, plainTile[float64]}) {
		for _, k := range []int{1, 2, 7, 256} {
			a, b, c := make([]float64, k*f.mr), make([]float64, k*f.nr), make([]float64, f.mr*(f.nr+1)+1)
			for i := range a {
				a[i] = rng.NormFloat64()
			}
			for i := range b {
				b[i] = rng.NormFloat64()
			}
			for i := range c {
				c[i] = 3
			}
			f.whole(k, a, b, c, f.nr+1)
			for i := range c {
				y, x, want := i/(f.nr+1), i%(f.nr+1), 3.0
				for s := 0; s < k && x < f.nr && y < f.mr; s++ {
					want += a[s*f.mr+y] * b[s*f.nr+x]
				}
				if !(math.Abs(c[i]-want) <= 1e-14*float64(k+1)) {
					t.Fatalf("%dx%d, %d steps, value %d: got %v, want %v", f.mr, f.nr, k, i, c[i], want)
				}
			}
		}
	}
}
