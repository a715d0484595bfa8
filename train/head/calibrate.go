package head

import (
	"cmp"
	"math"
	"slices"

	"github.com/c236555e/rehead/internal/numeric"
)

// Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", 2017): probabilities
// are softmax(logits / T), with the T that makes the true labels of held-out pictures most likely.
// Ranks do not change.

const (
	// temperatureSpread is the standard deviation of the normal prior on ln T around T = 1: it
	// keeps T near 1 when there are only a handful of held-out pictures, and vanishes with a
	// hundred.
	temperatureSpread = 0.5
	maxTemperature    = 20.0 // T is kept in 1/maxTemperature..maxTemperature
)

// FitTemperature returns the T that minimises sum_i v_i H(label_i, softmax(logits_i / T)) + (ln T /
// spread)^2 / 2 by golden-section search over ln T, H being the cross entropy (with several labels
// an example, the sum over labels of that of the sigmoid) and v_i the weights, of mean 1. It
// returns 1 when there are no examples, or none that the logits belong to, and unless what T gains
// exceeds its noise: the sum over the examples of the fall of v_i H, and its standard error, which
// is that of the falls' mean times n. As T was fitted on the same examples, a T that is 1 passes
// about one time in twenty: near 1 the sum is z^2 / 2 and its standard error |z|, z being the
// score's distance from 0 in standard deviations. logits are [n,K].
func FitTemperature(logits []float64, ex Examples) float64 {
	if len(ex.Labels) == 0 || !ex.answeredBy(logits) {
		return 1
	}
	total := 0.0
	for i := range ex.Labels {
		total += ex.weight(i)
	}
	scale := float64(len(ex.Labels)) / total
	cost := func(lnT float64) float64 {
		t, sum := math.Exp(lnT), 0.0
		for i := range ex.Labels {
			sum += ex.weight(i) * ex.entropy(i, logits[i*ex.Classes:(i+1)*ex.Classes], t)
		}
		return sum*scale + lnT*lnT/(2*temperatureSpread*temperatureSpread)
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
	if t := math.Exp((lo + hi) / 2); gains(logits, ex, t) {
		return t
	}
	return 1
}

// gains tells whether the temperature lowers the examples' cross entropy by more than the standard
// error of that.
func gains(logits []float64, ex Examples, t float64) bool {
	sum, squares, n := 0.0, 0.0, float64(len(ex.Labels))
	for i := range ex.Labels {
		row := logits[i*ex.Classes : (i+1)*ex.Classes]
		fall := ex.weight(i) * (ex.entropy(i, row, 1) - ex.entropy(i, row, t))
		sum += fall
		squares += fall * fall
	}
	return sum > 0 && n > 1 && sum*sum > (squares-sum*sum/n)*n/(n-1)
}

// fewestDecided is how many pictures have to have a label, and to lack it, for a threshold of its
// own: the best for two or three pictures would be worth nothing on the next.
const fewestDecided = 5

// FitThresholds returns for each label, where examples have several, the probability from which on
// saying it gives the best F1 on the examples, weighted as they are, half-way to the next lower
// probability there, of equally good ones the nearest to 0.5; 0.5 for a label that fewer than
// 5 of them have or lack, and nil without any.
func FitThresholds(logits []float64, ex Examples, temperature float64) []float64 {
	if len(ex.Labels) == 0 || !ex.answeredBy(logits) || !(temperature > 0) {
		return nil
	}
	k := ex.Classes
	out := make([]float64, k)
	type scored struct {
		p, weight float64
		has       bool
	}
	list := make([]scored, len(ex.Labels))
	for l := range k {
		positives, said, right, having := 0.0, 0.0, 0.0, 0
		for i := range list {
			list[i] = scored{numeric.Sigmoid(logits[i*k+l] / temperature), ex.weight(i), slices.Contains(ex.MultiLabel[i], l)}
			if list[i].has {
				positives += list[i].weight
				having++
			}
		}
		out[l] = 0.5
		if min(having, len(list)-having) < fewestDecided {
			continue
		}
		slices.SortStableFunc(list, func(a, b scored) int { return cmp.Compare(b.p, a.p) })
		best := 0.0
		for i, s := range list {
			said += s.weight
			if s.has {
				right += s.weight
			}
			if i+1 < len(list) && list[i+1].p == s.p {
				continue
			}
			next := 0.0
			if i+1 < len(list) {
				next = list[i+1].p
			}
			at, f1 := (s.p+next)/2, 2*right/(said+positives)
			if f1 > best || f1 > 0 && f1 == best && math.Abs(at-0.5) < math.Abs(out[l]-0.5) {
				best, out[l] = f1, at
			}
		}
	}
	return out
}
