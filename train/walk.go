package train

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// walk is a solver of small steps on its way. Chance is drawn from the seed and the number of the
// step or epoch alone, so all that it will do follows from the fields that its state has.
type walk struct {
	s *solver
	d Descent

	theta, first, second []float64 // first, second: velocity, or Adam's moments
	best                 []float64 // theta after the best epoch; nil before there is one
	least                float64   // its validation loss
	bestEpoch, since     int       // since: epochs without a better one
	step                 int       // done
	told                 int       // the step at which an epoch was last measured and told of
	sum                  float64   // of the batches' losses in this epoch

	graph        lossGrad
	x            []float32
	targets, wts []float32
	w32, gw      []float32
	batch        []int
	order        []int // of this epoch
	orderOf      int   // the epoch that order is of, from 1
	byLabel      [][]int
	stepsAnEpoch int
	steps        int
}

func (s *solver) newWalk() (*walk, error) {
	n, f, k := len(s.ex.Rows), s.ex.Features(), s.ex.Classes
	w := &walk{s: s, d: s.cfg.Descent, theta: s.start(), least: math.Inf(1)}
	w.d.Batch = min(w.d.Batch, n)
	w.stepsAnEpoch = (n + w.d.Batch - 1) / w.d.Batch
	w.steps = w.d.Epochs * w.stepsAnEpoch
	if s.cfg.Solver == Retrain {
		w.d.Batch = s.cfg.Descent.Batch // with replacement: there may be fewer examples
		w.steps, w.stepsAnEpoch = w.d.Steps, max(1, w.d.Steps/100)
		w.byLabel = make([][]int, k)
		for i, l := range s.ex.Labels {
			w.byLabel[l] = append(w.byLabel[l], i)
		}
		if s.cfg.Start == nil {
			w.draw(k * f)
		}
	}
	switch s.cfg.Solver {
	case Adam:
		w.first, w.second = make([]float64, len(w.theta)), make([]float64, len(w.theta))
	case Momentum:
		w.first = make([]float64, len(w.theta))
	}
	w.targets, w.wts = s.obj.goal.blank(w.d.Batch), make([]float32, w.d.Batch*s.obj.goal.width())
	w.x, w.w32, w.gw = make([]float32, w.d.Batch*f), make([]float32, len(w.theta)), make([]float32, len(w.theta))
	var err error
	w.graph, err = graphOf(s.ex, newHeadGraph)(w.d.Batch, f, k)
	return w, err
}

// The streams of chance.
const (
	drawWeights uint64 = iota + 1
	drawOrder
	drawBatch
	drawDropout
)

// chance returns the source of one thing.
func (w *walk) chance(what uint64, number int) *rand.Rand {
	return rand.New(rand.NewPCG(w.s.cfg.Seed, what<<40+uint64(number)))
}

// draw begins with retrain.py's weights: normal of deviation 0.001, those beyond two deviations
// drawn again.
func (w *walk) draw(weights int) {
	rng := w.chance(drawWeights, 0)
	for i := range weights {
		v := rng.NormFloat64()
		for math.Abs(v) > 2 {
			v = rng.NormFloat64()
		}
		w.theta[i] = 0.001 * v
	}
}

// pick chooses the examples of the next step.
func (w *walk) pick() {
	w.batch = w.batch[:0]
	if w.s.cfg.Solver == Retrain {
		rng := w.chance(drawBatch, w.step)
		for range w.d.Batch {
			of := w.byLabel[rng.IntN(len(w.byLabel))]
			w.batch = append(w.batch, of[rng.IntN(len(of))])
		}
		return
	}
	epoch, at := w.step/w.stepsAnEpoch, w.step%w.stepsAnEpoch
	if w.orderOf != epoch+1 {
		w.order, w.orderOf = w.chance(drawOrder, epoch).Perm(len(w.s.ex.Rows)), epoch+1
	}
	w.batch = append(w.batch, w.order[at*w.d.Batch:min((at+1)*w.d.Batch, len(w.order))]...)
}

