package head

import (
	"context"
	"fmt"
	"slices"

	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/nn/linalg"
)

// anchor is a point where loss and gradient are known well, so that bfloat16 has only to tell what changes
// on the way from there: its relative error of some thousandth is one of the way, not of the whole.
type anchor struct {
	theta []float64 // W [K,F], b [K]
	grad  []float64 // [K,F], of the mean loss by W, without the L2 term
	z, u  []float32 // [n,ld]: logits without the bias, and residuals

	packed linalg.Weights // of the way from there
}

// Of evaluations in bfloat16.
const (
	// products of an evaluation's logits from which on they pay: the anchors cost more than they save else
	roughProducts = 1 << 28
	// the share of an anchor's gap that calls for the next one: at a hundredth of its gradient, what is told
	// from there is right to a tenth
	roughShare = 1e-4
)

// rough says whether examples are laid out in bfloat16: their own space is solved in float32.
func (c Config) rough(n, f, k int) bool {
	return c.bfloat16 > 0 ||
		c.bfloat16 == 0 && linalg.FastBFloat16() && float64(n)*float64(f)*float64(k) >= roughProducts && !ownsSpace(n, f)
}

// anchorAt makes theta the anchor, where the mean loss has the gradient data by W. Float32 tells logits and
// residuals, unless z has the former already. Where it is stopped, the same call made again does the rest.
func (o *objective) anchorAt(theta, data []float64, known bool) error {
	if o.anchor == nil {
		o.anchor = &anchor{}
	}
	a := o.anchor
	a.theta, a.grad = slices.Clone(theta), data
	if !known {
		if err := o.logits(theta); err != nil {
			return err
		}
	}
	if a.z == nil {
		a.z, a.u = make([]float32, len(o.z)), make([]float32, len(o.z))
	}
	copy(a.z, o.z)
	return par.Each(context.WithoutCancel(o.ctx), len(o.lanes), o.chunks(), func(worker, c int) error {
		lo, hi := c*o.chunk, min((c+1)*o.chunk, o.n)
		r := o.lanes[worker].residuals(o, a.theta[o.k*o.f:], lo, hi)
		copy(a.u[lo*o.ld:hi*o.ld], r.u)
		return nil
	})
}

// dataGradient is the gradient of the mean loss by W where grad is the objective's.
func (o *objective) dataGradient(theta, grad []float64) []float64 {
	data := make([]float64, o.k*o.f)
	for i := range data {
		data[i] = grad[i] - o.l2*theta[i]
	}
	return data
}

// roughValue is value by products in bfloat16 of what differs from the anchor.
func (o *objective) roughValue(theta, grad []float64) (float64, error) {
	a, w := o.anchor, o.k*o.f
	for i := range o.w32 {
		o.w32[i] = float32(theta[i] - a.theta[i])
	}
	if err := o.rough.Pack(&a.packed, o.w32, o.k, o.threads); err != nil {
		return 0, fmt.Errorf("train: fit: %w", err)
	}
	err := o.eachChunk(func(_ *lane, lo, hi int) error {
		z := o.z[lo*o.ld : hi*o.ld]
		if err := o.rough.Times(z, o.ld, &a.packed, lo, hi); err != nil {
			return err
		}
		for i, v := range a.z[lo*o.ld:][:len(z)] {
			z[i] += v
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	b := slices.Clone(theta[w:])
	if _, err := o.bias().best(b, nearBias); err != nil {
		return 0, err
	}
	clear(grad)
	loss := 0.0
	err = o.inTurn(func(l *lane, lo, hi int) error {
		r := l.residuals(o, b, lo, hi)
		for i, v := range a.u[lo*o.ld:][:len(r.u)] {
			r.u[i] -= v
		}
		l.rough.Clear()
		return l.rough.Add(r.u, r.ld, lo, hi)
	}, func(l *lane) error {
		loss += l.loss
		o.addBias(grad, l)
		return l.rough.AddTo(grad[:w], 1)
	})
	if err != nil {
		return 0, err
	}
	copy(theta[w:], b)
	value := o.regularise(loss, theta, grad)
	for i, v := range a.grad {
		grad[i] += v
	}
	return value, nil
}
