package train

import (
	"math"
	"sync"

	"github.com/c236555e/rehead/inception"
)

// scale standardises bottlenecks: z = (x - mean) * inv. A feature that does not vary has inv 0 and so no say.
type scale struct {
	mean, inv []float64 // [F]
	m32, i32  []float32 // the same, as applied
}

// constant is how far below a feature's mean square its variance may be before the feature counts as constant: float32
// rounding alone gives about 1e-14.
const constant = 1e-12

// newScale measures the mean and the standard deviation of each feature, in float64 and in two passes.
func newScale(rows [][]float32, threads int) scale {
	f := len(rows[0])
	s := scale{mean: make([]float64, f), inv: make([]float64, f), m32: make([]float32, f), i32: make([]float32, f)}
	var wg sync.WaitGroup
	step := (f + threads - 1) / threads
	for lo := 0; lo < f; lo += step {
		wg.Go(func() { s.measure(rows, lo, min(lo+step, f)) })
	}
	wg.Wait()
	return s
}

// measure does features lo..hi-1.
func (s scale) measure(rows [][]float32, lo, hi int) {
	n := float64(len(rows))
	mean, sq := s.mean[lo:hi], make([]float64, hi-lo)
	for _, row := range rows {
		for j, v := range row[lo:hi] {
			mean[j] += float64(v)
		}
	}
	for j := range mean {
		mean[j] /= n
	}
	for _, row := range rows {
		for j, v := range row[lo:hi] {
			d := float64(v) - mean[j]
			sq[j] += d * d
		}
	}
	for j := range mean {
		if v := sq[j] / n; v > constant*mean[j]*mean[j] && v > math.SmallestNonzeroFloat32 {
			s.inv[lo+j] = 1 / math.Sqrt(v)
		}
		s.m32[lo+j], s.i32[lo+j] = float32(mean[j]), float32(s.inv[lo+j])
	}
}

// apply writes the standardised row x to dst.
func (s scale) apply(dst, x []float32) {
	m, v := s.m32[:len(x)], s.i32[:len(x)]
	dst = dst[:len(x)]
	for j, a := range x {
		dst[j] = (a - m[j]) * v[j]
	}
}

// fold turns the head theta (W [K,F], then b [K]) on standardised bottlenecks into one on plain bottlenecks:
// W' = W inv, b' = b - W' mean.
func (s scale) fold(theta []float64, classes int) inception.Head {
	f := len(s.mean)
	h := inception.Head{Classes: classes, Features: f, W: make([]float32, classes*f), B: make([]float32, classes)}
	for k := range classes {
		b := theta[classes*f+k]
		for j, w := range theta[k*f : k*f+f] {
			w *= s.inv[j]
			h.W[k*f+j] = float32(w)
			b -= w * s.mean[j]
		}
		h.B[k] = float32(b)
	}
	return h
}