// fill puts the picked examples into the graph's leaves.
func (w *walk) fill() {
	f, g := w.s.ex.Features(), w.s.obj.goal
	for i := range w.wts {
		w.wts[i] = 0
	}
	for r, i := range w.batch {
		copy(w.x[r*f:(r+1)*f], w.s.obj.x[i*f:(i+1)*f])
		g.put(r, i, w.targets, w.wts)
	}
	if w.d.Dropout > 0 && w.s.cfg.Solver != Retrain {
		rng, keep := w.chance(drawDropout, w.step), float32(1/(1-w.d.Dropout))
		for i := range w.x[:len(w.batch)*f] {
			if rng.Float64() < w.d.Dropout {
				w.x[i] = 0
			} else {
				w.x[i] *= keep
			}
		}
	}
	for i, t := range w.theta {
		w.w32[i] = float32(t)
	}
}

// rate is the learning rate of the next step.
func (w *walk) rate() float64 {
	switch w.d.Schedule {
	case Step:
		return w.d.Rate * math.Pow(w.d.DropFactor, float64(w.step/w.stepsAnEpoch/w.d.DropEvery))
	case Cosine:
		return w.d.Rate * (1 + math.Cos(math.Pi*float64(w.step)/float64(w.steps))) / 2
	}
	return w.d.Rate
}

// next goes one step.
func (w *walk) next() error {
	if err := w.s.ctx.Err(); err != nil {
		return err
	}
	w.pick()
	w.fill()
	weights := w.s.ex.Classes * w.s.ex.Features()
	loss, err := w.graph.LossGrad(w.x, w.targets, w.wts, w.w32[:weights], w.w32[weights:], w.gw[:weights], w.gw[weights:])
	for r, i := range w.batch {
		w.s.obj.goal.drop(r, i, w.targets)
	}
	if err != nil {
		return fmt.Errorf("train: fit: %w", err)
	}
	w.sum += loss / float64(len(w.batch))
	w.update(1/float64(len(w.batch)), weights)
	w.step++
	return nil
}

// update moves theta by the batch's gradient gw * mean and that of the L2 term.
func (w *walk) update(mean float64, weights int) {
	const beta1, beta2, eps = 0.9, 0.999, 1e-8
	rate, l2 := w.rate(), w.s.cfg.L2
	t := float64(w.step + 1)
	correct1, correct2 := 1-math.Pow(beta1, t), 1-math.Pow(beta2, t)
	for i, v := range w.gw {
		g := float64(v) * mean
		if i < weights {
			g += l2 * w.theta[i]
		}
		switch w.s.cfg.Solver {
		case Adam:
			w.first[i] = beta1*w.first[i] + (1-beta1)*g
			w.second[i] = beta2*w.second[i] + (1-beta2)*g*g
			g = w.first[i] / correct1 / (math.Sqrt(w.second[i]/correct2) + eps)
		case Momentum:
			w.first[i] = w.d.Momentum*w.first[i] + g
			g = w.first[i]
		}
		w.theta[i] -= rate * g
	}
}

// validates says whether epochs are judged by the validation part.
func (w *walk) validates() bool {
	valid := w.s.cfg.Validation
	return w.s.cfg.Solver != Retrain && valid != nil && len(valid.Rows) > 0
}

// more says whether there is anything left to do.
func (w *walk) more() bool {
	return w.epochEnds() || w.step < w.steps && (w.d.Patience < 0 || w.since < w.d.Patience)
}

// epochEnds says whether an epoch is over and has not been measured.
func (w *walk) epochEnds() bool {
	return w.told < w.step && (w.step%w.stepsAnEpoch == 0 || w.step == w.steps)
}

func (w *walk) state() state {
	return state{
		ints:   []int64{int64(w.step), int64(w.bestEpoch), int64(w.since), int64(w.told)},
		floats: [][]float64{{w.least, w.sum}, w.theta, w.first, w.second, w.best},
	}
}

