package raster

import "math"

// plain leaves all pixels to plain Go.
var plain = kernels{
	blend:    func([]int16, []uint8, []uint8, int, int) int { return 0 },
	straight: func([]int16, []int16, []int16, int, int) int { return 0 },
	triangle: func([]int16, []int16, []int16, int, int, int) int { return 0 },
	planes:   func([]float32, []float32, []float32, []uint8, []int16) int { return 0 },
	pixels:   func([]uint8, []uint8, []int16) int { return 0 },
	across:   func([]float32, []float32, []int32, []int32, []float32) int { return 0 },
	down:     func([]float32, []float32, []float32, float32, float32, float32) int { return 0 },
}

func blend(dst []int16, near, far []uint8, a, b int) {
	for i := range dst {
		dst[i] = int16(a)*int16(near[i]) + int16(b)*int16(far[i])
	}
}

func straight(dst, cb, cr []int16, add, down int) {
	for i := range cb {
		dst[2*i] = (cb[i]+int16(add))>>down - 128
		dst[2*i+1] = (cr[i]+int16(add))>>down - 128
	}
}

func triangle(dst, cb, cr []int16, even, odd, down int) {
	for i := 1; i+1 < len(cb); i++ {
		d := dst[4*i-4 : 4*i : 4*i]
		d[0] = (3*cb[i]+cb[i-1]+int16(even))>>down - 128
		d[1] = (3*cr[i]+cr[i-1]+int16(even))>>down - 128
		d[2] = (3*cb[i]+cb[i+1]+int16(odd))>>down - 128
		d[3] = (3*cr[i]+cr[i+1]+int16(odd))>>down - 128
	}
}

// Colour converts one pixel as Planes does, chroma less 128. Source: libjpeg, jdcolor.c.
func Colour(luma uint8, cb, cr int16) (red, green, blue uint8) {
	y, b, r := int32(luma)<<16+1<<15, int32(cb), int32(cr)
	return clamp((y + 91881*r) >> 16), clamp((y - 22554*b - 46802*r) >> 16), clamp((y + 116130*b) >> 16)
}

func clamp(v int32) uint8 {
	if uint32(v) <= 255 {
		return uint8(v)
	}
	return uint8(^(v >> 31)) // below zero: 0; above: 255
}

func planes(red, green, blue []float32, luma []uint8, pairs []int16) {
	for i, y := range luma {
		r, g, b := Colour(y, pairs[2*i], pairs[2*i+1])
		red[i], green[i], blue[i] = float32(r), float32(g), float32(b)
	}
}

func pixels(dst, luma []uint8, pairs []int16) {
	for i, y := range luma {
		d := dst[4*i : 4*i+4 : 4*i+4]
		d[0], d[1], d[2] = Colour(y, pairs[2*i], pairs[2*i+1])
		d[3] = 255
	}
}

func across(dst, row []float32, left, right []int32, lerp []float32) {
	for i := range dst {
		a, b := row[left[i]], row[right[i]]
		dst[i] = a + float32((b-a)*lerp[i])
	}
}

func down(dst, top, bottom []float32, lerp, mean, std float32) {
	if fraction, _ := math.Frexp(float64(std)); fraction == 0.5 {
		// A power of two: to multiply by its inverse is the same to the last bit, and faster.
		inverse := 1 / std
		for i, a := range top {
			v := a + float32((bottom[i]-a)*lerp)
			dst[i] = (v - mean) * inverse
		}
		return
	}
	for i, a := range top {
		v := a + float32((bottom[i]-a)*lerp)
		dst[i] = (v - mean) / std
	}
}
