// Package ref holds the plain-Go reference of every operation: short loops
// that follow the defining formula, with sums in float64. The operators of
// package nn compute with them, and every faster kernel is tested against them.
//
// Layout: images are [N,C,H,W], weights [O,C,KH,KW], matrices row-major.
// Functions overwrite dst, which must not overlap an argument; lengths are the
// caller's to check. They keep no state and may run concurrently. The element
// type is a parameter so that tests can differentiate them in float64.
package ref

import (
	"math"

	"github.com/c236555e/rehead/nn/internal/ir"
)

// Float is the element type.
type Float interface{ float32 | float64 }

// Image is the shape of a batch of images.
type Image struct{ N, C, H, W int }

// Kernel is a convolution's weights [Out,C,KH,KW] and bias [Out] (nil: none).
type Kernel[T Float] struct {
	W, B   []T
	Out    int
	Window ir.Window
}

// Conv2D computes the convolution of x with k, zeros beyond the borders.
func Conv2D[T Float](dst, x []T, s Image, k Kernel[T]) {
	win := k.Window
	oh, ow := win.Out(s.H, s.W)
	row := make([]float64, ow)
	for n := range s.N {
		for o := range k.Out {
			for i := range oh {
				bias := 0.0
				if k.B != nil {
					bias = float64(k.B[o])
				}
				for j := range row {
					row[j] = bias
				}
				for c := range s.C {
					for u := range win.KH {
						y := i*win.StrideH + u - win.Top
						if y < 0 || y >= s.H {
							continue
						}
						line := x[((n*s.C+c)*s.H+y)*s.W:][:s.W]
						weights := k.W[((o*s.C+c)*win.KH+u)*win.KW:][:win.KW]
						convRow(row, line, weights, win)
					}
				}
				out := dst[((n*k.Out+o)*oh+i)*ow:][:ow]
				for j, v := range row {
					out[j] = T(v)
				}
			}
		}
	}
}

// convRow adds to one row of the result what one row of the image contributes.
func convRow[T Float](row []float64, line, weights []T, win ir.Window) {
	for v, wt := range weights {
		w := float64(wt)
		// Position j looks at column j*stride+start, which has to lie inside.
		start := v - win.Left
		from := max(0, (win.StrideW-1-start)/win.StrideW)
		to := min(len(row), (len(line)-1-start+win.StrideW)/win.StrideW)
		if from >= to {
			continue
		}
		part, src := row[from:to], line[from*win.StrideW+start:]
		if win.StrideW == 1 {
			for j, x := range src[:len(part)] {
				part[j] += w * float64(x)
			}
			continue
		}
		for j := range part {
			part[j] += w * float64(src[j*win.StrideW])
		}
	}
}

// Norm is a batch norm's parameters, each [C].
type Norm[T Float] struct {
	Gamma, Beta, Mean, Variance []T
	Eps                         float64
}

// BatchNorm computes gamma * (x-mean) / sqrt(variance+eps) + beta per channel.
func BatchNorm[T Float](dst, x []T, s Image, p Norm[T]) {
	area := s.H * s.W
	for i, v := range x {
		c := i / area % s.C
		scale := float64(p.Gamma[c]) / math.Sqrt(float64(p.Variance[c])+p.Eps)
		dst[i] = T((float64(v)-float64(p.Mean[c]))*scale + float64(p.Beta[c]))
	}
}

// Affine computes w*x + b per channel, w and b [C].
func Affine[T Float](dst, x []T, s Image, w, b []T) {
	area := s.H * s.W
	for i, v := range x {
		c := i / area % s.C
		dst[i] = T(float64(v)*float64(w[c]) + float64(b[c]))
	}
}

// ReLU computes max(x, 0); a NaN stays one.
func ReLU[T Float](dst, x []T) {
	for i, v := range x {
		if v < 0 {
			v = 0
		}
		dst[i] = v
	}
}

