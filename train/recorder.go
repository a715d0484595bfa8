package train

import (
	"context"
	"math"
	"time"
)

// recorder turns a solver's iterations into progress, and keeps their losses.
type recorder struct {
	s        *solver
	l2       float64
	began    time.Time
	measured time.Time
	cost     time.Duration
	total    int // 0 means MaxIterations
	trace    []iteration

	// Of the validation part after the last of them; NaN where there is none.
	held, accuracy float64
}

func (s *solver) recorder(l2 float64, total int) *recorder {
	return &recorder{s: s, l2: l2, total: total, began: time.Now(), held: math.NaN(), accuracy: math.NaN()}
}

// with is a solver's state with the losses so far before it.
func (r *recorder) with(s state) state {
	done, loss, held := make([]float64, len(r.trace)), make([]float64, len(r.trace)), make([]float64, len(r.trace))
	for i, it := range r.trace {
		done[i], loss[i], held[i] = float64(it.done), it.loss, it.validation
	}
	return state{ints: s.ints, floats: append([][]float64{done, loss, held}, s.floats...)}
}

// resume takes the losses out of a state and tells of them again, so that whoever listens knows
// what came before.
func (r *recorder) resume(s state) (state, bool) {
	if len(s.floats) < 3 || len(s.floats[0]) != len(s.floats[1]) || len(s.floats[0]) != len(s.floats[2]) {
		return s, false
	}
	for i, d := range s.floats[0] {
		r.held = s.floats[2][i]
		r.trace = append(r.trace, iteration{done: int(d), l2: r.l2, loss: s.floats[1][i], validation: r.held})
		if r.s.cfg.Progress != nil {
			r.s.cfg.Progress(r.event(int(d), s.floats[1][i], math.NaN()))
		}
	}
	return state{ints: s.ints, floats: s.floats[3:]}, true
}

// note keeps the losses after an iteration. The validation part is measured whatever becomes of the
// run, so that a state put away is complete.
func (r *recorder) note(theta []float64, done int, loss float64) error {
	if err := r.hold(theta); err != nil {
		return err
	}
	r.trace = append(r.trace, iteration{done: done, l2: r.l2, loss: loss, validation: r.held})
	return nil
}

// hold measures a head on the validation part, if there is one.
func (r *recorder) hold(theta []float64) (err error) {
	if v := r.s.cfg.Validation; v != nil && len(v.Rows) > 0 {
		r.held, r.accuracy, err = headLoss(context.WithoutCancel(r.s.ctx), r.s.head(theta), *v, r.s.cfg.Threads)
	}
	return err
}

func (r *recorder) event(done int, loss, gradient float64) Event {
	e := Event{
		Phase: PhaseFit, Done: done, Total: r.total, Elapsed: time.Since(r.began), L2: r.l2,
		Loss: loss, Gradient: gradient, TrainAccuracy: math.NaN(), ValidationLoss: r.held, ValidationAccuracy: r.accuracy,
	}
	if e.Total == 0 {
		e.Total = r.s.cfg.MaxIterations
	}
	if s := e.Elapsed.Seconds(); s > 0 {
		e.Rate = float64(done) / s
	}
	return e
}

// report sends an event; the accuracy on what is trained on is measured at the end, and on the way
// as often as costs a tenth of the time. What it measures has no influence on the result.
func (r *recorder) report(theta []float64, done int, loss, gradient float64, last bool) error {
	cfg := r.s.cfg
	if cfg.Progress == nil {
		return nil
	}
	e := r.event(done, loss, gradient)
	if since := time.Since(r.measured); last || since > max(time.Second, 10*r.cost) {
		t := time.Now()
		var err error
		if e.TrainAccuracy, err = headAccuracy(r.s.ctx, r.s.head(theta), r.s.ex, cfg.Threads); err != nil {
			return err
		}
		r.measured, r.cost = time.Now(), time.Since(t)
	}
	cfg.Progress(e)
	return nil
}
