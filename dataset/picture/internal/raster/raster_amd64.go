package raster

import "golang.org/x/sys/cpu"

//go:generate go -C ../../../../internal/_generate run . ../../dataset/picture/internal/raster/raster_amd64.s

//go:noescape
func blendAVX2(dst *int16, near, far *byte, n, a, b int)

//go:noescape
func straightAVX2(dst, cb, cr *int16, n, add, down int)

//go:noescape
func triangleAVX2(dst, cb, cr *int16, n, even, odd, down int)

//go:noescape
func planesAVX2(red, green, blue *float32, luma *byte, pairs *int16, n int)

//go:noescape
func pixelsAVX2(dst, luma *byte, pairs *int16, n int)

//go:noescape
func acrossAVX2(dst, row *float32, left, right *int32, lerp *float32, n int)

//go:noescape
func downAVX2(dst, top, bottom *float32, n int, lerp, mean, std float32)

// best returns the kernels for this processor.
func best() kernels {
	if !cpu.X86.HasAVX2 {
		return plain
	}
	return kernels{
		blend: func(dst []int16, near, far []uint8, a, b int) int {
			n := len(dst) &^ 15
			if n > 0 {
				blendAVX2(&dst[0], &near[0], &far[0], n, a, b)
			}
			return n
		},
		straight: func(dst, cb, cr []int16, add, down int) int {
			n := len(cb) &^ 7
			if n > 0 {
				straightAVX2(&dst[0], &cb[0], &cr[0], n, add, down)
			}
			return n
		},
		triangle: func(dst, cb, cr []int16, even, odd, down int) int {
			n := (len(cb) - 2) &^ 7
			if n > 0 {
				triangleAVX2(&dst[0], &cb[1], &cr[1], n, even, odd, down)
			}
			return n
		},
		planes: func(r, g, b []float32, luma []uint8, pairs []int16) int {
			n := len(luma) &^ 7
			if n > 0 {
				planesAVX2(&r[0], &g[0], &b[0], &luma[0], &pairs[0], n)
			}
			return n
		},
		pixels: func(dst, luma []uint8, pairs []int16) int {
			n := len(luma) &^ 7
			if n > 0 {
				pixelsAVX2(&dst[0], &luma[0], &pairs[0], n)
			}
			return n
		},
		across: func(dst, row []float32, left, right []int32, lerp []float32) int {
			n := len(dst) &^ 7
			if n > 0 {
				acrossAVX2(&dst[0], &row[0], &left[0], &right[0], &lerp[0], n)
			}
			return n
		},
		down: func(dst, top, bottom []float32, lerp, mean, std float32) int {
			n := len(dst) &^ 7
			if n > 0 {
				downAVX2(&dst[0], &top[0], &bottom[0], n, lerp, mean, std)
			}
			return n
		},
	}
}
