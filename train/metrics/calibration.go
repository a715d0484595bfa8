package metrics

import (
	"math"

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

// Bin is the answers whose probability lies in a range.
type Bin struct {
	Count                int
	Confidence, Accuracy float64 // means
}

// Reliability sorts the answers of a part (or "all") into the equally wide bins of probability that
// the expected calibration error is made of, and returns how many pictures it has. Where pictures
// have any number of labels, each picture has an answer for each label.
func (d Predictions) Reliability(part string, temperature float64) (bins []Bin, pictures int) {
	bins = make([]Bin, calibrationBins)
	if !d.whole() || !(temperature > 0) {
		return bins, 0
	}
	k := len(d.Labels)
	logits, items := d.of(part)
	if d.MultiLabel {
		s := decide(logits, labelSets(items), temperature, nil, k)
		for i, p := range s.prob {
			bins[binOf(p)].add(p, s.has[i])
		}
	} else {
		p := make([]float64, k)
		for i, it := range items {
			row := logits[i*k : (i+1)*k]
			numeric.Softmax(p, row, temperature)
			top := numeric.Argmax(row)
			bins[binOf(p[top])].add(p[top], top == it.Label)
		}
	}
	for i := range bins {
		if n := float64(bins[i].Count); n > 0 {
			bins[i].Confidence /= n
			bins[i].Accuracy /= n
		}
	}
	return bins, len(items)
}

// add sums up an answer.
func (b *Bin) add(probability float64, right bool) {
	b.Count++
	b.Confidence += probability
	if right {
		b.Accuracy++
	}
}

// binOf returns the bin of a probability.
func binOf(p float64) int { return min(int(p*calibrationBins), calibrationBins-1) }
