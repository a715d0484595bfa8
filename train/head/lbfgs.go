package head

import (
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/optimize"
)

// Sizes of the minimiser.
const (
	// steps that it remembers: the most, and the fewest that it falls to where they would be more
	// than so many numbers
	lbfgsMost    = 30
	lbfgsFewest  = 10
	lbfgsNumbers = 1 << 24
	// how often it may forget them all when its line search sees no way on: near the solution
	// float32 sums can mislead it
	lbfgsRestarts = 3
	lineTrials    = 40   // evaluations in one line search
	roughTrials   = 5    // of those that are told roughly
	roughNoise    = 1e-3 // what they may be wrong by, in shares of what they differ by from what is told well
)

// lbfgs minimises a smooth function by the limited-memory BFGS method (Nocedal and Wright,
// "Numerical Optimization", 2006, algorithm 7.4). Between two calls of step, all that it will ever
// do follows from its fields, so that a minimiser that was put away and taken up again takes the
// same steps to the last bit.
type lbfgs struct {
	value   func(x, grad []float64) (float64, error)
	threads int
	pairs   int     // steps that it remembers
	plain   int     // numbers from this one on are moved to their best by value itself
	metric  *metric // of what is before plain; nil: lengths as they are
	// NaN, or a loss from which on others are told roughly: where a line search sees no way on, who tells has
	// to do better before anything is forgotten
	sure float64

	x, grad     []float64
	loss        float64
	s, y        [][]float32 // what x and grad moved by in the last steps, the oldest first
	iterations  int
	evaluations int
	restarts    int
	before      float64 // loss at the last restart

	curvature            []float64 // s times y
	dir, nextX, nextGrad []float64
	alpha                []float64
}

func newLBFGS(value func(x, grad []float64) (float64, error), start []float64, threads int) (*lbfgs, error) {
	m := &lbfgs{value: value, threads: threads, sure: math.NaN(), x: slices.Clone(start)}
	return m, m.restart()
}

// restart evaluates the function where the minimiser is; an error changes nothing.
func (m *lbfgs) restart() error {
	grad := make([]float64, len(m.x))
	loss, err := m.value(m.x, grad)
	if err != nil {
		return err
	}
	m.loss, m.grad, m.restarts, m.before = loss, grad, 0, math.Inf(1)
	m.evaluations++
	return nil
}

// slope is the largest component of the gradient.
func (m *lbfgs) slope() float64 { return floats.Norm(m.grad, math.Inf(1)) }

// errNoWay says that no step makes the function smaller.
var errNoWay = errors.New("no way on")

// step goes one step. It returns errNoWay at the end of what float32 can tell, and value's own
// error, which changes nothing.
func (m *lbfgs) step() error {
	if m.dir == nil {
		n := len(m.x)
		m.dir, m.nextX, m.nextGrad, m.alpha = make([]float64, n), make([]float64, n), make([]float64, n),
			make([]float64, m.pairs)
	}
	for {
		before := m.evaluations
		step, err := m.direction()
		if err != nil {
			return err
		}
		loss, err := m.search(step)
		if err == nil {
			m.take(loss)
			return nil
		}
		if !errors.Is(err, errNoWay) {
			m.evaluations = before // the search will be made again
			return err
		}
		if m.rough() || len(m.s) == 0 || m.restarts == lbfgsRestarts || !(m.loss < m.before) {
			return errNoWay
		}
		m.restarts, m.before = m.restarts+1, m.loss
		m.s, m.y, m.curvature = nil, nil, nil
	}
}

// rough says whether losses are told roughly.
func (m *lbfgs) rough() bool { return m.sure == m.sure }

// noise is how far two losses may differ because of how they are computed.
func (m *lbfgs) noise() (wrong float64, trials int) {
	if !m.rough() {
		return noise * math.Abs(m.loss), lineTrials
	}
	return noise*math.Abs(m.loss) + roughNoise*math.Abs(m.sure-m.loss), roughTrials
}

