// Package numeric holds numeric functions that more than one package of this module needs.
package numeric

import (
	"math"
	"slices"
)

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
