package softmax

import "golang.org/x/sys/cpu"

//go:generate go -C ../../../../internal/_generate run . ../../train/head/internal/softmax/softmax_amd64.s

//go:noescape
func topAVX2(n int, dst, u, b, top *float32)

//go:noescape
func exponentialsAVX2(n int, u *float32, top float32, sums *float32)

//go:noescape
func scaleAVX2(n int, u *float32, by float32, sums *float64)

func addBias(dst, u, b []float32, most *[Lanes]float32) {
	if !cpu.X86.HasAVX2 {
		addBiasGo(dst, u, b, most)
		return
	}
	topAVX2(len(u), &dst[0], &u[0], &b[0], &most[0])
}

func exponentials(u []float32, top float32, sums *[2 * Lanes]float32) {
	if !cpu.X86.HasAVX2 {
		exponentialsGo(u, top, sums)
		return
	}
	exponentialsAVX2(len(u), &u[0], top, &sums[0])
}

func scale(u []float32, by float32, sums []float64) {
	if !cpu.X86.HasAVX2 {
		scaleGo(u, by, sums)
		return
	}
	scaleAVX2(len(u), &u[0], by, &sums[0])
}
