package inception

import (
	"cmp"
	"slices"

	"github.com/c236555e/rehead/internal/numeric"
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