// direction writes the way down to dir and returns the first step to try along it.
func (m *lbfgs) direction() (float64, error) {
	copy(m.dir, m.grad)
	last := len(m.s) - 1
	for i := last; i >= 0; i-- {
		m.alpha[i] = dot(m.threads, m.s[i], m.dir) / m.curvature[i]
		addScaled(m.threads, m.dir, -m.alpha[i], m.y[i])
	}
	step := 1.0
	clear(m.dir[m.plain:])
	switch {
	case last < 0:
		step = 1 / math.Sqrt(floats.Dot(m.grad, m.dir))
	case m.metric != nil:
		if err := m.metric.apply(m.dir[:m.plain], m.s[last][:m.plain], m.y[last][:m.plain], m.threads); err != nil {
			return 0, err
		}
	default:
		y := m.y[last][:m.plain]
		floats.Scale(m.curvature[last]/product(m.threads, y, y), m.dir)
	}
	for i := range m.s {
		beta := dot(m.threads, m.y[i], m.dir) / m.curvature[i]
		addScaled(m.threads, m.dir, m.alpha[i]-beta, m.s[i])
	}
	floats.Scale(-1, m.dir)
	return step, nil
}

// search looks along dir and leaves what it found in nextX and nextGrad.
func (m *lbfgs) search(step float64) (loss float64, err error) {
	slope := floats.Dot(m.grad, m.dir)
	if !(slope < 0) {
		return 0, errNoWay
	}
	noise, trials := m.noise()
	w := newWolfe(noise)
	w.Init(m.loss, slope, step) // asks for an evaluation, as its kin do
	for range trials {
		floats.AddScaledTo(m.nextX, m.x, step, m.dir)
		if floats.Equal(m.nextX, m.x) {
			return 0, errNoWay
		}
		m.evaluations++
		if loss, err = m.value(m.nextX, m.nextGrad); err != nil {
			return 0, err
		}
		op, next, err := w.Iterate(loss, floats.Dot(m.nextGrad, m.dir))
		if err != nil {
			return 0, errNoWay
		}
		step = next
		if op == optimize.MajorIteration {
			return loss, nil
		}
	}
	return 0, errNoWay
}

// take goes to nextX.
func (m *lbfgs) take(loss float64) {
	var s, y []float32
	if len(m.s) == m.pairs {
		s, y = m.s[0], m.y[0]
		m.s, m.y, m.curvature = append(m.s[:0], m.s[1:]...), append(m.y[:0], m.y[1:]...),
			append(m.curvature[:0], m.curvature[1:]...)
	} else {
		s, y = make([]float32, len(m.x)), make([]float32, len(m.x))
	}
	for i, v := range m.x {
		s[i], y[i] = float32(m.nextX[i]-v), float32(m.nextGrad[i]-m.grad[i])
	}
	if c := product(m.threads, s, y); c > 0 {
		m.s, m.y, m.curvature = append(m.s, s), append(m.y, y), append(m.curvature, c)
	}
	m.x, m.nextX = m.nextX, m.x
	m.grad, m.nextGrad = m.nextGrad, m.grad
	m.loss = loss
	m.iterations++
}

// state returns all that the minimiser knows; it is only good until the next step.
func (m *lbfgs) state() state {
	return state{
		ints:    []int64{int64(m.iterations), int64(m.evaluations), int64(m.restarts), int64(len(m.s))},
		floats:  [][]float64{{m.loss, m.before}, m.x, m.grad},
		singles: slices.Concat(m.s, m.y),
	}
}

// resumeLBFGS makes a minimiser of dim numbers of a state.
func resumeLBFGS(dim int, s state, threads int) (*lbfgs, error) {
	if len(s.ints) != 4 || len(s.floats) != 3 || len(s.floats[0]) != 2 || len(s.floats[1]) != dim ||
		len(s.floats[2]) != dim {
		return nil, errState
	}
	for _, v := range s.singles {
		if len(v) != dim {
			return nil, errState
		}
	}
	pairs := int(s.ints[3])
	if pairs < 0 || pairs > lbfgsMost || len(s.singles) != 2*pairs {
		return nil, errState
	}
	m := &lbfgs{
		threads: threads, sure: math.NaN(), x: s.floats[1], grad: s.floats[2], loss: s.floats[0][0], before: s.floats[0][1],
		s: slices.Clone(s.singles[:pairs]), y: slices.Clone(s.singles[pairs:]),
		iterations: int(s.ints[0]), evaluations: int(s.ints[1]), restarts: int(s.ints[2]),
	}
	for i := range m.s {
		m.curvature = append(m.curvature, product(threads, m.s[i], m.y[i]))
	}
	return m, nil
}
