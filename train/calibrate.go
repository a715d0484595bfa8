package train

import "math"

// Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", 2017): probabilities are
// softmax(logits / T), with the T that makes the true labels of held-out pictures most likely. Ranks do not change.

const (
	// temperatureSpread is the standard deviation of the normal prior on ln T around T = 1: it keeps T near 1 when there
	// are only a handful of held-out pictures, and vanishes with a hundred.
	temperatureSpread = 0.5
	maxTemperature    = 20.0 // T is kept in 1/maxTemperature..maxTemperature
)

// fitTemperature returns the T that minimises sum_i crossEntropy(logits_i, label_i, T) + (ln T / spread)^2 / 2, by
// golden-section search over ln T; 1 when there are no examples.
func fitTemperature(logits []float64, labels []int, classes int) float64 {
	if len(labels) == 0 {
		return 1
	}
	cost := func(lnT float64) float64 {
		t, sum := math.Exp(lnT), lnT*lnT/(2*temperatureSpread*temperatureSpread)
		for i, l := range labels {
			sum += crossEntropy(logits[i*classes:(i+1)*classes], l, t)
		}
		return sum
	}
	ratio := (math.Sqrt(5) - 1) / 2
	lo, hi := -math.Log(maxTemperature), math.Log(maxTemperature)
	a, b := hi-ratio*(hi-lo), lo+ratio*(hi-lo)
	fa, fb := cost(a), cost(b)
	for hi-lo > 1e-6 {
		if fa <= fb {
			hi, b, fb = b, a, fa
			a = hi - ratio*(hi-lo)
			fa = cost(a)
		} else {
			lo, a, fa = a, b, fb
			b = lo + ratio*(hi-lo)
			fb = cost(b)
		}
	}
	return math.Exp((lo + hi) / 2)
}

// calibrationBins is the number of equally wide bins of confidence that calibrationError uses.
const calibrationBins = 15

// calibrationError returns the expected calibration error: over bins of confidence (the top label's probability), the
// mean of |accuracy - confidence| weighted by the number of examples; 0 when there are none.
func calibrationError(logits []float64, labels []int, classes int, temperature float64) float64 {
	var count, right, conf [calibrationBins]float64
	p := make([]float64, classes)
	for i, l := range labels {
		row := logits[i*classes : (i+1)*classes]
		softmax(p, row, temperature)
		top := argmax(row)
		bin := min(int(p[top]*calibrationBins), calibrationBins-1)
		count[bin]++
		conf[bin] += p[top]
		if top == l {
			right[bin]++
		}
	}
	e := 0.0
	for b := range count {
		e += math.Abs(right[b] - conf[b])
	}
	return e / math.Max(1, float64(len(labels)))
}
