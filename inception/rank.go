package inception

import (
	"cmp"
	"errors"
	"slices"

	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/internal/safetensors"
)

// temperature is the one in use.
func (m *Model) temperature() float64 { return cmp.Or(m.Temperature, 1) }

// MultiLabel reports whether a picture may have any number of labels: whether the head is one of
// sigmoids.
func (m *Model) MultiLabel() bool { return m.Head.Activation == Sigmoid }

// Threshold returns the probability from which on a picture is said to have label k; only of use
// where MultiLabel.
func (m *Model) Threshold(k int) float64 {
	if k < 0 || k >= len(m.Thresholds) {
		return 0.5
	}
	return m.Thresholds[k]
}

// probabilities turns one picture's logits [Classes] into probabilities,
// softmax(logits/Temperature) or, where MultiLabel, sigmoid(logits/Temperature), in place.
func (m *Model) probabilities(logits []float64) {
	t := m.temperature()
	if m.MultiLabel() {
		for i, z := range logits {
			logits[i] = numeric.Sigmoid(z / t)
		}
		return
	}
	numeric.Softmax(logits, logits, t)
}

// rank turns one picture's logits [Classes], which it leaves alone, into predictions of all
// classes, most probable first and ties in the order of the labels.
func (m *Model) rank(logits []float64) []Prediction {
	p := slices.Clone(logits)
	m.probabilities(p)
	ranked := make([]Prediction, len(p))
	for i := range p {
		ranked[i] = Prediction{Label: m.Labels[i], Probability: p[i], Class: i}
	}
	slices.SortStableFunc(ranked, func(a, b Prediction) int { return cmp.Compare(b.Probability, a.Probability) })
	return ranked
}

// answered returns the labels of a ranking that reach their thresholds, nil unless MultiLabel.
func (m *Model) answered(ranked []Prediction) []string {
	if !m.MultiLabel() {
		return nil
	}
	out := []string{}
	for _, r := range ranked {
		if r.Probability >= m.Threshold(r.Class) {
			out = append(out, r.Label)
		}
	}
	return out
}

// Answer is what the model says of what its head reads, such as a bottleneck of its trunk, which need not
// be there: what Classify answers for a picture with these features, but for Info and the views that
// Views asks for. Features that are not finite, or not as many as the head reads, have an Err.
func (m *Model) Answer(features []float32) (r Result) {
	if m == nil || len(m.Labels) != m.Head.Classes {
		r.Err = errors.New("inception: answer: got a model without a head or without its labels")
		return r
	}
	m.answer(&r, features, make([]float64, m.Head.Classes))
	return r
}

// answer fills in what the head makes of a bottleneck; logits is scratch, and has the logits
// afterwards.
func (m *Model) answer(r *Result, bottleneck []float32, logits []float64) {
	if safetensors.NotFinite(bottleneck) >= 0 {
		r.Err = ErrNotFinite
		return
	}
	if r.Err = m.Head.Logits(bottleneck, logits); r.Err != nil {
		return
	}
	r.Bottleneck = bottleneck
	m.say(r, logits)
}

// say fills in what logits mean.
func (m *Model) say(r *Result, logits []float64) {
	r.Predictions, r.Unknown = m.rank(logits), m.unknown(logits, r.Bottleneck)
	r.Labels = m.answered(r.Predictions)
}
