//go:build !amd64

package softmax

func addBias(dst, u, b []float32, most *[Lanes]float32) { addBiasGo(dst, u, b, most) }

func exponentials(u []float32, top float32, sums *[2 * Lanes]float32) { exponentialsGo(u, top, sums) }

func scale(u []float32, by float32, sums []float64) { scaleGo(u, by, sums) }
