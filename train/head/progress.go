package head

import (
	"cmp"
	"context"
	"math"
	"math/bits"
	"time"
)

// Phase says what a run is busy with.
type Phase string

// The phases of a fit.
const (
	PhaseSearch Phase = "search" // choosing L2; counted in fits
	PhaseFit    Phase = "fit"    // solving for the head; counted in iterations of the solver
)

// Event is progress. The first event of a phase has Done 0 and the last has Done equal to Total,
// but for PhaseFit, which ends when it converges.
type Event struct {
	Phase   Phase
	Done    int
	Total   int
	Elapsed time.Duration // since the phase began
	Rate    float64       // done a second; 0 when not known yet

	// PhaseFit and PhaseSearch:
	L2            float64
	Loss          float64 // mean cross entropy + L2 term
	Gradient      float64 // largest component
	Gap           float64 // of FitStream: Loss is at most this much above the least
	TrainAccuracy float64 // 0..1; NaN when not measured at this event
	// weighted mean cross entropy of the validation part, without L2 term, class weights and
	// smoothing; NaN when there is none
	ValidationLoss     float64
	ValidationAccuracy float64 // 0..1; NaN when not measured at this event
}

// timed fills in Elapsed and Rate.
func (e Event) timed(began time.Time) Event {
	e.Elapsed = time.Since(began)
	if s := e.Elapsed.Seconds(); s > 0 {
		e.Rate = float64(e.Done) / s
	}
	return e
}

// monitor turns a solver's iterations into progress, and keeps their losses.
type monitor struct {
	s        *solver
	l2       float64
	began    time.Time
	measured time.Time
	cost     time.Duration
	total    int // 0 means MaxIterations
	trace    []moment
	keep     bool // Snapshots
	kept     []Snapshot

	// Of the validation part after the last of them; NaN where there is none.
	held, accuracy float64
}

// moment is what a solver had come to. Its losses are the same in every run; what else an Event has
// depends on the clock.
type moment struct {
	Loss
	validation float64 // loss on the validation part; NaN where there is none
}

func (s *solver) monitor(l2 float64, total int) *monitor {
	return &monitor{s: s, l2: l2, total: total, began: time.Now(), keep: s.cfg.Snapshots, held: math.NaN(),
		accuracy: math.NaN()}
}

// with is a solver's state with the losses so far before it.
func (m *monitor) with(s state) state {
	done, loss, held := make([]float64, len(m.trace)), make([]float64, len(m.trace)), make([]float64, len(m.trace))
	for i, it := range m.trace {
		done[i], loss[i], held[i] = float64(it.Iteration), it.Loss.Loss, it.validation
	}
	return state{ints: s.ints, floats: append([][]float64{done, loss, held}, s.floats...), singles: s.singles}
}

// resume takes the losses out of a state and tells of them again, so that whoever listens knows
// what came before.
func (m *monitor) resume(s state) (state, bool) {
	if len(s.floats) < 3 || len(s.floats[0]) != len(s.floats[1]) || len(s.floats[0]) != len(s.floats[2]) {
		return s, false
	}
	for i, d := range s.floats[0] {
		m.held = s.floats[2][i]
		m.trace = append(m.trace, moment{Loss{int(d), s.floats[1][i]}, m.held})
		if m.s.cfg.Progress != nil {
			m.s.cfg.Progress(m.event(int(d), s.floats[1][i], math.NaN()))
		}
	}
	return state{ints: s.ints, floats: s.floats[3:], singles: s.singles}, true
}

// looks says whether anybody looks at the head on the way.
func (m *monitor) looks() bool {
	v := m.s.cfg.Validation
	return m.s.cfg.Progress != nil || v != nil && len(v.Rows) > 0
}

// keeps says whether the head after so many iterations is kept.
func (m *monitor) keeps(done int) bool { return m.keep && bits.OnesCount(uint(done)) == 1 }

// record keeps the losses after an iteration. The validation part is measured even when the
// run is being stopped, so that a state put away is complete.
func (m *monitor) record(theta []float64, done int, loss float64) error {
	if err := m.validate(theta); err != nil {
		return err
	}
	m.trace = append(m.trace, moment{Loss{done, loss}, m.held})
	if m.keeps(done) {
		m.kept = append(m.kept, Snapshot{Loss{done, loss}, m.s.head(theta)})
	}
	return nil
}

// losses lists those on the way, and that of the solution.
func (m *monitor) losses(done int, loss float64) []Loss {
	var out []Loss
	for _, it := range m.trace {
		if it.Iteration != done {
			out = append(out, it.Loss)
		}
	}
	return append(out, Loss{done, loss})
}

// validate measures a head on the validation part, if there is one.
func (m *monitor) validate(theta []float64) (err error) {
	if v := m.s.cfg.Validation; v != nil && len(v.Rows) > 0 {
		m.held, m.accuracy, err = meanLoss(context.WithoutCancel(m.s.ctx), m.s.head(theta), *v, m.s.cfg.Threads)
	}
	return err
}

func (m *monitor) event(done int, loss, gradient float64) Event {
	return Event{
		Phase: PhaseFit, Done: done, Total: cmp.Or(m.total, m.s.cfg.MaxIterations), L2: m.l2, Loss: loss, Gradient: gradient,
		TrainAccuracy: math.NaN(), ValidationLoss: m.held, ValidationAccuracy: m.accuracy,
	}.timed(m.began)
}

// report sends an event; the accuracy on what is trained on is measured at the end, and on the way
// as often as costs a tenth of the time. What it measures has no influence on the result.
func (m *monitor) report(theta []float64, done int, loss, gradient float64, last bool) error {
	cfg := m.s.cfg
	if cfg.Progress == nil {
		return nil
	}
	e := m.event(done, loss, gradient)
	if since := time.Since(m.measured); last || since > max(time.Second, 10*m.cost) {
		t := time.Now()
		var err error
		if e.TrainAccuracy, err = accuracy(m.s.ctx, m.s.head(theta), m.s.ex, cfg.Threads); err != nil {
			return err
		}
		m.measured, m.cost = time.Now(), time.Since(t)
	}
	cfg.Progress(e)
	return nil
}
