package head

import (
	"math"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/par"
)

// scale centres and scales bottlenecks: z = (x - mean) * inv. A feature that does not vary has inv
// 0 and so no say.
type scale struct {
	mean, inv []float64 // [F]
	m32, i32  []float32 // the same, as applied
}

// plainScale leaves bottlenecks as they are.
func plainScale(f int) scale {
	s := scale{mean: make([]float64, f), inv: make([]float64, f), m32: make([]float32, f), i32: make([]float32, f)}
	for j := range f {
		s.inv[j], s.i32[j] = 1, 1
	}
	return s
}

// constant is how far below a feature's mean square its variance may be before the feature counts
// as constant: float32 rounding alone gives about 1e-14.
const constant = 1e-12

// newScale measures the mean and the standard deviation of each feature, in float64 and in two
// passes. inv is the standard deviation to the power of -power, times what makes the mean variance
// of z 1.
func newScale(rows [][]float32, power float64, threads int) scale {
	f := len(rows[0])
	s := scale{mean: make([]float64, f), inv: make([]float64, f), m32: make([]float32, f), i32: make([]float32, f)}
	variance := make([]float64, f)
	step := (f + threads - 1) / threads
	par.Do(threads, (f+step-1)/step, func(i int) {
		lo, hi := i*step, min((i+1)*step, f)
		measureFeatures(rows, lo, s.mean[lo:hi], variance[lo:hi])
	})
	s.divide(variance, power)
	return s
}

// divide sets inv by the features' variances.
func (s *scale) divide(variance []float64, power float64) {
	total, varying := 0.0, 0.0
	for j, v := range variance {
		if v > constant*s.mean[j]*s.mean[j] && v > math.SmallestNonzeroFloat32 {
			s.inv[j] = math.Pow(v, -power/2)
			total += v * s.inv[j] * s.inv[j]
			varying++
		}
	}
	for j := range s.inv {
		if s.inv[j] > 0 {
			s.inv[j] *= math.Sqrt(varying / total)
		}
		s.m32[j], s.i32[j] = float32(s.mean[j]), float32(s.inv[j])
	}
}

// measureFeatures does the features from lo on, as many as mean and variance have room for.
func measureFeatures(rows [][]float32, lo int, mean, variance []float64) {
	n, hi := float64(len(rows)), lo+len(mean)
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
			variance[j] += d * d
		}
	}
	for j := range variance {
		variance[j] /= n
	}
}

// apply writes the scaled row x to dst.
func (s scale) apply(dst, x []float32) {
	m, v := s.m32[:len(x)], s.i32[:len(x)]
	dst = dst[:len(x)]
	for j, a := range x {
		dst[j] = (a - m[j]) * v[j]
	}
}

// fold turns the head theta (W [K,F], then b [K]) on scaled bottlenecks into one on plain
// bottlenecks: W' = W inv, b' = b - W' mean.
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

// unfold is the inverse of fold, but for the weights of features that do not vary: those say
// nothing and become part of b.
func (s scale) unfold(h inception.Head) []float64 {
	f := len(s.mean)
	theta := make([]float64, h.Classes*f+h.Classes)
	for k := range h.Classes {
		b := float64(h.B[k])
		for j, w := range h.W[k*f : k*f+f] {
			b += float64(w) * s.mean[j]
			if s.inv[j] != 0 {
				theta[k*f+j] = float64(w) / s.inv[j]
			}
		}
		theta[h.Classes*f+k] = b
	}
	return theta
}
