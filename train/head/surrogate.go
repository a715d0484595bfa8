package head

import (
	"context"
	"errors"
	"math"
	"slices"
)

// surrogate is the loss of a sample that stands for all rows, moved so that its gradient at some head is
// that of all.
type surrogate struct {
	*objective
	sampled *targets // of the sample as it is
	bias0   []float64
	front   *metric
	linear  []float64 // [dim], what is added to the gradient; nil: nothing
	at      []float64 // where prox holds it
	prox    float64   // weight of |W - at|^2 / 2
}

// stepFrom is where a surrogate is solved from: a head, and what is known of it. Without a head it is
// the first.
type stepFrom struct {
	x, grad       []float64
	loss, gap     float64
	prox, longest float64
	tolerance, l2 float64
	s, y          [][]float32 // of the steps before
}

// Of the surrogate's solution.
const (
	surrogateFirst = 0.3  // of the tolerance, for the first head
	surrogateShare = 0.01 // of the gap of the whole
	surrogateLeast = 0.15 // of the tolerance: more is not to be gained by it
	surrogateSteps = 300
)

// begin makes ready what needs the sample's rows. The biases of all rows' labels are known before, and so
// is what the sample's want of them.
func (p *surrogate) begin(full *targets) error {
	p.sampled, p.bias0 = p.targets, full.bias()
	principal, err := p.principal()
	if err != nil {
		return err
	}
	p.front = principal.metric(p.objective)
	p.move(make([]float64, p.dim()))
	for l, w := range p.sampled.wanted {
		p.linear[p.k*p.f+l] = w - full.wanted[l]
	}
	p.move(p.linear)
	return nil
}

// move adds linear to the gradient.
func (p *surrogate) move(linear []float64) {
	t := *p.sampled
	p.linear, p.pull = linear, linear[p.k*p.f:]
	t.wanted = slices.Clone(t.wanted)
	for l, c := range p.pull {
		t.wanted[l] = max(t.wanted[l]-c, math.SmallestNonzeroFloat32)
	}
	p.targets = &t
}

// value is that of the moved loss.
func (p *surrogate) value(theta, grad []float64) (float64, error) {
	loss, err := p.objective.value(theta, grad)
	if err != nil {
		return 0, err
	}
	for i, c := range p.linear {
		loss += c * theta[i]
		grad[i] += c
	}
	if p.prox > 0 {
		square := 0.0
		for i, a := range p.at[:p.k*p.f] {
			d := theta[i] - a
			square += d * d
			grad[i] += p.prox * d
		}
		loss += p.prox / 2 * square
	}
	return loss, nil
}

// solve returns the head that minimises the surrogate, nearly, and how often it was evaluated.
func (p *surrogate) solve(ctx context.Context, from stepFrom) (x []float64, evaluations int, err error) {
	p.ctx = ctx
	w := p.k * p.f
	start := make([]float64, p.dim())
	copy(start[w:], p.bias0)
	back := func(x []float64) {}
	if p.prox = 0; from.x != nil {
		copy(start, from.x)
		q, then := from.turned(p.threads)
		if err := p.meet(from.x, q); err != nil {
			return nil, 0, err
		}
		back = then
		p.at, p.prox, evaluations = from.x, from.prox, 1
	}
	m, err := newLBFGS(p.value, start, p.threads)
	if err != nil {
		return nil, 0, err
	}
	m.plain, m.metric = w, p.front
	m.pairs = int(max(lbfgsFewest, min(lbfgsMost, lbfgsNumbers/int64(len(m.x)))))
	for m.iterations < surrogateSteps {
		enough := surrogateFirst * from.tolerance * m.loss
		if from.x != nil {
			enough = max(surrogateLeast*from.tolerance*from.loss, surrogateShare*from.gap)
		}
		if squares(p.threads, m.grad[:w])/(2*from.l2) <= enough {
			break
		}
		if err := m.step(); errors.Is(err, errNoWay) {
			break
		} else if err != nil {
			return nil, 0, err
		}
	}
	back(m.x)
	if len(from.s) > 0 { // the bias is the best for these weights, not the one that would be turned with them
		if err := p.logits(m.x); err != nil {
			return nil, 0, err
		}
		if _, err := p.bias().best(m.x[w:], nearBias); err != nil {
			return nil, 0, err
		}
	}
	from.shorten(m.x, w)
	return m.x, evaluations + m.evaluations, nil
}

// turned is the gradient as the two loops of L-BFGS turn it before they apply their first matrix, and
// what they do with the weights behind it. Biases are left out: they follow from the weights.
func (from stepFrom) turned(threads int) (q []float64, then func(x []float64)) {
	q = slices.Clone(from.grad)
	w := 0
	if len(from.s) > 0 {
		w = len(from.s[0])
	}
	alpha, curvature := make([]float64, len(from.s)), make([]float64, len(from.s))
	for i := len(from.s) - 1; i >= 0; i-- {
		curvature[i] = product(threads, from.s[i], from.y[i])
		alpha[i] = dot(threads, from.s[i], q[:w]) / curvature[i]
		addScaled(threads, q[:w], -alpha[i], from.y[i])
	}
	return q, func(x []float64) {
		step := x[:w]
		for i := range step {
			step[i] = from.x[i] - step[i] // backwards
		}
		for i := range from.s {
			beta := dot(threads, from.y[i], step) / curvature[i]
			addScaled(threads, step, alpha[i]-beta, from.s[i])
		}
		for i := range step {
			step[i] = from.x[i] - step[i]
		}
	}
}

// shorten makes a step, of weights and biases, so short that the weights move no further than they may.
func (from stepFrom) shorten(x []float64, weights int) {
	if from.longest == 0 {
		return
	}
	square := 0.0
	for i, v := range x[:weights] {
		d := v - from.x[i]
		square += d * d
	}
	if part := from.longest / math.Sqrt(square); part < 1 {
		for i, v := range x {
			x[i] = from.x[i] + part*(v-from.x[i])
		}
	}
}

// meet moves the loss so that its gradient at the head x is q.
func (p *surrogate) meet(x, q []float64) error {
	if err := p.logits(x); err != nil {
		return err
	}
	own := make([]float64, p.dim())
	loss, err := p.gradient(x[p.k*p.f:], own)
	if err != nil {
		return err
	}
	p.regularise(loss, x, own)
	for i, g := range q {
		own[i] = g - own[i]
	}
	p.move(own)
	return nil
}
