package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func random(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// near fails on NaN: float32 sums of n terms drift by about sqrt(n) roundings.
func near(t *testing.T, got, want []float32, terms int) {
	t.Helper()
	atol := 4e-7 * math.Sqrt(float64(terms)) * 4
	for i := range want {
		g, w := float64(got[i]), float64(want[i])
		if !(math.Abs(g-w) <= atol+1e-5*math.Abs(w)) {
			t.Fatalf("value %d: got %v, want %v", i, g, w)
		}
	}
}

func transposed(x []float32, rows, cols int) []float32 {
	y := make([]float32, len(x))
	for i := range rows {
		for j := range cols {
			y[j*rows+i] = x[i*cols+j]
		}
	}
	return y
}

// TestProducts runs every format over sizes at both sides of every edge: of
// tiles, blocks, tasks, and of the ways that mul chooses between.
func TestProducts(t *testing.T) {
	for _, s := range []Size{
		{1, 1, 1}, {2, 3, 2}, {3, 2, 5}, {1, 7, 300}, {5, 1, 257}, {67, 131, 259}, {130, 25, 512}, {513, 520, 3}, {4, 5, 0},
		{6, 16, 7}, {12, 32, 64}, {101, 8, 521}, {99, 5, 1031}, {7, 3, 8}, {98, 9, 70}, {5, 61, 301}, {12, 300, 33},
		{13, 77, 65},
		{11, 523, 290}, {97, 17, 15}, {100, 48, 31}, {31, 113, 257}, {257, 70, 97},
	} {
		t.Run(fmt.Sprintf("%dx%dx%d", s.M, s.N, s.K), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(s.M*s.N+s.K)))
			a, b, c := random(rng, s.M*s.K), random(rng, s.N*s.K), random(rng, s.M*s.N)
			want := slices.Clone(c)
			for i := range s.M {
				for j := range s.N {
					sum := float64(c[i*s.N+j])
					for k := range s.K {
						sum += float64(a[i*s.K+k]) * float64(b[j*s.K+k])
					}
					want[i*s.N+j] = float32(sum)
				}
			}
			at, bt := transposed(a, s.M, s.K), transposed(b, s.N, s.K)
			runs := map[string]func(c []float32){
				"NT": func(c []float32) { NT(c, a, b, s) },
				"NN": func(c []float32) { NN(c, a, bt, s) },
				"TN": func(c []float32) { TN(c, at, bt, s) },
			}
			for _, f := range formats() {
				name := fmt.Sprintf(" %dx%d", f.mr, f.nr)
				runs["NT"+name] = func(c []float32) { f.mul(c, matrix{a, s.K, 1}, matrix{b, 1, s.K}, s) }
				runs["NN"+name] = func(c []float32) { f.mul(c, matrix{a, s.K, 1}, matrix{bt, s.N, 1}, s) }
				runs["TN"+name] = func(c []float32) { f.mul(c, matrix{at, 1, s.M}, matrix{bt, s.N, 1}, s) }
			}
			for name, run := range runs {
				t.Run(name, func(t *testing.T) {
					framed := slices.Concat([]float32{7}, c, []float32{7})
					run(framed[1 : 1+len(c)])
					near(t, framed[1:1+len(c)], want, s.K)
					if framed[0] != 7 || framed[len(framed)-1] != 7 {
						t.Error("wrote outside the result")
					}
				})
			}
		})
	}
}

