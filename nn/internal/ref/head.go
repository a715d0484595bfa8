package ref

import "math"

// Layer is a dense layer's weights [K,F] and bias [K], F the number of features.
type Layer[T Float] struct {
	W, B []T
	F    int
}

// Dense computes x*transposed(w) + b for n rows, x [n,F] -> [n,K].
func Dense[T Float](dst, x []T, n int, l Layer[T]) {
	k := len(l.B)
	for i := range n {
		row := x[i*l.F : (i+1)*l.F]
		for j := range k {
			sum := float64(l.B[j])
			for f, v := range row {
				sum += float64(v) * float64(l.W[j*l.F+f])
			}
			dst[i*k+j] = T(sum)
		}
	}
}

// Softmax computes exp(x)/sum(exp(x)) over each row of k values, stably.
func Softmax[T Float](dst, x []T, k int) {
	for i := 0; i < len(x); i += k {
		row, out := x[i:i+k], dst[i:i+k]
		top, norm := logSumExp(row, nil)
		for j, v := range row {
			out[j] = T(math.Exp(float64(v) - top - norm))
		}
	}
}

// SoftmaxGrad computes y * (grad - sum(grad*y)) over each row of k values.
func SoftmaxGrad[T Float](dst, y, grad []T, k int) {
	for i := 0; i < len(y); i += k {
		sum := 0.0
		for j, v := range y[i : i+k] {
			sum += float64(v) * float64(grad[i+j])
		}
		for j, v := range y[i : i+k] {
			dst[i+j] = T(float64(v) * (float64(grad[i+j]) - sum))
		}
	}
}

// CrossEntropy computes sum of weights[n] * -sum of targets*log softmax(logits)
// over rows of k values. A row of weight 0 and a target of 0 count nothing.
func CrossEntropy[T Float](logits, targets, weights []T, k int) float64 {
	loss := 0.0
	for i, weight := range weights {
		if weight == 0 {
			continue
		}
		row := logits[i*k : (i+1)*k]
		top, norm := logSumExp(row, nil)
		sum := 0.0
		if math.IsNaN(norm) {
			sum = norm
		}
		for j, t := range targets[i*k : (i+1)*k] {
			if t != 0 {
				sum += float64(t) * (norm - (float64(row[j]) - top))
			}
		}
		loss += float64(weight) * sum
	}
	return loss
}

// Loss is what CrossEntropyGrad differentiates; Grad is the loss's own gradient.
type Loss[T Float] struct {
	Logits, Targets, Weights []T
	Grad                     float64
}

// CrossEntropyGrad computes the gradient of CrossEntropy by the logits:
// weights[n] * (softmax(logits) * sum(targets) - targets) * grad.
func CrossEntropyGrad[T Float](dst []T, k int, l Loss[T]) {
	for i, weight := range l.Weights {
		out := dst[i*k : (i+1)*k]
		if weight == 0 {
			clear(out)
			continue
		}
		row, targets := l.Logits[i*k:(i+1)*k], l.Targets[i*k:(i+1)*k]
		total := 0.0
		for _, t := range targets {
			total += float64(t)
		}
		_, norm := logSumExp(row, out)
		scale := float64(weight) * l.Grad
		part := total / math.Exp(norm) // of what logSumExp left in out
		for j, t := range targets {
			out[j] = T(scale * (part*float64(out[j]) - float64(t)))
		}
	}
}

// logSumExp returns a row's maximum and log(sum(exp(row - maximum))): kept
// apart, as the second would drown in a large first. norm is NaN for a row with
// a NaN, a +Inf, or nothing but -Inf. It leaves the terms of the sum in terms,
// unless that is nil or norm NaN.
func logSumExp[T Float](row, terms []T) (top, norm float64) {
	top = math.Inf(-1)
	for _, v := range row {
		x := float64(v)
		if math.IsNaN(x) {
			return x, x
		}
		top = max(top, x)
	}
	if math.IsInf(top, 0) {
		return top, math.NaN()
	}
	sum := 0.0
	for j, v := range row {
		e := math.Exp(float64(v) - top)
		sum += e
		if terms != nil {
			terms[j] = T(e)
		}
	}
	return top, math.Log(sum)
}
