package kernel

import "math"

// Unpack converts src, [len(lanes)][H][W], to the tensor t of dst; lanes says where each channel
// lies. Other lanes of their blocks become zero.
func Unpack(dst []float32, t Tensor, src []float32, lanes []int) {
	for b := range Blocks(t.C) {
		for y := range t.H {
			clear(dst[t.Off+b*t.Plane+y*t.Row:][:t.W*Block])
		}
	}
	for c, lane := range lanes {
		for y := range t.H {
			row := dst[t.Index(lane, y, 0):]
			for x, v := range src[(c*t.H+y)*t.W:][:t.W] {
				row[x*Block] = v
			}
		}
	}
}

// Pack converts the tensor t of src to dst, [len(lanes)][H][W]; lanes says
// where each channel lies.
func Pack(dst, src []float32, t Tensor, lanes []int) {
	for c, lane := range lanes {
		for y := range t.H {
			row := src[t.Index(lane, y, 0):]
			to := dst[(c*t.H+y)*t.W:][:t.W]
			for x := range to {
				to[x] = row[x*Block]
			}
		}
	}
}

// Copy copies the tensor from of src to the tensor to of dst, of the same size.
func Copy(dst []float32, to Tensor, src []float32, from Tensor) {
	for b := range Blocks(from.C) {
		for y := range from.H {
			copy(dst[to.Off+b*to.Plane+y*to.Row:][:to.W*Block], src[from.Off+b*from.Plane+y*from.Row:][:from.W*Block])
		}
	}
}

// Affine computes x*scale + shift lane by lane, clamped at zero if relu is set.
// scale and shift have a value for each lane in use.
func Affine(dst []float32, to Tensor, src []float32, from Tensor, scale, shift []float32, relu bool) {
	for lane := range scale {
		for y := range from.H {
			row, out := src[from.Index(lane, y, 0):], dst[to.Index(lane, y, 0):]
			for x := range from.W {
				v := row[x*Block]*scale[lane] + shift[lane]
				if relu && v < 0 {
					v = 0
				}
				out[x*Block] = v
			}
		}
	}
}

// Softmax computes exp(x[i]) / sum(exp(x)) over the lanes given.
func Softmax(dst, src []float32, lanes []int) {
	top := math.Inf(-1)
	for _, l := range lanes {
		top = math.Max(top, float64(src[l]))
	}
	sum := 0.0
	for _, l := range lanes {
		sum += math.Exp(float64(src[l]) - top)
	}
	for i, l := range lanes {
		dst[i] = float32(math.Exp(float64(src[l])-top) / sum)
	}
}
