package metrics

import "math"

// z95 is the 97.5 % quantile of the normal distribution: two-sided 95 %.
const z95 = 1.959963984540054

// Wilson returns the 95 % score interval of a proportion of which correct of n were observed (E. B.
// Wilson, 1927), and [0, 1] where that is no proportion: when n is 0, or correct not in 0..n. With
// p = correct/n:
//
//	(p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)
func Wilson(correct, n int) [2]float64 {
	if n <= 0 || correct < 0 || correct > n {
		return [2]float64{0, 1}
	}
	return wilson(float64(correct), float64(n))
}

// wilson is Wilson for numbers that are not whole.
func wilson(correct, total float64) [2]float64 {
	const zz = z95 * z95
	p := correct / total
	centre := p + zz/(2*total)
	half := z95 * math.Sqrt(p*(1-p)/total+zz/(4*total*total))
	d := 1 + zz/total
	lo, hi := (centre-half)/d, (centre+half)/d
	if correct <= 0 {
		lo = 0
	}
	if correct >= total {
		hi = 1
	}
	return [2]float64{lo, hi}
}
