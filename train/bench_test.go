package train

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
)

// likeBottlenecks makes n rows of f features that look like bottlenecks: not negative, correlated through a few hidden
// directions, with classes that overlap.
func likeBottlenecks(n, f, k int) Examples {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(k)))
	const hidden = 64
	mix := make([]float32, hidden*f)
	for i := range mix {
		mix[i] = float32(rng.NormFloat64() / math.Sqrt(hidden))
	}
	centre := make([]float32, k*hidden)
	for i := range centre {
		centre[i] = float32(rng.NormFloat64())
	}
	ex := Examples{Rows: make([][]float32, n), Labels: make([]int, n), Classes: k}
	h := make([]float32, hidden)
	for i := range n {
		c := i % k
		for j := range h {
			h[j] = 0.6*centre[c*hidden+j] + float32(rng.NormFloat64())
		}
		row := make([]float32, f)
		for j := range row {
			row[j] = 0.3 + 0.3*float32(rng.NormFloat64())
		}
		for l, v := range h {
			for j, m := range mix[l*f : (l+1)*f] {
				row[j] += 0.4 * v * m
			}
		}
		for j := range row {
			row[j] = max(0, row[j])
		}
		ex.Rows[i], ex.Labels[i] = row, c
	}
	return ex
}

// BenchmarkHead is the whole solution of a head, at the sizes of flower_photos and of Caltech-256.
func BenchmarkHead(b *testing.B) {
	for _, s := range []struct{ n, f, k int }{{3670, 2048, 5}, {30607, 2048, 257}} {
		b.Run(fmt.Sprintf("%dx%dx%d", s.n, s.f, s.k), func(b *testing.B) {
			if testing.Short() {
				b.Skip("takes up to a minute")
			}
			ex := likeBottlenecks(s.n, s.f, s.k)
			runtime.GC()
			var fit *Fit
			for b.Loop() {
				fit = mustFit(b, ex, FitConfig{})
			}
			var mem runtime.MemStats
			runtime.ReadMemStats(&mem)
			b.ReportMetric(float64(fit.Evaluations), "evaluations")
			b.ReportMetric(fit.Loss, "loss")
			b.ReportMetric(float64(mem.Sys)/(1<<20), "MB")
			if !fit.Converged {
				b.Errorf("not converged after %d iterations: gradient %g", fit.Iterations, fit.Gradient)
			}
		})
	}
}

// BenchmarkObjective is one evaluation of loss and gradient.
func BenchmarkObjective(b *testing.B) {
	for _, s := range []struct{ n, f, k int }{{2936, 2048, 5}, {4096, 2048, 257}} {
		b.Run(fmt.Sprintf("%dx%dx%d", s.n, s.f, s.k), func(b *testing.B) {
			ex := likeBottlenecks(s.n, s.f, s.k)
			threads := runtime.GOMAXPROCS(0)
			o, err := newObjective(context.Background(), ex, newScale(ex.Rows, threads), threads, newHeadGraph)
			if err != nil {
				b.Fatal(err)
			}
			theta, grad := make([]float64, o.dim()), make([]float64, o.dim())
			for b.Loop() {
				if _, err := o.value(theta, grad); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(4*float64(s.n*s.f*s.k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
