package head

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/c236555e/rehead/nn"
)

// sgd is a solver of small steps on its way. Chance is drawn from the seed and the number of the
// step or epoch alone, so all that it will do follows from the fields that its state has.
type sgd struct {
	s *solver
	b MiniBatch

	theta, first, second []float64 // first, second: velocity, or Adam's moments
	best                 []float64 // theta after the best epoch; nil before there is one
	least                float64   // its validation loss
	bestEpoch, since     int       // since: epochs without a better one
	step                 int       // done
	told                 int       // the step at which an epoch was last measured and told of
	sum                  float64   // of the batches' losses in this epoch

	graph        *nn.HeadGraph
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

func (s *solver) newSGD() (*sgd, error) {
	n, f, k := len(s.ex.Rows), s.ex.Features(), s.ex.Classes
	g := &sgd{s: s, b: s.cfg.MiniBatch, theta: s.start(), least: math.Inf(1)}
	g.b.Batch = min(g.b.Batch, n)
	g.stepsAnEpoch = (n + g.b.Batch - 1) / g.b.Batch
	g.steps = g.b.Epochs * g.stepsAnEpoch
	if s.cfg.Solver == Retrain {
		g.b.Batch = s.cfg.MiniBatch.Batch // with replacement: there may be fewer examples
		g.steps, g.stepsAnEpoch = g.b.Steps, max(1, g.b.Steps/100)
		g.byLabel = make([][]int, k)
		for i, l := range s.ex.Labels {
			g.byLabel[l] = append(g.byLabel[l], i)
		}
		if s.cfg.Start == nil {
			g.draw(k * f)
		}
	}
	switch s.cfg.Solver {
	case Adam:
		g.first, g.second = make([]float64, len(g.theta)), make([]float64, len(g.theta))
	case Momentum:
		g.first = make([]float64, len(g.theta))
	}
	g.targets, g.wts = s.obj.targets.blank(g.b.Batch), make([]float32, g.b.Batch*s.obj.targets.width())
	g.x, g.w32, g.gw = make([]float32, g.b.Batch*f), make([]float32, len(g.theta)), make([]float32, len(g.theta))
	var err error
	g.graph, err = headGraph(s.ex, g.b.Batch)
	return g, err
}

// The streams of chance.
const (
	drawWeights uint64 = iota + 1
	drawOrder
	drawBatch
	drawDropout
)

// chance returns the source of one thing.
func (g *sgd) chance(what uint64, number int) *rand.Rand {
	return rand.New(rand.NewPCG(g.s.cfg.Seed, what<<40+uint64(number)))
}

// draw begins with retrain.py's weights: normal of deviation 0.001, those beyond two deviations
// drawn again.
func (g *sgd) draw(weights int) {
	rng := g.chance(drawWeights, 0)
	for i := range weights {
		v := rng.NormFloat64()
		for math.Abs(v) > 2 {
			v = rng.NormFloat64()
		}
		g.theta[i] = 0.001 * v
	}
}

// pick chooses the examples of the next step.
func (g *sgd) pick() {
	g.batch = g.batch[:0]
	if g.s.cfg.Solver == Retrain {
		rng := g.chance(drawBatch, g.step)
		for range g.b.Batch {
			of := g.byLabel[rng.IntN(len(g.byLabel))]
			g.batch = append(g.batch, of[rng.IntN(len(of))])
		}
		return
	}
	epoch, at := g.step/g.stepsAnEpoch, g.step%g.stepsAnEpoch
	if g.orderOf != epoch+1 {
		g.order, g.orderOf = g.chance(drawOrder, epoch).Perm(len(g.s.ex.Rows)), epoch+1
	}
	g.batch = append(g.batch, g.order[at*g.b.Batch:min((at+1)*g.b.Batch, len(g.order))]...)
}

// fill puts the picked examples into the graph's leaves.
func (g *sgd) fill() {
	f, t := g.s.ex.Features(), g.s.obj.targets
	for i := range g.wts {
		g.wts[i] = 0
	}
	for r, i := range g.batch {
		g.s.scale.apply(g.x[r*f:(r+1)*f], g.s.ex.Rows[i])
		t.put(r, i, g.targets, g.wts)
	}
	if g.b.Dropout > 0 && g.s.cfg.Solver != Retrain {
		rng, keep := g.chance(drawDropout, g.step), float32(1/(1-g.b.Dropout))
		for i := range g.x[:len(g.batch)*f] {
			if rng.Float64() < g.b.Dropout {
				g.x[i] = 0
			} else {
				g.x[i] *= keep
			}
		}
	}
	for i, t := range g.theta {
		g.w32[i] = float32(t)
	}
}

// rate is the learning rate of the next step.
func (g *sgd) rate() float64 {
	switch g.b.Schedule {
	case Step:
		return g.b.Rate * math.Pow(g.b.DropFactor, float64(g.step/g.stepsAnEpoch/g.b.DropEvery))
	case Cosine:
		return g.b.Rate * (1 + math.Cos(math.Pi*float64(g.step)/float64(g.steps))) / 2
	}
	return g.b.Rate
}

// next takes one step.
func (g *sgd) next() error {
	if err := g.s.ctx.Err(); err != nil {
		return err
	}
	g.pick()
	g.fill()
	weights := g.s.ex.Classes * g.s.ex.Features()
	loss, err := g.graph.LossGrad(g.x, g.targets, g.wts, g.w32[:weights], g.w32[weights:], g.gw[:weights], g.gw[weights:])
	for r, i := range g.batch {
		g.s.obj.targets.drop(r, i, g.targets)
	}
	if err != nil {
		return fmt.Errorf("train: fit: %w", err)
	}
	g.sum += loss / float64(len(g.batch))
	g.update(1/float64(len(g.batch)), weights)
	g.step++
	return nil
}

// update moves theta by the batch's gradient gw * mean and that of the L2 term.
func (g *sgd) update(mean float64, weights int) {
	const beta1, beta2, eps = 0.9, 0.999, 1e-8
	rate, l2 := g.rate(), g.s.cfg.L2
	t := float64(g.step + 1)
	correct1, correct2 := 1-math.Pow(beta1, t), 1-math.Pow(beta2, t)
	for i, v := range g.gw {
		grad := float64(v) * mean
		if i < weights {
			grad += l2 * g.theta[i]
		}
		switch g.s.cfg.Solver {
		case Adam:
			g.first[i] = beta1*g.first[i] + (1-beta1)*grad
			g.second[i] = beta2*g.second[i] + (1-beta2)*grad*grad
			grad = g.first[i] / correct1 / (math.Sqrt(g.second[i]/correct2) + eps)
		case Momentum:
			g.first[i] = g.b.Momentum*g.first[i] + grad
			grad = g.first[i]
		}
		g.theta[i] -= rate * grad
	}
}

// validates says whether epochs are judged by the validation part.
func (g *sgd) validates() bool {
	valid := g.s.cfg.Validation
	return g.s.cfg.Solver != Retrain && valid != nil && len(valid.Rows) > 0
}

// more says whether there is anything left to do.
func (g *sgd) more() bool {
	return g.epochEnds() || g.step < g.steps && (g.b.Patience < 0 || g.since < g.b.Patience)
}

// epochEnds says whether an epoch is over and has not been measured.
func (g *sgd) epochEnds() bool {
	return g.told < g.step && (g.step%g.stepsAnEpoch == 0 || g.step == g.steps)
}

func (g *sgd) state() state {
	return state{
		ints:   []int64{int64(g.step), int64(g.bestEpoch), int64(g.since), int64(g.told)},
		floats: [][]float64{{g.least, g.sum}, g.theta, g.first, g.second, g.best},
	}
}

// resume goes on from a state; it changes nothing when that does not fit.
func (g *sgd) resume(s state) error {
	if len(s.ints) != 4 || len(s.floats) != 5 || len(s.floats[0]) != 2 || len(s.floats[1]) != len(g.theta) ||
		len(s.floats[2]) != len(g.first) || len(s.floats[3]) != len(g.second) || len(s.floats[4]) != 0 &&
		len(s.floats[4]) != len(g.theta) {
		return errState
	}
	g.step, g.bestEpoch, g.since, g.told = int(s.ints[0]), int(s.ints[1]), int(s.ints[2]), int(s.ints[3])
	g.least, g.sum = s.floats[0][0], s.floats[0][1]
	g.theta, g.first, g.second, g.best = s.floats[1], s.floats[2], s.floats[3], s.floats[4]
	return nil
}

// runSGD runs a solver of small steps.
func (s *solver) runSGD(k *checkpointer, from *state) (*Solution, error) {
	g, err := s.newSGD()
	if err != nil {
		return nil, err
	}
	mon := s.monitor(s.cfg.L2, g.steps)
	if from != nil {
		if rest, ok := mon.resume(*from); !ok || g.resume(rest) != nil {
			mon.trace = nil
		}
	}
	for g.more() {
		if k.due() {
			k.save(mon.with(g.state()))
		}
		do := g.next
		if g.epochEnds() {
			do = func() error { return g.endEpoch(mon) }
		}
		if err := do(); err != nil { // which left the state whole
			if s.ctx.Err() != nil {
				k.save(mon.with(g.state()))
			}
			return nil, s.stopped(err, k)
		}
	}
	f, err := s.finish(g, mon)
	if err != nil && s.ctx.Err() != nil {
		k.save(mon.with(g.state()))
	}
	if err != nil {
		return nil, s.stopped(err, k)
	}
	return f, nil
}

// endEpoch measures the validation part after an epoch, tells of it and keeps the best head.
func (g *sgd) endEpoch(mon *monitor) error {
	mean := g.sum / float64(g.step-g.told)
	if math.IsNaN(mean) || math.IsInf(mean, 0) {
		return fmt.Errorf("train: fit: the loss is %g after %d steps: take a learning rate smaller than %g", mean, g.step,
			g.b.Rate)
	}
	if err := mon.record(g.theta, g.step, mean); err != nil {
		return err
	}
	loss := mon.held
	g.told, g.sum = g.step, 0
	switch {
	case !g.validates():
	case loss < g.least:
		g.best, g.least, g.since, g.bestEpoch = append(g.best[:0], g.theta...), loss, 0, g.step/g.stepsAnEpoch
	default:
		g.since++
	}
	return mon.report(g.theta, g.step, mean, math.NaN(), false)
}

// finish measures the head that small steps came to as the others are.
func (s *solver) finish(g *sgd, mon *monitor) (*Solution, error) {
	theta := g.theta
	if len(g.best) > 0 {
		theta = g.best
	}
	f := s.solution(theta)
	f.Iterations, f.Evaluations = g.step, g.step
	if len(g.best) > 0 {
		f.BestEpoch, f.ValidationLoss = g.bestEpoch, g.least
	}
	s.obj.l2 = s.cfg.L2
	grad := make([]float64, s.obj.dim())
	var err error
	if f.Loss, err = s.obj.exactAt(f.theta, grad); err != nil {
		return nil, s.why(err)
	}
	if math.IsNaN(f.Loss) || math.IsInf(f.Loss, 0) {
		return nil, errors.New("train: fit: the loss is not finite: take a smaller learning rate")
	}
	for _, v := range grad {
		f.Gradient = max(f.Gradient, math.Abs(v))
	}
	if s.cfg.L2 > 0 {
		best, err := s.obj.certify(slices.Clone(f.theta), grad)
		if err != nil {
			return nil, s.why(err)
		}
		f.Gap = f.Loss - best.loss + best.gap
		f.Converged = f.Gap <= s.cfg.Tolerance*f.Loss
	}
	f.Losses = mon.losses(g.step, f.Loss)
	if err := mon.validate(f.theta); err != nil {
		return nil, err
	}
	return f, mon.report(f.theta, f.Iterations, f.Loss, f.Gradient, true)
}
