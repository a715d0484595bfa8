package metrics

import (
	"cmp"
	"math"
	"slices"

	"github.com/c236555e/rehead/internal/numeric"
)

// calibrationBins is the number of equally wide bins of confidence that calibrationError uses.
const calibrationBins = 15

// calibrationError returns the expected calibration error: over bins of confidence (the top label's
// probability), the mean of |accuracy - confidence| weighted by the number of examples; 0 when
// there are none.
func calibrationError(logits []float64, labels []int, classes int, temperature float64) float64 {
	var count, right, conf [calibrationBins]float64
	p := make([]float64, classes)
	for i, l := range labels {
		row := logits[i*classes : (i+1)*classes]
		numeric.Softmax(p, row, temperature)
		top := numeric.Argmax(row)
		bin := binOf(p[top])
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

// Bin is answers whose probabilities lie in a range.
type Bin struct {
	Low, High            float64 // the least and the largest probability
	Count                int
	Confidence, Accuracy float64    // means
	Interval             [2]float64 // of the accuracy, Wilson's, 95 %
}

// Reliability sorts the answers of a part (or "all") by their probability into at most so many bins
// of about as many answers each, and returns how many pictures there are. Where pictures have any
// number of labels, each picture has an answer for each label. Equal probabilities share a bin.
func (d Predictions) Reliability(part string, temperature float64, bins int) (list []Bin, pictures int) {
	if !d.whole() || !(temperature > 0) || bins < 1 {
		return nil, 0
	}
	type answer struct {
		probability float64
		right       bool
	}
	var all []answer
	k := len(d.Labels)
	logits, items := d.of(part)
	if d.MultiLabel {
		s := decide(logits, labelSets(items), temperature, nil, k)
		for i, p := range s.prob {
			all = append(all, answer{p, s.has[i]})
		}
	} else {
		p := make([]float64, k)
		for i, it := range items {
			row := logits[i*k : (i+1)*k]
			numeric.Softmax(p, row, temperature)
			top := numeric.Argmax(row)
			all = append(all, answer{p[top], top == it.Label})
		}
	}
	slices.SortFunc(all, func(a, b answer) int { return cmp.Compare(a.probability, b.probability) })
	for from, n := 0, 0; from < len(all); {
		for n++; n*len(all)/bins <= from; n++ { // the next end of a bin
		}
		to := n * len(all) / bins
		for to < len(all) && all[to].probability == all[to-1].probability {
			to++
		}
		b := Bin{Low: all[from].probability, High: all[to-1].probability, Count: to - from}
		right := 0
		for _, a := range all[from:to] {
			b.Confidence += a.probability / float64(b.Count)
			if a.right {
				right++
			}
		}
		b.Accuracy, b.Interval = float64(right)/float64(b.Count), Wilson(right, b.Count)
		list, from = append(list, b), to
	}
	return list, len(items)
}

// binOf returns the bin of a probability.
func binOf(p float64) int { return min(int(p*calibrationBins), calibrationBins-1) }
