package head

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Of a search. What it tries of L2 is a grid of 30, 10, 3 and so on times DefaultL2, from the
// strongest to the weakest: each fit starts at the one before.
const (
	gridSize       = 7       // down to 0.03
	gridWider      = 6       // how many stronger ones there are beyond the first
	gridLeast      = 1e-8    // no L2 is weaker
	gridGain       = 1e-4    // the share of the loss that another L2 beyond the grid's end has to gain for one more
	keptNumbers    = 1 << 26 // the most numbers that the rows of folds may have to be kept from one L2 to the next
	searchPatience = 2       // how many values in a row may do worse than the best before weaker ones are left out
)

// gridAt is the place i of the grid, in multiples of DefaultL2; those below 0 are stronger.
func gridAt(i int) float64 {
	e := 3 - i // 10^(e/2), nearly
	m := 1.0
	if e&1 != 0 {
		m, e = 3, e-1
	}
	if e < 0 {
		return m / math.Pow10(-e/2)
	}
	return m * math.Pow10(e/2)
}

// Choice is one setting that a search tried, and what it was worth on the folds that were held out
// in turn.
type Choice struct {
	Scaling            Scaling `json:"scaling"`
	L2                 float64 `json:"l2"`
	ValidationLogLoss  float64 `json:"validation_log_loss"`
	ValidationAccuracy float64 `json:"validation_accuracy"`
}

// search chooses L2, and the scaling where more than one is given, by cross-validation: each fold
// is predicted by a head solved for on the others, and the setting with the least log loss over all
// folds wins; of equals the first tried.
type search struct {
	solver   *solver // of all examples
	fold     []int   // [n], 0..folds-1; -1-fold for a view, which is trained on with its picture but never measured on
	pictures int     // how many are none
	folds    int
	scalings []Scaling
	began    time.Time

	// What was done so far, all that the rest depends on.
	at, l2, inFold int      // the next fit: scaling, place in l2Grid, fold
	tried          []Choice // the last one is under way when inFold > 0
	starts         [][]float64
	solvers        []*solver // of the folds, where they are small
	worse          int       // values in a row that did worse
}

func newSearch(s *solver, fold []int, scalings []Scaling) (*search, error) {
	folds, pictures := 0, 0
	for _, f := range fold {
		if folds = max(folds, f+1); f >= 0 {
			pictures++
		}
	}
	if len(fold) != len(s.ex.Rows) || folds < 2 {
		return nil, errors.New("train: search: there are too few pictures to hold some out in turn: set L2")
	}
	return &search{solver: s, fold: fold, pictures: pictures, folds: folds, scalings: scalings, began: time.Now(),
		starts: make([][]float64, folds)}, nil
}

// choose returns the solver of all examples for the best choice.
func (h *search) choose(k *checkpointer) (*solver, error) {
	best, err := h.run(k)
	if err != nil {
		return nil, err
	}
	s, cfg := h.solver, h.solver.cfg
	cfg.L2, cfg.Scaling = best.L2, best.Scaling
	if best.Scaling != h.scalings[0] { // which is what h.solver scales by
		return newFoldSolver(s.ctx, s.ex, cfg)
	}
	s.cfg = cfg
	return s, nil
}

// run tries everything, from where the checkpoint was, and returns the best choice.
func (h *search) run(k *checkpointer) (Choice, error) {
	if k != nil && len(k.before.ints) > 0 && h.resume(k.before) != nil {
		fresh, err := newSearch(h.solver, h.fold, h.scalings)
		if err != nil {
			return Choice{}, err
		}
		*h = *fresh
	}
	h.report()
	for h.at < len(h.scalings) {
		if err := h.one(); err != nil {
			k.search(h.state())
			if h.solver.ctx.Err() != nil {
				k.save(state{})
			}
			return Choice{}, h.solver.stopped(h.solver.why(err), k)
		}
		h.report()
		if k.due() {
			k.search(h.state())
			k.save(state{})
		}
	}
	k.search(h.state())
	return h.best(), nil
}

func (h *search) best() Choice {
	best := h.tried[0]
	for _, c := range h.tried {
		if c.ValidationLogLoss < best.ValidationLogLoss {
			best = c
		}
	}
	return best
}

// one fits and measures the next fold.
func (h *search) one() error {
	s := h.solver
	cfg := s.cfg
	cfg.Scaling, cfg.L2 = h.scalings[h.at], gridAt(h.l2)*DefaultL2(s.ex.Classes)
	cfg.Solver, cfg.MiniBatch, cfg.Progress, cfg.Validation, cfg.Start = LBFGS, MiniBatch{}, nil, nil, nil
	in, out := s.ex.without(h.fold, h.inFold)
	if len(in.Rows) == 0 || len(out.Rows) == 0 {
		return fmt.Errorf("train: search: fold %d of %d has %d of %d pictures, want some in it and some outside: set L2",
			h.inFold, h.folds, len(out.Rows), h.pictures)
	}
	fs, err := h.solverOf(in, cfg)
	if err != nil {
		return err
	}
	fit, err := fs.runLBFGS(cfg.L2, h.starts[h.inFold], nil, nil)
	if err != nil {
		return err
	}
	logits, err := Logits(s.ctx, fit.Head, out.Rows, cfg.Threads)
	if err != nil {
		return err
	}
	loss, right := score(logits, out, 1)
	if h.inFold == 0 {
		h.tried = append(h.tried, Choice{Scaling: cfg.Scaling, L2: cfg.L2})
	}
	c, share := &h.tried[len(h.tried)-1], float64(len(out.Rows))/float64(h.pictures)
	c.ValidationLogLoss += loss * share
	c.ValidationAccuracy += float64(right) / float64(h.pictures)
	h.starts[h.inFold] = fit.theta
	h.advance()
	return nil
}

