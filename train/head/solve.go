package head

import (
	"errors"
	"math"
	"slices"
)

// trust is how much of the gap that is allowed may remain by gradients in float32 before it is
// measured in float64.
const trust = 0.7

// descent is L-BFGS on its way to a head: in float32 as long as that can tell what is to be told,
// then in float64.
type descent struct {
	*lbfgs
	s         *solver
	o         *objective
	space     *space // that o is of; nil: o is the solver's
	tolerance float64
	exact     bool    // by o.exactValue
	rough     bool    // by o.roughValue
	anchored  int     // iterations at o's anchor
	from      float64 // gap there
	trust     float64 // as the constant; less after float64 was of another opinion
	at        int     // evaluations when it was last certified; so that nothing is certified twice
	found     certificate
	stuck     bool
	weight    int // numbers of W
	front     *metric
}

// runLBFGS minimises by L-BFGS: from a saved state, else from start, else from the configured head,
// else from zero. It saves its state now and then.
func (s *solver) runLBFGS(l2 float64, start []float64, k *checkpointer, from *state) (out *Solution, err error) {
	s.obj.l2 = l2
	if err := s.attach(); err != nil {
		return nil, s.why(err)
	}
	defer func() {
		if failed := s.detach(); err == nil && failed != nil {
			out, err = nil, failed
		}
	}()
	mon := s.monitor(l2, 0)
	d, err := s.descent(start, mon, from)
	if err != nil {
		return nil, s.why(err)
	}
	for d.space != nil {
		if err := d.run(mon, k); err != nil {
			return nil, err
		}
		whole, err := d.whole()
		if err != nil {
			return nil, d.stopped(err, mon, k)
		}
		d = whole
	}
	if err := d.run(mon, k); err != nil {
		return nil, err
	}
	out = s.solution(d.x)
	if slices.ContainsFunc(d.x[d.weight:], decided) {
		theta, err := s.obj.undecide(d.x)
		if err != nil {
			return nil, d.stopped(err, mon, k)
		}
		out.Head = s.head(theta)
	}
	out.Device, out.DeviceErr = s.on()
	out.L2, out.Loss, out.Gap, out.Gradient = l2, d.found.loss, d.found.gap, d.found.gradient
	out.Iterations, out.Evaluations = d.iterations, d.evaluations
	out.Converged, out.Losses = d.good(), mon.losses(d.iterations, out.Loss)
	if mon.keep {
		out.Snapshots = append(mon.kept, Snapshot{Loss{d.iterations, out.Loss}, out.Head})
	}
	err = mon.validate(d.x) // the last certificate moved the bias
	if err == nil {
		err = mon.report(d.x, d.iterations, out.Loss, out.Gradient, true)
	}
	if err != nil {
		return nil, d.stopped(err, mon, k)
	}
	return out, nil
}

// run goes on until there is nothing more to do.
func (d *descent) run(mon *monitor, k *checkpointer) error {
	for {
		done, err := d.done()
		if err != nil {
			return d.stopped(err, mon, k)
		}
		if done {
			return nil
		}
		if err := d.next(); err != nil {
			return d.stopped(err, mon, k)
		}
		if err := d.tell(mon); err != nil {
			return d.stopped(err, mon, k)
		}
		if k.due() {
			k.save(mon.with(d.state()))
		}
	}
}

// stopped keeps the state, and is what the caller hears.
func (d *descent) stopped(err error, mon *monitor, k *checkpointer) error {
	k.save(mon.with(d.state()))
	return d.s.stopped(err, k)
}

// tell tells of an iteration.
func (d *descent) tell(mon *monitor) (err error) {
	theta := d.x
	if d.space != nil && (mon.looks() || mon.keeps(d.iterations)) {
		if theta, err = d.space.near(d.x); err != nil {
			return err
		}
	}
	if err := mon.record(theta, d.iterations, d.loss); err != nil {
		return err
	}
	return mon.report(theta, d.iterations, d.loss, d.slope(), false)
}

