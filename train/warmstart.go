package train

import (
	"errors"
	"fmt"

	"github.com/c236555e/rehead/inception"
)

// warmStart is the older model's head with the rows of this run's labels; labels that it does not
// know begin at zero.
func (r *run) warmStart() (*inception.Head, error) {
	m, labels := r.cfg.WarmStart, r.folder.Labels
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("train: warm start: %w", err)
	}
	if m.TrunkDigest != r.weights.Digest {
		return nil, fmt.Errorf("train: warm start: the model's trunk (%s, %s, digest %.12s) is not this run's (%s, %s, "+
			"digest %.12s): give the weights and the precision that it was trained with",
			m.Flavor, m.Precision(), m.TrunkDigest, r.weights.Flavor, r.weights.Precision(), r.weights.Digest)
	}
	if !m.Reads.Equal(r.reads) {
		return nil, fmt.Errorf("train: warm start: the model's head reads %v, this run's %v: give --features as it was in "+
			"that run, or start from none", m.Reads, r.reads)
	}
	if !m.Head.Linear() {
		return nil, fmt.Errorf("train: warm start: the model's head is %s, want a linear one: start from none",
			m.Head.Describe())
	}
	if m.MultiLabel() != r.folder.MultiLabel {
		return nil, errors.New("train: warm start: one of the model and the pictures has one label a picture, the other " +
			"several: start from none")
	}
	known := make(map[string]int, len(m.Labels))
	for i, l := range m.Labels {
		known[l] = i
	}
	f := m.Head.Features
	h := &inception.Head{Classes: len(labels), Features: f, W: make([]float32, len(labels)*f),
		B: make([]float32, len(labels)), Activation: m.Head.Activation}
	found := 0
	for i, l := range labels {
		if k, ok := known[l]; ok {
			copy(h.W[i*f:(i+1)*f], m.Head.W[k*f:(k+1)*f])
			h.B[i] = m.Head.B[k]
			found++
		}
	}
	if found == 0 {
		return nil, fmt.Errorf("train: warm start: the model knows none of the labels %s, only %s: start from none",
			quoted(labels), quoted(m.Labels))
	}
	return h, nil
}
