package ref

import "github.com/c236555e/rehead/nn/internal/ir"

// ConvGradX adds up what a convolution's input, one plane of an image [H,W], gets of the gradient grad
// [Out,OH,OW] of that image; w is the plane's weights, [KH,KW] for each output, stride floats apart.
func ConvGradX[T Float](dst []float64, grad, w []T, s Image, g ConvPlane) {
	win := g.Window
	oh, ow := win.Out(s.H, s.W)
	for o := range g.Out {
		weights := w[o*g.Step:][:win.KH*win.KW]
		for i := range oh {
			line := grad[(o*oh+i)*ow:][:ow]
			for u := range win.KH {
				y := i*win.StrideH + u - win.Top
				if y < 0 || y >= s.H {
					continue
				}
				row := dst[y*s.W:][:s.W]
				for v, k := range weights[u*win.KW:][:win.KW] {
					if k == 0 {
						continue
					}
					for j, d := range line {
						if x := j*win.StrideW + v - win.Left; x >= 0 && x < s.W {
							row[x] += float64(k) * float64(d)
						}
					}
				}
			}
		}
	}
}

// ConvPlane says how one channel of a convolution's input meets its outputs.
type ConvPlane struct {
	Window ir.Window
	Out    int // outputs
	Step   int // weights from one output's to the next
}

// ConvGradW adds what one output's gradient [OH,OW] and one plane of its input [H,W] say of the weights
// [KH,KW] between them.
func ConvGradW[T Float](dst []float64, grad, x []T, s Image, win ir.Window) {
	oh, ow := win.Out(s.H, s.W)
	for i := range oh {
		line := grad[i*ow:][:ow]
		for u := range win.KH {
			y := i*win.StrideH + u - win.Top
			if y < 0 || y >= s.H {
				continue
			}
			row := x[y*s.W:][:s.W]
			for v := range win.KW {
				sum := 0.0
				for j, d := range line {
					if at := j*win.StrideW + v - win.Left; at >= 0 && at < s.W {
						sum += float64(d) * float64(row[at])
					}
				}
				dst[u*win.KW+v] += sum
			}
		}
	}
}

// MaxPoolGrad hands the gradient of each window to the first of its largest values, or to its last NaN.
func MaxPoolGrad[T Float](dst, x, grad []T, s Image, win ir.Window) {
	clear(dst)
	pool(s, win, func(at, plane, top, bottom, left, right int) {
		best := plane + top*s.W + left
		for y := top; y < bottom; y++ {
			for i := plane + y*s.W + left; i < plane+y*s.W+right; i++ {
				if x[i] > x[best] || x[i] != x[i] {
					best = i
				}
			}
		}
		dst[best] += grad[at]
	})
}

// AvgPoolGrad spreads the gradient of each window over its pixels.
func AvgPoolGrad[T Float](dst, grad []T, s Image, p Pool) {
	sums := make([]float64, len(dst))
	pool(s, p.Window, func(at, plane, top, bottom, left, right int) {
		area := (bottom - top) * (right - left)
		if p.CountBorder {
			area = p.Window.KH * p.Window.KW
		}
		for y := top; y < bottom; y++ {
			for i := plane + y*s.W + left; i < plane+y*s.W+right; i++ {
				sums[i] += float64(grad[at]) / float64(area)
			}
		}
	})
	for i, v := range sums {
		dst[i] = T(v)
	}
}