// descent begins, or goes on from a state: in the examples' own space where that is smaller.
func (s *solver) descent(start []float64, mon *monitor, from *state) (*descent, error) {
	p, err := s.ownSpace()
	if err != nil {
		return nil, err
	}
	d := s.descentOn(p)
	if p == nil {
		if s.principal == nil {
			if s.principal, err = s.obj.principal(); err != nil {
				return nil, err
			}
		}
		d.front = s.principal.metric(s.obj)
	}
	if from != nil {
		if rest, ok := mon.resume(*from); ok {
			mon.keep = false // what came before is not known
			if d.resume(rest) == nil {
				return d, nil
			}
			if whole := s.descentOn(nil); p != nil && whole.resume(rest) == nil {
				return whole, nil
			}
		}
		mon.trace, mon.keep = nil, s.cfg.Snapshots
	}
	if start == nil {
		start = s.begin()
	}
	if p != nil {
		if start, err = p.in(start); err != nil {
			return nil, err
		}
	}
	if d.lbfgs, err = newLBFGS(d.o.value, start, s.cfg.Threads); err != nil {
		return nil, err
	}
	d.shape()
	if d.o.rough == nil || d.o.device != nil {
		return d, nil
	}
	d.rough = true
	return d, d.anchor(d.grad, true)
}

// descentOn is a descent that has not begun.
func (s *solver) descentOn(p *space) *descent {
	d := &descent{s: s, o: s.obj, space: p, trust: trust, at: -1, tolerance: s.cfg.Tolerance}
	if p != nil {
		d.o, d.tolerance = p.of, s.cfg.Tolerance*trust
		d.o.l2 = s.obj.l2
	}
	d.weight = d.o.k * d.o.f
	return d
}

// begin is where a descent begins that is not told where: at the configured head, or at the bias of
// how frequent labels are.
func (s *solver) begin() []float64 {
	o, start := s.obj, s.start()
	for l, b := range o.targets.bias() {
		switch at := o.k*o.f + l; {
		case decided(b):
			clear(start[l*o.f : (l+1)*o.f])
			start[at] = b
		case s.cfg.Start == nil:
			start[at] = b
		}
	}
	return start
}

// whole is the descent that goes on from one in the examples' own space: mostly to be certified.
func (d *descent) whole() (*descent, error) {
	start, err := d.space.out(d.x)
	if err != nil {
		return nil, err
	}
	w := d.s.descentOn(nil)
	if w.lbfgs, err = newLBFGS(w.o.value, start, d.s.cfg.Threads); err != nil {
		return nil, err
	}
	w.iterations, w.evaluations, w.loss = d.iterations, w.evaluations+d.evaluations, d.loss
	w.shape()
	return w, nil
}

// shape tells the minimiser of the bias, which value moves to its best for every W: what is left is a
// function of W alone. L-BFGS that moves both takes nearly twice as many steps.
func (d *descent) shape() {
	d.plain, d.metric = d.weight, d.front
	d.pairs = int(max(lbfgsFewest, min(lbfgsMost, lbfgsNumbers/int64(len(d.x)))))
}

// gap is what strong convexity says of the gradient by W.
func (d *descent) gap() float64 {
	return squares(d.threads, d.grad[:d.weight]) / (2 * d.o.l2)
}

// good says whether the head is near enough to the optimum.
func (d *descent) good() bool { return d.found.gap <= d.tolerance*d.found.loss }

// done says whether there is nothing more to do, which is only so of a head that was certified,
// whatever came of it.
func (d *descent) done() (bool, error) {
	last := d.stuck && d.exact || d.iterations >= d.s.cfg.MaxIterations
	switch {
	case d.at == d.evaluations: // of a state that was put away then, too
		return last || d.good(), nil
	case !last && d.gap() > d.trust*d.tolerance*d.loss:
		if !d.rough || d.gap() > roughShare*d.from {
			return false, nil
		}
		if err := d.refresh(); err != nil || d.gap() > d.trust*d.tolerance*d.loss {
			return false, err
		}
	}
	gap, bias := d.gap(), slices.Clone(d.x[d.weight:])
	var err error
	if d.found, err = d.o.certify(d.x, d.nextGradient()); err != nil {
		return false, err
	}
	d.evaluations++
	d.at = d.evaluations
	if d.good() {
		return true, nil
	}
	if last && !d.rough { // as the iterations left it
		copy(d.x[d.weight:], bias)
		d.found.gap += max(d.found.fell, d.loss-d.found.loss)
		d.found.loss, d.found.gradient = d.loss, d.slope()
	}
	if last {
		return true, nil
	}
	d.grad, d.nextGrad, d.loss = d.nextGrad, d.grad, d.found.loss
	if d.rough {
		d.trust /= 2
		return false, d.anchor(d.grad, false)
	}
	if d.trust /= 4; d.found.gap > 4*gap {
		d.exact, d.value = true, d.o.exactValue
	}
	return false, nil
}

