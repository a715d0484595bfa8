package nn

import "math"

// histogramBins is the resolution of a histogram: eight times that of a byte at
// the widest, and four just after it has grown.
const histogramBins = 2048

// histogram counts how often numbers above zero occur, in bins of equal width.
// It grows as larger ones come. Zeros and less do not count: a byte holds them
// exactly at every step size.
type histogram struct {
	width float64 // of a bin, 0 before the first number
	top   float64 // the largest number
	count [histogramBins]float64
}

// add counts the numbers of x.
func (h *histogram) add(x []float32) {
	top := float32(0)
	for _, v := range x {
		if v > top && v <= math.MaxFloat32 {
			top = v
		}
	}
	if top == 0 {
		return
	}
	h.top = max(h.top, float64(top))
	if h.width == 0 {
		h.width = h.top / histogramBins
	}
	for h.top > h.width*histogramBins {
		h.grow()
	}
	inverse := float32(1 / h.width)
	for _, v := range x {
		if v > 0 && v <= top {
			h.count[min(int(v*inverse), histogramBins-1)]++
		}
	}
}

// grow joins neighbouring bins.
func (h *histogram) grow() {
	for i := range histogramBins / 2 {
		h.count[i] = h.count[2*i] + h.count[2*i+1]
	}
	clear(h.count[histogramBins/2:])
	h.width *= 2
}

// clip returns the range at which storing the numbers in 256 steps is wrong by
// the least in the mean square: a step's rounding for those inside, the distance
// to the range for those outside.
func (h *histogram) clip() float32 {
	inside := 0.0
	for _, n := range h.count {
		inside += n
	}
	best, least := h.top, inside*square(h.top/255)/12
	// From the right: sums over the bins that are cut off.
	n, sum, squares := 0.0, 0.0, 0.0
	for i := histogramBins - 1; i > histogramBins/16; i-- {
		x := (float64(i) + 0.5) * h.width
		n, sum, squares = n+h.count[i], sum+h.count[i]*x, squares+h.count[i]*x*x
		at := float64(i) * h.width
		cost := (inside-n)*square(at/255)/12 + squares - 2*at*sum + n*at*at
		if at < h.top && cost < least {
			best, least = at, cost
		}
	}
	return float32(best)
}

func square(x float64) float64 { return x * x }
