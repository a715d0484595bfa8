package ref

import "math"

// BinaryCrossEntropy computes the sum of weights * (targets*log(1+exp(-z)) +
// (1-targets)*log(1+exp(z))), z the logits. A weight of 0 counts nothing.
func BinaryCrossEntropy[T Float](logits, targets, weights []T) float64 {
	loss := 0.0
	for i, weight := range weights {
		if weight == 0 {
			continue
		}
		// log(1+exp(z)) = max(z,0) + log(1+exp(-|z|)), and log(1+exp(-z)) is that less z.
		z, t := float64(logits[i]), float64(targets[i])
		loss += float64(weight) * (max(z, 0) - t*z + math.Log1p(math.Exp(-math.Abs(z))))
	}
	return loss
}

// BinaryCrossEntropyGrad computes the gradient of BinaryCrossEntropy by the logits: weights *
// (sigmoid(z) - targets) * grad.
func BinaryCrossEntropyGrad[T Float](dst []T, l Loss[T]) {
	for i, weight := range l.Weights {
		if weight == 0 {
			dst[i] = 0
			continue
		}
		dst[i] = T(float64(weight) * l.Grad * (Sigmoid(float64(l.Logits[i])) - float64(l.Targets[i])))
	}
}

// Sigmoid computes 1/(1+exp(-z)) without overflow.
func Sigmoid(z float64) float64 {
	e := math.Exp(-math.Abs(z))
	if z >= 0 {
		return 1 / (1 + e)
	}
	return e / (1 + e)
}
