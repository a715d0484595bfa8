package inception

import (
	"context"
	"fmt"
	"math"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/numeric"
)

// checkViews names what is wrong with Views.
func (m *Model) checkViews() error {
	if m.Views < 0 || m.Views > picture.MaxViews {
		return fmt.Errorf("inception: model: views: got %d, want 0 (the picture alone) to %d", m.Views, picture.MaxViews)
	}
	return nil
}

// CombineViews turns the logits [views,K] of views of a picture into one set of logits, in the place
// of the first: those whose probabilities are the mean of the views' probabilities. Of a head of one
// label a picture, their [UnknownScore] is the mean of the views', too. A model without a head and
// other lengths are refused.
func (m *Model) CombineViews(logits []float64) ([]float64, error) {
	if m == nil || m.Head.Classes < 1 || len(logits) == 0 || len(logits)%m.Head.Classes != 0 {
		return nil, fmt.Errorf("inception: combine views: got %d logits, want some for each view and a model with a head",
			len(logits))
	}
	k := m.Head.Classes
	n := len(logits) / k
	if n < 2 {
		return logits, nil
	}
	t := m.Temperature
	if t == 0 {
		t = 1
	}
	mean, complement, p, score := make([]float64, k), make([]float64, k), make([]float64, k), 0.0
	for v := range n {
		z := logits[v*k : (v+1)*k]
		score += UnknownScore(z) / float64(n)
		if !m.MultiLabel() {
			numeric.Softmax(p, z, t)
		}
		for i := range p {
			if m.MultiLabel() {
				p[i] = numeric.Sigmoid(z[i] / t)
				complement[i] += numeric.Sigmoid(-z[i]/t) / float64(n)
			}
			mean[i] += p[i] / float64(n)
		}
	}
	out := logits[:k]
	for i := range out {
		out[i] = t * math.Log(max(mean[i], math.SmallestNonzeroFloat64))
		if m.MultiLabel() {
			out[i] -= t * math.Log(max(complement[i], math.SmallestNonzeroFloat64))
		}
	}
	if !m.MultiLabel() {
		shift := score - UnknownScore(out)
		for i := range out {
			out[i] += shift
		}
	}
	return out, nil
}

// answerViews is answer for a picture of which the model wants several views: the first one's
// bottleneck is there, the others are computed from its pixels.
func (c *Classifier) answerViews(ctx context.Context, r *Result, pixels, bottleneck []float32) error {
	n, size, f := c.model.Views, len(pixels), c.trunk.Features()
	views, rows := make([]float32, (n-1)*size), make([]float32, n*f)
	copy(rows, bottleneck)
	for k := 1; k < n; k++ {
		if err := picture.FixedView(k, c.trunk.Size(), pixels, views[(k-1)*size:k*size]); err != nil {
			return err
		}
	}
	if err := c.trunk.Embed(ctx, n-1, views, rows[f:]); err != nil {
		return err
	}
	c.answerRows(r, rows)
	return nil
}

// answerRows is answer for the bottlenecks [views,F] of a picture, the first of them its own.
func (c *Classifier) answerRows(r *Result, rows []float32) {
	k, f := c.model.Head.Classes, c.trunk.Features()
	n := len(rows) / f
	logits := make([]float64, n*k)
	for v := range n {
		if c.model.answer(r, rows[v*f:(v+1)*f:(v+1)*f], logits[v*k:(v+1)*k]); r.Err != nil {
			return
		}
	}
	mean, err := c.model.CombineViews(logits)
	if err != nil {
		r.Err = err
		return
	}
	c.model.say(r, mean)
	r.Bottleneck = rows[:f:f]
}
