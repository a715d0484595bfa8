// Package numeric holds numeric functions that more than one package of this module needs.
package numeric

import (
	"math"
	"slices"
)

// Argmax returns the index of the largest value, the first of equals.
func Argmax[T float32 | float64](v []T) int {
	best := 0
	for i, x := range v {
		if x > v[best] {
			best = i
		}
	}
	return best
}

// Softmax writes exp(logits/temperature) / sum exp(logits/temperature) to p, which may be logits
// itself.
func Softmax(p, logits []float64, temperature float64) {
	top, sum := slices.Max(logits), 0.0
	for i, z := range logits {
		p[i] = math.Exp((z - top) / temperature)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
}

// Sigmoid returns 1/(1+exp(-z)), without overflow.
func Sigmoid(z float64) float64 {
	e := math.Exp(-math.Abs(z))
	if z >= 0 {
		return 1 / (1 + e)
	}
	return e / (1 + e)
}

// CrossEntropy returns -ln softmax(logits / temperature)[label], finite for finite logits.
func CrossEntropy(logits []float64, label int, temperature float64) float64 {
	top := logits[Argmax(logits)]
	sum := 0.0
	for _, l := range logits {
		sum += math.Exp((l - top) / temperature)
	}
	return math.Log(sum) - (logits[label]-top)/temperature
}

// BinaryCrossEntropy returns the sum over labels of -ln of the probability, sigmoid(logit /
// temperature), of what is true: of having the labels of the set, and of lacking the others.
func BinaryCrossEntropy(logits []float64, set []int, temperature float64) float64 {
	sum := 0.0
	for _, l := range logits {
		z := l / temperature
		sum += max(z, 0) + math.Log1p(math.Exp(-math.Abs(z)))
	}
	for _, l := range set {
		sum -= logits[l] / temperature
	}
	return sum
}

// Ratio returns a/n, and 0 for 0 of 0.
func Ratio(a float64, n int) float64 {
	if n == 0 {
		return 0
	}
	return a / float64(n)
}

// Dot returns the scalar product of two vectors of equal length.
func Dot(a, b []float32) float64 {
	sum := 0.0
	b = b[:len(a)]
	for i, v := range a {
		sum += float64(v) * float64(b[i])
	}
	return sum
}

// Distance returns |got - want| / |want|, Euclidean norms in float64; NaN where one of them holds a
// NaN or their lengths differ.
func Distance(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.NaN()
	}
	var diff, norm float64
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		diff += d * d
		norm += float64(w) * float64(w)
	}
	if diff == 0 {
		return 0
	}
	return math.Sqrt(diff / norm)
}

// Scored is an index with its score.
type Scored struct {
	Index int
	Score float64
}

// TopK returns those of the indexes 0..n-1 that have the k highest scores, highest first and equal
// ones in their order. An index whose score is not ok is left out.
func TopK(n, k int, score func(i int) (s float64, ok bool)) []Scored {
	best := make([]Scored, 0, k+1)
	for i := range n {
		s, ok := score(i)
		if !ok {
			continue
		}
		at := len(best)
		for at > 0 && best[at-1].Score < s {
			at--
		}
		if at < k {
			best = slices.Insert(best, at, Scored{i, s})
			best = best[:min(len(best), k)]
		}
	}
	return best
}