// resume goes on from a state; it changes nothing when that does not fit.
func (w *walk) resume(s state) error {
	if len(s.ints) != 4 || len(s.floats) != 5 || len(s.floats[0]) != 2 || len(s.floats[1]) != len(w.theta) ||
		len(s.floats[2]) != len(w.first) || len(s.floats[3]) != len(w.second) || len(s.floats[4]) != 0 &&
		len(s.floats[4]) != len(w.theta) {
		return errState
	}
	w.step, w.bestEpoch, w.since, w.told = int(s.ints[0]), int(s.ints[1]), int(s.ints[2]), int(s.ints[3])
	w.least, w.sum = s.floats[0][0], s.floats[0][1]
	w.theta, w.first, w.second, w.best = s.floats[1], s.floats[2], s.floats[3], s.floats[4]
	return nil
}

// small runs a solver of small steps.
func (s *solver) small(k *keeper, from *state) (*Fit, error) {
	w, err := s.newWalk()
	if err != nil {
		return nil, err
	}
	rec := s.recorder(s.cfg.L2, w.steps)
	if from != nil {
		if rest, ok := rec.resume(*from); !ok || w.resume(rest) != nil {
			rec.trace = nil
		}
	}
	for w.more() {
		if k.due() {
			k.save(rec.with(w.state()))
		}
		do := w.next
		if w.epochEnds() {
			do = func() error { return w.endEpoch(rec) }
		}
		if err := do(); err != nil { // which left the state whole
			if s.ctx.Err() != nil {
				k.save(rec.with(w.state()))
			}
			return nil, s.stopped(err, k)
		}
	}
	f, err := s.finish(w, rec)
	if err != nil && s.ctx.Err() != nil {
		k.save(rec.with(w.state()))
	}
	if err != nil {
		return nil, s.stopped(err, k)
	}
	return f, nil
}

// endEpoch measures the validation part after an epoch, tells of it and keeps the best head.
func (w *walk) endEpoch(rec *recorder) error {
	mean := w.sum / float64(w.step-w.told)
	if math.IsNaN(mean) || math.IsInf(mean, 0) {
		return fmt.Errorf("train: fit: the loss is %g after %d steps: take a learning rate smaller than %g", mean, w.step,
			w.d.Rate)
	}
	if err := rec.note(w.theta, w.step, mean); err != nil {
		return err
	}
	loss := rec.held
	w.told, w.sum = w.step, 0
	switch {
	case !w.validates():
	case loss < w.least:
		w.best, w.least, w.since, w.bestEpoch = append(w.best[:0], w.theta...), loss, 0, w.step/w.stepsAnEpoch
	default:
		w.since++
	}
	return rec.report(w.theta, w.step, mean, math.NaN(), false)
}

// finish measures the head that small steps came to as the others are.
func (s *solver) finish(w *walk, rec *recorder) (*Fit, error) {
	f := &Fit{Solver: s.cfg.Solver, L2: s.cfg.L2, theta: w.theta, Iterations: w.step, Evaluations: w.step}
	if len(w.best) > 0 {
		f.theta, f.BestEpoch, f.ValidationLoss = w.best, w.bestEpoch, w.least
	}
	s.obj.l2 = s.cfg.L2
	grad := make([]float64, s.obj.dim())
	var err error
	if f.Loss, err = s.obj.value(f.theta, grad); err != nil {
		return nil, s.why(err)
	}
	if math.IsNaN(f.Loss) || math.IsInf(f.Loss, 0) {
		return nil, errors.New("train: fit: the loss is not finite: take a smaller learning rate")
	}
	for _, g := range grad {
		f.Gradient = max(f.Gradient, math.Abs(g))
	}
	f.Converged, f.Head = f.Gradient <= s.cfg.Tolerance, s.head(f.theta)
	if err := rec.hold(f.theta); err != nil {
		return nil, err
	}
	return f, rec.report(f.theta, f.Iterations, f.Loss, f.Gradient, true)
}