// solverOf is the solver of the fold that is next, which is the same for every L2.
func (h *search) solverOf(in Examples, cfg Config) (*solver, error) {
	if h.solvers == nil {
		h.solvers = make([]*solver, h.folds)
	}
	if fs := h.solvers[h.inFold]; fs != nil {
		return fs, nil
	}
	fs, err := newFoldSolver(h.solver.ctx, in, cfg)
	if err == nil && len(in.Rows)*in.Features()*h.folds <= keptNumbers {
		h.solvers[h.inFold] = fs
	}
	return fs, err
}

// advance goes to the next fold, L2 or scaling. Where the best L2 of the grid is at one of its ends,
// the grid is widened there, as long as that gains anything to speak of.
func (h *search) advance() {
	if h.inFold++; h.inFold < h.folds {
		return
	}
	h.inFold = 0
	least, first := math.Inf(1), math.Inf(1) // of this scaling, but for the last
	last := h.tried[len(h.tried)-1]
	for _, c := range h.tried[:len(h.tried)-1] {
		if c.Scaling == last.Scaling {
			if math.IsInf(first, 1) {
				first = c.ValidationLogLoss
			}
			least = min(least, c.ValidationLogLoss)
		}
	}
	h.worse++
	if last.ValidationLogLoss <= least {
		h.worse = 0
	}
	gains := last.ValidationLogLoss < least*(1-gridGain)
	switch {
	case h.l2 < 0:
		if h.l2--; gains && h.l2 >= -gridWider {
			return
		}
	case h.l2+1 < gridSize && h.worse < searchPatience,
		h.l2+1 >= gridSize && gains && gridAt(h.l2+1)*DefaultL2(h.solver.ex.Classes) >= gridLeast:
		h.l2++
		return
	case first <= min(least, last.ValidationLogLoss):
		h.l2 = -1
		return
	}
	h.at, h.l2, h.worse, h.starts, h.solvers = h.at+1, 0, 0, make([][]float64, h.folds), nil
}

func (h *search) report() {
	send := h.solver.cfg.Progress
	if send == nil {
		return
	}
	a, place := gridSize*h.folds, h.l2
	if place < 0 {
		place = gridSize
	}
	e := Event{
		Phase: PhaseSearch, Done: h.at*a + min(place*h.folds+h.inFold, a-1), Total: len(h.scalings) * a,
		TrainAccuracy: math.NaN(), ValidationLoss: math.NaN(), ValidationAccuracy: math.NaN(), Gradient: math.NaN(),
	}.timed(h.began)
	if n := len(h.tried); n > 0 && h.inFold == 0 {
		c := h.tried[n-1]
		e.L2, e.Loss, e.ValidationAccuracy = c.L2, c.ValidationLogLoss, c.ValidationAccuracy
	}
	send(e)
}

// state returns what was done so far.
func (h *search) state() state {
	s := state{ints: []int64{int64(h.at), int64(h.l2), int64(h.inFold), int64(h.worse)}}
	var tried []float64
	for _, c := range h.tried {
		for i, known := range h.scalings {
			if known == c.Scaling {
				tried = append(tried, float64(i), c.L2, c.ValidationLogLoss, c.ValidationAccuracy)
			}
		}
	}
	s.floats = append([][]float64{tried}, h.starts...)
	return s
}

func (h *search) resume(s state) error {
	if len(s.ints) != 4 || len(s.floats) != 1+h.folds || len(s.floats[0])%4 != 0 {
		return errState
	}
	dim := h.solver.obj.dim()
	for i, v := range s.floats[1:] {
		switch len(v) {
		case 0:
			h.starts[i] = nil
		case dim:
			h.starts[i] = v
		default:
			return errState
		}
	}
	for c := s.floats[0]; len(c) > 0; c = c[4:] {
		if !(0 <= c[0] && int(c[0]) < len(h.scalings)) {
			return errState
		}
		h.tried = append(h.tried, Choice{Scaling: h.scalings[int(c[0])], L2: c[1], ValidationLogLoss: c[2],
			ValidationAccuracy: c[3]})
	}
	h.at, h.l2, h.inFold, h.worse = int(s.ints[0]), int(s.ints[1]), int(s.ints[2]), int(s.ints[3])
	return nil
}
