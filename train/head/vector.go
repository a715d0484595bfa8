package head

import "github.com/c236555e/rehead/internal/par"

// vectorBlock is how many numbers of a vector are summed at a time: sums are the same however many
// threads there are.
const vectorBlock = 1 << 15

// inBlocks returns the sum of what part returns of the blocks of n numbers.
func inBlocks(threads, n int, part func(lo, hi int) float64) float64 {
	if n <= vectorBlock {
		return part(0, n)
	}
	sums := make([]float64, (n+vectorBlock-1)/vectorBlock)
	par.Do(threads, len(sums), func(i int) { sums[i] = part(i*vectorBlock, min((i+1)*vectorBlock, n)) })
	total := 0.0
	for _, s := range sums {
		total += s
	}
	return total
}

// dotOf sums products in float64, four sums at a time.
func dotOf[A, B float32 | float64](a []A, b []B) float64 {
	var s0, s1, s2, s3 float64
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		x, y := a[i:i+4:i+4], b[i:i+4:i+4]
		s0 += float64(x[0]) * float64(y[0])
		s1 += float64(x[1]) * float64(y[1])
		s2 += float64(x[2]) * float64(y[2])
		s3 += float64(x[3]) * float64(y[3])
	}
	for ; i < len(a); i++ {
		s0 += float64(a[i]) * float64(b[i])
	}
	return s0 + s1 + (s2 + s3)
}

func dot(threads int, a []float32, b []float64) float64 {
	return inBlocks(threads, len(a), func(lo, hi int) float64 { return dotOf(a[lo:hi], b[lo:hi]) })
}

func product(threads int, a, b []float32) float64 {
	return inBlocks(threads, len(a), func(lo, hi int) float64 { return dotOf(a[lo:hi], b[lo:hi]) })
}

// addScaled adds c times s to dst.
func addScaled(threads int, dst []float64, c float64, s []float32) {
	inBlocks(threads, len(dst), func(lo, hi int) float64 {
		to := dst[lo:hi]
		for i, v := range s[lo:hi] {
			to[i] += c * float64(v)
		}
		return 0
	})
}

// squares is the sum of the squares of a.
func squares(threads int, a []float64) float64 {
	return inBlocks(threads, len(a), func(lo, hi int) float64 { return dotOf(a[lo:hi], a[lo:hi]) })
}
