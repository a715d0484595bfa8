package head

import (
	"fmt"
	"math"
	"slices"

	"github.com/c236555e/rehead/nn/linalg"
)

// exactAt returns the objective at theta, whatever its bias, and writes its gradient to grad: in
// float64 throughout, but for the rows, which are float32.
func (o *objective) exactAt(theta, grad []float64) (float64, error) {
	if err := o.exactLogits(theta); err != nil {
		return 0, err
	}
	loss, err := o.exactGradient(theta[o.k*o.f:], grad)
	if err != nil {
		return 0, err
	}
	return o.regularise(loss, theta, grad), nil
}

// exactValue is value in float64.
func (o *objective) exactValue(theta, grad []float64) (float64, error) {
	if err := o.exactLogits(theta); err != nil {
		return 0, err
	}
	b := slices.Clone(theta[o.k*o.f:])
	if _, err := o.exactBias().best(b, biasNearest); err != nil {
		return 0, err
	}
	loss, err := o.exactGradient(b, grad)
	if err != nil {
		return 0, err
	}
	copy(theta[o.k*o.f:], b)
	return o.regularise(loss, theta, grad), nil
}

// exactLogits writes W z of all examples to u.
func (o *objective) exactLogits(theta []float64) error {
	if o.u == nil {
		o.u = make([]float64, o.n*o.k)
	}
	err := o.eachChunk(func(l *lane, lo, hi int) error {
		u := linalg.New(o.u[lo*o.k:hi*o.k], hi-lo, o.k)
		clear(u.Data)
		rows, from, err := o.part(l, lo, hi)
		if err != nil {
			return err
		}
		return rows.Blocks(from, from+hi-lo, func(k int, m linalg.Matrix[float32]) error {
			w := linalg.Matrix[float64]{Data: theta[k : o.k*o.f], Rows: o.k, Cols: m.Cols, Stride: o.f}
			return linalg.AddProduct(u, m, w, linalg.Product{TransposeB: true})
		})
	})
	if err != nil {
		return fmt.Errorf("train: fit: %w", err)
	}
	return nil
}

// exactGradient returns the sum of the losses with the logits u and a bias, and writes the sums of
// their gradients to grad.
func (o *objective) exactGradient(b, grad []float64) (loss float64, err error) {
	clear(grad)
	w := o.k * o.f
	err = o.inTurn(func(l *lane, lo, hi int) error {
		r := linalg.New(l.exact(o, b, lo, hi).u, hi-lo, o.k)
		if len(l.gradW) != w {
			l.gradW = make([]float64, w)
		}
		clear(l.gradW)
		rows, from, err := o.part(l, lo, hi)
		if err != nil {
			return err
		}
		return rows.Blocks(from, from+hi-lo, func(k int, m linalg.Matrix[float32]) error {
			g := linalg.Matrix[float64]{Data: l.gradW[k:], Rows: o.k, Cols: m.Cols, Stride: o.f}
			return linalg.AddProduct(g, r, m, linalg.Product{TransposeA: true})
		})
	}, func(l *lane) error {
		loss += l.loss
		o.addBias(grad, l)
		for i, v := range l.gradW {
			grad[i] += v
		}
		return nil
	})
	return loss, err
}

// exact makes the logits of rows lo to hi-1 residuals, in the lane's own memory.
func (l *lane) exact(o *objective, b []float64, lo, hi int) rowsOf[float64] {
	if l.wide == nil {
		l.wide = make([]float64, o.chunk*o.k)
	}
	r := rowsOf[float64]{l.wide[:(hi-lo)*o.k], o.k, lo, hi}
	copy(r.u, o.u[lo*o.k:hi*o.k])
	l.loss = residuals(o.targets, r, b, l.biasG)
	return r
}

// certificate says how near a head is to the optimum.
type certificate struct {
	loss     float64 // the objective
	gap      float64 // the least that it can be is at most this much less
	gradient float64 // its largest component
	fell     float64 // what the best bias took off the objective
}

// certify bounds how far the objective at theta lies above its least value, in float64. It moves
// theta's bias to the best for theta's weights, and writes the gradient there to grad.
//
// The bound is the duality gap. For any probabilities q_i of the examples whose mean, weighted, is
// that of the targets t_i, the least value is at least
//
//	D(q) = 1/n sum_i v_i H(q_i) - |G|^2 / (2 L2),  G = 1/n sum_i v_i (q_i - t_i) z_i
//
// H being the entropy. With q_i = softmax(W z_i + b) the objective is D(q) + |G + L2 W|^2 / (2 L2)
// + <g, b>, g being the gradient by b, and the first term is what strong convexity gives. What g is
// not quite 0 by is mended: (1-e) q_i + e c, with the constant probabilities c that make up for it,
// has the mean that is asked for, at least (1-e) of the entropy, and a G that is at most e sqrt(2)
// times the mean of v_i |z_i| away. Sigmoids are as many questions of two answers.
func (o *objective) certify(theta, grad []float64) (c certificate, err error) {
	w := o.k * o.f
	b := theta[w:]
	before := slices.Clone(b)
	defer func() {
		if err != nil {
			copy(b, before)
		}
	}()
	if err := o.exactLogits(theta); err != nil {
		return c, err
	}
	first, err := o.exactBias().best(b, biasNearest)
	if err != nil {
		return c, err
	}
	sum, err := o.exactGradient(b, grad)
	if err != nil {
		return c, err
	}
	loss := o.regularise(sum, theta, grad)
	c = o.bound(theta, grad)
	c.loss, c.fell = loss, max(0, (first-sum)/float64(o.n))
	return c, nil
}

// bound is the certificate of theta, but for its loss, from the gradient there.
func (o *objective) bound(theta, grad []float64) (c certificate) {
	w := o.k * o.f
	b := theta[w:]
	square := 0.0
	for _, g := range grad[:w] {
		square += g * g
		c.gradient = max(c.gradient, math.Abs(g))
	}
	c.gap = square / (2 * o.l2)
	pull := 0.0 // <g, b>
	for l, g := range grad[w:] {
		pull += g * b[l]
		c.gradient = max(c.gradient, math.Abs(g))
	}
	data := 0.0 // |G|
	for i, g := range grad[:w] {
		d := g - o.l2*theta[i]
		data += d * d
	}
	share := o.mend(b, grad[w:])
	away := share * math.Sqrt2 * o.length
	c.gap += math.Abs(pull) + share*o.entropy() + away*(2*math.Sqrt(data)+away)/(2*o.l2)
	return c
}

// entropy is the most that the mean entropy can be.
func (o *objective) entropy() float64 {
	if o.ex.MultiLabel == nil {
		return o.targets.all[0] * math.Log(float64(o.k))
	}
	sum := 0.0
	for _, a := range o.targets.all {
		sum += a * math.Ln2
	}
	return sum
}

// mend is how much of the probabilities has to be replaced by constant ones for their mean to be the
// targets', where their difference is g.
func (o *objective) mend(b, g []float64) (share float64) {
	t, sum := o.targets, 0.0
	for l, d := range g {
		if decided(b[l]) {
			continue
		}
		said := t.wanted[l] + d // the mean of what is said now
		e := d / said
		if o.ex.MultiLabel != nil {
			e = max(e, -d/(t.all[l]-said))
		}
		e = max(e, 0)
		if o.ex.MultiLabel == nil {
			share = max(share, e)
		}
		sum += e * e
	}
	if o.ex.MultiLabel != nil {
		share = math.Sqrt(sum)
	}
	if !(share <= 1) {
		return 1
	}
	return share
}