// MaxPool takes the largest value of each window; a NaN wins, padding never.
func MaxPool[T Float](dst, x []T, s Image, win ir.Window) {
	pool(s, win, func(at, plane, top, bottom, left, right int) {
		best := x[plane+top*s.W+left]
		for y := top; y < bottom; y++ {
			for _, v := range x[plane+y*s.W+left : plane+y*s.W+right] {
				if v > best || v != v {
					best = v
				}
			}
		}
		dst[at] = best
	})
}

// Pool is an average pool's window and divisor.
type Pool struct {
	Window      ir.Window
	CountBorder bool // divide by the whole window, else by its pixels inside the image
}

// AvgPool takes the mean of each window.
func AvgPool[T Float](dst, x []T, s Image, p Pool) {
	pool(s, p.Window, func(at, plane, top, bottom, left, right int) {
		sum := 0.0
		for y := top; y < bottom; y++ {
			for _, v := range x[plane+y*s.W+left : plane+y*s.W+right] {
				sum += float64(v)
			}
		}
		area := (bottom - top) * (right - left)
		if p.CountBorder {
			area = p.Window.KH * p.Window.KW
		}
		dst[at] = T(sum / float64(area))
	})
}

// pool calls f for each window position with the index of the result, the
// offset of the channel's plane, and the part of the window inside the image.
func pool(s Image, win ir.Window, f func(at, plane, top, bottom, left, right int)) {
	oh, ow := win.Out(s.H, s.W)
	at := 0
	for plane := 0; plane < s.N*s.C*s.H*s.W; plane += s.H * s.W {
		for i := range oh {
			y := i*win.StrideH - win.Top
			for j := range ow {
				x := j*win.StrideW - win.Left
				f(at, plane, max(y, 0), min(y+win.KH, s.H), max(x, 0), min(x+win.KW, s.W))
				at++
			}
		}
	}
}

// GlobalAvgPool computes the mean of each channel, [N,C,H,W] -> [N,C].
func GlobalAvgPool[T Float](dst, x []T, s Image) {
	area := s.H * s.W
	for i := range s.N * s.C {
		sum := 0.0
		for _, v := range x[i*area : (i+1)*area] {
			sum += float64(v)
		}
		dst[i] = T(sum / float64(area))
	}
}

// Moments computes six runs of C values an image, [N,C,H,W] -> [N,6C]: the mean of each channel, its
// means over the quarters, which share the row and the column in the middle where there is one, and
// its standard deviation.
func Moments[T Float](dst, x []T, s Image) {
	mean := func(plane []T, top, bottom, left, right int, of func(v float64) float64) float64 {
		sum := 0.0
		for y := top; y < bottom; y++ {
			for _, v := range plane[y*s.W+left : y*s.W+right] {
				sum += of(float64(v))
			}
		}
		return sum / float64((bottom-top)*(right-left))
	}
	same := func(v float64) float64 { return v }
	for i := range s.N * s.C {
		plane := x[i*s.H*s.W : (i+1)*s.H*s.W]
		out := dst[i/s.C*ir.MomentRuns*s.C+i%s.C:]
		all := mean(plane, 0, s.H, 0, s.W, same)
		out[0] = T(all)
		for q := range 4 {
			top, left := q/2*(s.H/2), q%2*(s.W/2)
			out[(1+q)*s.C] = T(mean(plane, top, top+(s.H+1)/2, left, left+(s.W+1)/2, same))
		}
		out[5*s.C] = T(math.Sqrt(mean(plane, 0, s.H, 0, s.W, func(v float64) float64 { return (v - all) * (v - all) })))
	}
}

// Part is one argument of Concat: n images of Size values.
type Part[T Float] struct {
	Data []T
	Size int
}

// Concat writes the parts of each of n images behind one another.
func Concat[T Float](dst []T, n int, parts ...Part[T]) {
	for i := range n {
		for _, p := range parts {
			dst = dst[copy(dst, p.Data[i*p.Size:(i+1)*p.Size]):]
		}
	}
}