// TestThreadsDoNotMatter also holds the two sets of assembly against each other:
// they sum in the same order.
func TestThreadsDoNotMatter(t *testing.T) {
	for _, s := range []Size{{211, 5, 700}, {5, 411, 700}, {211, 57, 700}, {57, 211, 700}} {
		rng := rand.New(rand.NewPCG(4, uint64(s.M)))
		a, b := random(rng, s.M*s.K), random(rng, s.N*s.K)
		results := map[string][]float32{}
		for _, f := range formats() {
			for _, threads := range []int{1, 2, 7} {
				for name, operands := range map[string][2]matrix{
					"NT": {{a, s.K, 1}, {b, 1, s.K}}, "TN": {{transposed(a, s.M, s.K), 1, s.M}, {transposed(b, s.N, s.K), s.N, 1}},
				} {
					c := make([]float32, s.M*s.N)
					f.run(c, operands[0], operands[1], s, threads)
					if f.set != setPlain {
						name += " in assembly"
					}
					if results[name] == nil {
						results[name] = c
					}
					if !slices.Equal(c, results[name]) {
						t.Errorf("%s %v, %dx%d tile, %d threads: another result", name, s, f.mr, f.nr, threads)
					}
				}
			}
		}
	}
}

// TestPlaceDoesNotMatter multiplies one row and column among others: their
// product must be the same bits wherever they stand and however many rows there
// are, as a row may be one example of a batch.
func TestPlaceDoesNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	const k = 301
	row, col := random(rng, k), random(rng, k)
	for _, f := range formats() {
		var want float32
		first := 0
		for _, s := range []Size{{1, 5, k}, {9, 5, k}, {103, 5, k}, {1, 17, k}, {7, 17, k}, {130, 17, k}, {13, 35, k}} {
			if first != s.N && s.N <= 17 {
				first = s.N
				c := make([]float32, s.N)
				b := random(rng, s.N*k)
				copy(b, col)
				f.mul(c, matrix{row, k, 1}, matrix{b, 1, k}, Size{1, s.N, k})
				want = c[0]
			}
			a0, b0 := random(rng, s.M*k), random(rng, s.N*k)
			for i := 0; i < s.M; i += 1 + s.M/14 {
				for j := range s.N {
					a, b, c := slices.Clone(a0), slices.Clone(b0), make([]float32, s.M*s.N)
					copy(a[i*k:], row)
					copy(b[j*k:], col)
					f.mul(c, matrix{a, k, 1}, matrix{b, 1, k}, s)
					got := c[i*s.N+j]
					if math.Float32bits(got) != math.Float32bits(want) {
						t.Fatalf("%dx%d tile, %v, place %d, %d: got %v, want %v", f.mr, f.nr, s, i, j, got, want)
					}
				}
			}
		}
	}
}

func BenchmarkTile(b *testing.B) {
	for _, f := range formats() {
		b.Run(fmt.Sprintf("%dx%d", f.mr, f.nr), func(b *testing.B) {
			x, y, c := make([]float32, f.mr*kc), make([]float32, f.nr*kc), make([]float32, f.mr*f.nr)
			for b.Loop() {
				f.tile(kc, operand{x, 1, f.mr}, operand{y, 1, f.nr}, c, extent{f.mr, f.nr, f.nr})
			}
			b.ReportMetric(2*float64(f.mr*f.nr*kc)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

// BenchmarkHead is the two products of a softmax head, its logits and its
// gradient, for 1,024 examples of 2,048 features, on all threads.
func BenchmarkHead(b *testing.B) {
	const n, features = 1024, 2048
	for _, classes := range []int{2, 5, 20, 257} {
		for _, f := range formats() {
			x, w, g := make([]float32, n*features), make([]float32, classes*features), make([]float32, n*classes)
			flops := 2 * float64(n*features*classes)
			b.Run(fmt.Sprintf("logits/%d/%dx%d", classes, f.mr, f.nr), func(b *testing.B) {
				for b.Loop() {
					f.mul(g, matrix{x, features, 1}, matrix{w, 1, features}, Size{n, classes, features})
				}
				b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
			b.Run(fmt.Sprintf("gradient/%d/%dx%d", classes, f.mr, f.nr), func(b *testing.B) {
				for b.Loop() {
					f.mul(w, matrix{g, 1, classes}, matrix{x, features, 1}, Size{classes, features, n})
				}
				b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
