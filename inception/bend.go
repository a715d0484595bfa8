package inception

import "math"

// bend is the value and the slope at x of an activation that is neither a ReLU nor a GELU of some kind.
func (l *HeadLayer) bend(x float64) (y, slope float64) {
	switch l.Kind {
	case LayerSoftplus:
		return softplus(x), 1 / (1 + math.Exp(-x))
	case LayerSoftsign:
		n := 1 + math.Abs(x)
		return x / n, 1 / (n * n)
	case LayerMish:
		t := math.Tanh(softplus(x))
		return x * t, t + x*(1-t*t)/(1+math.Exp(-x))
	case LayerHardSigmoid:
		return hardSigmoid(x, l.Alpha)
	}
	h, rise := hardSigmoid(x, 1.0/6) // LayerHardSwish
	return x * h, h + x*rise
}

// softplus is log(1 + e^x), without ever taking e to a large power.
func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

// hardSigmoid is alpha x + 1/2, kept within 0..1, and its slope.
func hardSigmoid(x, alpha float64) (y, slope float64) {
	y = alpha*x + 0.5
	if y <= 0 || y >= 1 {
		return min(max(y, 0), 1), 0
	}
	return y, alpha
}

// slope is what a PReLU multiplies its value x number i with.
func (l *HeadLayer) slope(i int, x float64) float64 {
	if x < 0 {
		return float64(l.W[i])
	}
	return 1
}

// moments are the mean of a picture's values and the root of their variance and epsilon.
func (l *HeadLayer) moments(x []float64) (mean, deviation float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		deviation += (v - mean) * (v - mean) / float64(len(x))
	}
	return mean, math.Sqrt(deviation + l.Alpha)
}