// nextGradient is room for a gradient.
func (d *descent) nextGradient() []float64 {
	if d.nextGrad == nil {
		d.nextGrad = make([]float64, len(d.x))
	}
	return d.nextGrad
}

// next takes one step, or asks float32 where bfloat16 sees no way on, and float64 where float32 sees none.
func (d *descent) next() error {
	err := d.step()
	if !errors.Is(err, errNoWay) {
		return err
	}
	if d.exact {
		d.stuck = true
		return nil
	}
	if d.rough {
		if d.anchored < d.iterations {
			return d.refresh()
		}
		d.rough, d.sure, d.value = false, math.NaN(), d.o.value
		return d.restart()
	}
	d.value = d.o.exactValue
	if err := d.restart(); err != nil {
		d.value = d.o.value
		return err
	}
	d.exact = true
	return nil
}

// refresh evaluates where the minimiser is in float32 and anchors there.
func (d *descent) refresh() error {
	grad := d.nextGradient()
	loss, err := d.o.value(d.x, grad)
	if err != nil {
		return err
	}
	d.grad, d.nextGrad, d.loss = grad, d.grad, loss
	d.evaluations++
	return d.anchor(d.grad, true)
}

// anchor makes where the minimiser is the anchor of further evaluations; known as of anchorAt.
func (d *descent) anchor(grad []float64, known bool) error {
	d.value, d.sure = d.o.roughValue, d.loss
	d.anchored, d.from = d.iterations, d.gap()
	return d.o.anchorAt(d.x, d.o.dataGradient(d.x, grad), known)
}

// Flags of a state.
const (
	isExact = 1 << iota
	isStuck
	isRough
)

// state is that of the minimiser and of what was found of it.
func (d *descent) state() state {
	s := d.lbfgs.state()
	flags := int64(0)
	for flag, is := range map[int64]bool{isExact: d.exact, isStuck: d.stuck, isRough: d.rough} {
		if is {
			flags |= flag
		}
	}
	s.ints = append(s.ints, flags, int64(d.at), int64(d.anchored))
	if d.rough {
		s.floats = append(s.floats, d.o.anchor.theta, d.o.anchor.grad)
	}
	s.floats = append(s.floats, []float64{d.trust, d.found.loss, d.found.gap, d.found.gradient, d.from, d.sure})
	return s
}

// resume takes a state's place; it changes nothing when that does not fit.
func (d *descent) resume(s state) error {
	n, v := len(s.ints), len(s.floats)
	if n < 3 || v < 1 || len(s.floats[v-1]) != 6 {
		return errState
	}
	ints, f, vectors := s.ints[n-3:], s.floats[v-1], s.floats[:v-1]
	rough := ints[0]&isRough != 0
	if rough {
		if d.o.rough == nil || d.o.device != nil || v < 3 || len(vectors[v-3]) != d.o.dim() || len(vectors[v-2]) != d.weight {
			return errState
		}
		vectors = vectors[:v-3]
	}
	m, err := resumeLBFGS(d.o.dim(), state{s.ints[:n-3], vectors, s.singles}, d.s.cfg.Threads)
	if err != nil {
		return err
	}
	if rough {
		if err := d.o.anchorAt(s.floats[v-3], s.floats[v-2], false); err != nil {
			return err
		}
	}
	m.value = d.o.value
	d.lbfgs, d.at, d.anchored = m, int(ints[1]), int(ints[2])
	d.shape()
	d.exact, d.stuck, d.rough = ints[0]&isExact != 0, ints[0]&isStuck != 0, rough
	switch {
	case d.exact:
		d.value = d.o.exactValue
	case rough:
		d.value = d.o.roughValue
	}
	d.trust, d.found, d.from, d.sure = f[0], certificate{loss: f[1], gap: f[2], gradient: f[3]}, f[4], f[5]
	return nil
}
