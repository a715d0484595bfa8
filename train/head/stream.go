package head

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"

	"github.com/c236555e/rehead/internal/wrongfield"
)

// Part says what a row of a Source is for.
type Part uint8

// The parts of a Source.
const (
	PartTrain Part = iota
	PartValidation
	PartTest
	PartNone // of no use, as a row without a label is
)

// Batch is a run of at most 1,024 rows of a Source.
type Batch struct {
	Number     int     // from 0
	First      int     // the place of its first row among all
	Parts      []Part  // [n]
	Labels     []int   // [n], each row's label; says nothing of a row of PartNone, and where MultiLabel does
	MultiLabel [][]int // [n], all labels of each row, ascending; nil: each row has one
	Half       []byte  // [n,F] float16, little-endian; nil where the features are not wanted
	Release    func()  // gives the batch back, once; called by any goroutine

	picks []pick
}

// batchRows is the most rows of a Batch.
const batchRows = 1024

// Source gives rows in passes.
type Source interface {
	Features() int             // F
	Digest() [sha256.Size]byte // of all that the rows are
	// Batches calls each with the batches from a number on, the same ones in the same order each time,
	// one at a time; want, in the order of the batches, too, says before whether the features of one
	// are wanted. An error of each ends it
	Batches(ctx context.Context, from int, want func(b *Batch) bool, each func(b *Batch) error) error
}

// What the zero value of a setting of a StreamConfig means.
const (
	DefaultStreamTolerance = 1e-3
	DefaultPasses          = 12
	DefaultMemory          = 2 << 30
)

// StreamConfig sets a fit on a Source.
type StreamConfig struct {
	// of solver LBFGS, L2 and scaling not searched for. Tolerance 0 means DefaultStreamTolerance
	Options
	Classes      int
	MultiLabel   bool      // rows may have several labels
	ClassWeights []float64 // as Config.ClassWeights
	Balanced     bool      // as Config.Balanced
	Memory       int64     // bytes that the fit may hold; 0 means DefaultMemory. It is part of the result
	Passes       int       // most passes over the features; 0 means DefaultPasses, at least 2
	// rows of the validation part, and as many of the test part, whose logits are part of the result; more
	// are measured only. 0: none
	Held     int
	Threads  int // 0 means GOMAXPROCS; changes no bit of the result
	Progress func(Event)
}

// PhasePass is a pass of FitStream over its rows; counted in rows.
const PhasePass Phase = "pass"

// Measured is what a head answers of a part.
type Measured struct {
	Rows  int
	Right int     // rows that it answers
	Loss  float64 // mean cross entropy, without weights and L2 term; 0 of no rows
}

// StreamSolution is a head that was solved for in passes.
type StreamSolution struct {
	Solution
	Rows       int // of the training part
	Resident   int // of these, held in memory
	Passes     int // over all features
	Validation Measured
	Test       Measured

	// rows of both parts with their logits: places among all rows, ascending, their parts and logits [n,K]
	HeldRows   []int
	HeldParts  []Part
	HeldLogits []float32
}

// Validate names the first field that is wrong.
func (c StreamConfig) Validate() error {
	switch {
	case c.Solver != "" && c.Solver != LBFGS:
		return wrongfield.Errorf("train: config", "Solver", "got %s, want %s: rows that are streamed have no other",
			c.Solver, LBFGS)
	case c.L2 < 0:
		return wrongfield.Errorf("train: config", "L2",
			"got %g, want 0 (default) or more: rows that are streamed are not searched with", c.L2)
	case c.Memory < 0:
		return wrongfield.Errorf("train: config", "Memory", "got %d, want 0 (default) or bytes", c.Memory)
	case c.Passes < 0 || c.Passes == 1:
		return wrongfield.Errorf("train: config", "Passes", "got %d, want 0 (%d) or at least 2", c.Passes, DefaultPasses)
	case c.Held < 0:
		return wrongfield.Errorf("train: config", "Held", "got %d, want 0 or more", c.Held)
	case c.Classes < 2 || c.Classes > maxClasses:
		return fmt.Errorf("train: stream: got %d classes, want 2 to %d", c.Classes, maxClasses)
	case c.ClassWeights != nil && len(c.ClassWeights) != c.Classes:
		return wrongfield.Errorf("train: config", "ClassWeights", "got %d, want one for each of %d classes",
			len(c.ClassWeights), c.Classes)
	}
	return c.config().Validate()
}

// config is what is common with a fit in memory.
func (c StreamConfig) config() Config {
	return Config{Options: c.Options, ClassWeights: c.ClassWeights, Balanced: c.Balanced, Threads: c.Threads}
}

// FitStream solves for the head that Fit solves for, on more rows than memory holds, in a few passes.
//
// The first pass measures the features and keeps a sample in memory, drawn evenly of every label and
// weighted so that each label counts what it does among all. L-BFGS solves for the head of the sample;
// then each pass gives loss and gradient of the whole at the last head w, and the next is
//
//	argmin_v f(v) + <q - g'(w), v>
//
// f being the loss of the sample and g' its gradient. q is that of the whole at first (Shamir, Srebro and
// Zhang, "Communication-Efficient Distributed Optimization using an Approximate Newton-type Method",
// 2014); then what the passes before tell of the whole's curvature is put before and behind, as L-BFGS
// does, whose first matrix the sample is; to its curvature that is added which a row outside it has along
// itself. Each pass comes nearer by a factor that falls with the sample's size: some hundreds of rows a label
// are few of 2,048 features, some thousands enough. It ends when the gap, as in
// Solution.Gap, is at most Tolerance of the loss; sums are in float32 within a batch and in float64
// above. The same source, settings and memory give the same bits, also when the fit was stopped between
// and, with Checkpoints, made again.
func FitStream(ctx context.Context, src Source, cfg StreamConfig) (*StreamSolution, error) {
	if src == nil {
		return nil, errors.New("train: stream: got no source of rows")
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if f := src.Features(); f < 1 || f > 1<<17 {
		return nil, fmt.Errorf("train: stream: got %d features, want 1 to %d", f, 1<<17)
	}
	s, err := newStream(ctx, src, cfg)
	if err != nil {
		return nil, err
	}
	if err := s.count(); err != nil {
		return nil, s.why(err)
	}
	if err := s.prepare(); err != nil {
		return nil, s.why(err)
	}
	if err := s.solve(); err != nil {
		return nil, s.why(err)
	}
	return s.solution()
}

// stream is a fit on its way.
type stream struct {
	ctx  context.Context
	src  Source
	cfg  StreamConfig
	base Config // resolved
	f, k int
	size sizes
	keep *checkpointer

	rows    [PartNone]int // of each part
	strata  []stratum
	strataL []int // of each label, its stratum: by itself
	full    *targets
	whole   *objective // of all rows, without them
	scale   scale
	sample  *surrogate
	drawn   *drawn
	held    held
	lanes   []*passLane
	all     int // rows of all parts
	at      progressPoint
}

// progressPoint is how far a fit has come: all that a checkpoint keeps.
type progressPoint struct {
	pass int // the one that is to be made, from 1; 0: nothing is known
	next int // the batch that it comes to next
	x    []float64
	sum  []float64 // of the gradient so far
	loss float64   // the same
	// of the rows' lengths so far, times what they count, and of their squares
	size, square float64
	own          float64 // of the logits of the rows' own labels, without the bias
	parts        [2]Measured

	best      []float64 // where the gradient is known and the loss was least
	bestGrad  []float64
	bestLoss  float64
	longest   float64     // of the next step; 0: any
	s, y      [][]float32 // what head and gradient moved by between passes, the oldest first
	losses    []Loss
	solved    int // evaluations of the sample
	found     certificate
	converged bool
}

// stopped is what the caller hears of an error.
func (s *stream) why(err error) error {
	if s.ctx.Err() == nil {
		return err
	}
	err = fmt.Errorf("train: stream: stopped before the head was solved: %w", context.Cause(s.ctx))
	switch {
	case s.keep == nil || !s.keep.saved:
		return err
	case s.keep.err != nil:
		return fmt.Errorf("%w; its state could not be kept: %w", err, s.keep.err)
	}
	return fmt.Errorf("%w; the same run made again goes on from %s", err, s.keep.path)
}

func newStream(ctx context.Context, src Source, cfg StreamConfig) (*stream, error) {
	s := &stream{ctx: ctx, src: src, cfg: cfg, f: src.Features(), k: cfg.Classes}
	if s.cfg.Tolerance == 0 {
		s.cfg.Tolerance = DefaultStreamTolerance
	}
	if s.cfg.Memory == 0 {
		s.cfg.Memory = DefaultMemory
	}
	if s.cfg.Passes == 0 {
		s.cfg.Passes = DefaultPasses
	}
	s.base = s.cfg.config().resolved(s.k)
	s.cfg.Options, s.cfg.Threads = s.base.Options, s.base.Threads
	digest := src.Digest()
	var err error
	s.keep, err = newCheckpointer(s.base.Checkpoints, struct {
		Options
		Classes      int
		MultiLabel   bool
		ClassWeights []float64
		Balanced     bool
		Memory       int64
		Passes, Held int
		Source       []byte
	}{s.base.Options, s.k, cfg.MultiLabel, cfg.ClassWeights, cfg.Balanced, s.cfg.Memory, s.cfg.Passes, cfg.Held,
		digest[:]})
	return s, err
}

// solve makes passes until the head is near enough to the optimum.
func (s *stream) solve() error {
	p := &s.at
	if p.pass == 0 {
		*p = progressPoint{pass: 1, bestLoss: math.Inf(1)}
		if err := s.step(stepFrom{}); err != nil {
			return err
		}
	}
	for {
		resumed := p.next
		if err := s.pass(); err != nil {
			s.keep.save(p.state(s.scale))
			return err
		}
		cert := s.certificate()
		near := cert.gap <= s.cfg.Tolerance*cert.loss
		better := near || cert.loss < p.bestLoss
		if p.pass > 1 {
			p.remember(s.k * s.f)
			p.restrain(better, s.k*s.f)
		}
		if better {
			copy(p.best, p.x)
			copy(p.bestGrad, p.sum)
			p.bestLoss, p.found = cert.loss, cert
		}
		p.losses = append(p.losses, Loss{p.pass, cert.loss})
		p.converged = near
		s.tell(cert)
		if p.converged || p.pass+1 >= s.cfg.Passes {
			return s.end(better, resumed)
		}
		p.pass++
		from := stepFrom{x: p.best, grad: p.bestGrad, loss: p.bestLoss, gap: p.found.gap, prox: s.aloneCurvature(),
			longest: p.longest}
		if err := s.step(from); err != nil {
			return err
		}
	}
}

// remember keeps what the last pass tells of the curvature of the loss with the best bias, where it lies
// beside the best head.
func (p *progressPoint) remember(weights int) {
	s, y := make([]float32, weights), make([]float32, weights)
	for i, v := range p.x[:weights] {
		s[i], y[i] = float32(v-p.best[i]), float32(p.sum[i]-p.bestGrad[i])
	}
	if product(1, s, y) > 0 {
		p.s, p.y = append(p.s, s), append(p.y, y)
	}
}

// aloneCurvature is what is added to the sample's curvature. A row outside the sample has a direction of its
// own, in which the sample, whose own rows the head fits, has next to no curvature: steps along all of these
// went many times too far. A row has p (1-p) |z|^2 of it, of which p (1-p) is 1/4 at most.
func (s *stream) aloneCurvature() float64 {
	if s.drawn.n == s.rows[PartTrain] {
		return 0
	}
	n := float64(s.rows[PartTrain])
	return s.at.square / n / n / 4
}

// restrain bounds the next step after one that led up; good ones widen the bound.
func (p *progressPoint) restrain(better bool, weights int) {
	square := 0.0
	for i, v := range p.x[:weights] {
		d := v - p.best[i]
		square += d * d
	}
	if length := math.Sqrt(square); !better {
		p.longest = length / 2
	} else if p.longest > 0 {
		p.longest = max(p.longest, 2*length)
	}
}

// step moves to the head that is to be looked at next, and begins its pass.
func (s *stream) step(from stepFrom) error {
	p := &s.at
	from.tolerance, from.l2 = s.cfg.Tolerance, s.base.L2
	from.s, from.y = p.s, p.y
	x, evaluations, err := s.sample.solve(s.ctx, from)
	if err != nil {
		return err
	}
	dim := s.k*s.f + s.k
	p.x, p.solved = x, p.solved+evaluations
	p.next, p.loss, p.size, p.square, p.own, p.parts = 0, 0, 0, 0, 0, [2]Measured{}
	if p.sum == nil {
		p.sum, p.best, p.bestGrad = make([]float64, dim), make([]float64, dim), make([]float64, dim)
	}
	clear(p.sum)
	s.keep.save(p.state(s.scale))
	return nil
}

// certificate is that of a whole pass, and makes its sums means.
func (s *stream) certificate() certificate {
	p, o := &s.at, s.whole
	loss := o.regularise(p.loss, p.x, p.sum)
	o.length = p.size / float64(o.n)
	c := o.bound(p.x, p.sum)
	c.loss = loss
	if s.base.Scaling != ScaleNone && !s.cfg.MultiLabel && s.cfg.ClassWeights == nil && !s.cfg.Balanced {
		c.gap = min(c.gap, s.centredGap(loss))
	}
	return c
}

// centredGap is the bound of objective.certify where rows have the mean 0 and all count the same: the
// constants c that mend the probabilities leave G alone, so that of (1-e) q + e c it is (1-e) G - e T, T
// being the mean of t z, whose square is at most max t times the mean of |z|^2. Its product with G is
// known where G = g - L2 W is nearly -L2 W, as that of T and W is the mean logit of the rows' own labels.
// The entropy of a mixture is at least the mixture of the entropies.
func (s *stream) centredGap(loss float64) float64 {
	p, o, w := &s.at, s.whole, s.k*s.f
	n := float64(o.n)
	var own, data, norm, square float64 // <G, W>, |G|^2, |g|^2, |W|^2
	for i, g := range p.sum[:w] {
		d := g - o.l2*p.x[i]
		own += d * p.x[i]
		data += d * d
		norm += g * g
		square += p.x[i] * p.x[i]
	}
	b, g := p.x[w:], p.sum[w:]
	entropy := loss - o.l2/2*square - own
	for l, d := range g {
		entropy -= d * b[l]
	}
	e := o.mend(b, g)
	constant, most := 0.0, 0.0
	for l, want := range s.full.wanted {
		most = max(most, want)
		if e > 0 {
			if c := (want - (1-e)*(want+g[l])) / e; c > 0 {
				constant -= c * math.Log(c)
			}
		}
	}
	t := math.Sqrt(most * p.square / n)
	meets := (s.full.on - s.full.off) * p.own / n
	moved := (1-e)*(1-e)*data + 2*e*(1-e)*(math.Sqrt(norm)*t+o.l2*meets) + e*e*t*t
	return loss - (1-e)*entropy - e*constant + moved/(2*o.l2)
}

// tell sends an event of a head that a pass was made for.
func (s *stream) tell(c certificate) {
	if s.cfg.Progress == nil {
		return
	}
	e := Event{Phase: PhaseFit, Done: s.at.pass, Total: s.cfg.Passes - 1, L2: s.base.L2, Loss: c.loss,
		Gradient: c.gradient, Gap: c.gap, TrainAccuracy: math.NaN(), ValidationLoss: math.NaN(),
		ValidationAccuracy: math.NaN()}
	if v := s.at.parts[0]; v.Rows > 0 {
		e.ValidationLoss, e.ValidationAccuracy = v.Loss/float64(v.Rows), float64(v.Right)/float64(v.Rows)
	}
	s.cfg.Progress(e)
}

// end gets what is still wanted of the best head, where the last pass was of another: its logits of held
// rows, and what both parts are answered; or where only a part of that pass was made by this run: the logits.
func (s *stream) end(last bool, resumed int) error {
	p := &s.at
	if last && (resumed == 0 || s.cfg.Held == 0) {
		return nil
	}
	to := resumed
	if !last {
		copy(p.x, p.best)
		p.parts, to = [2]Measured{}, math.MaxInt
	}
	return s.measure(to, !last)
}

// solution is what was found.
func (s *stream) solution() (*StreamSolution, error) {
	p := &s.at
	out := &StreamSolution{Rows: s.rows[PartTrain], Resident: s.drawn.n, Passes: p.pass + 1}
	out.Options = s.base.Options
	out.Checkpoints = Checkpoints{}
	out.Head = (&solver{scale: s.scale, ex: s.full.ex}).head(p.best)
	out.Loss, out.Gap, out.Gradient = p.found.loss, p.found.gap, p.found.gradient
	out.Iterations, out.Evaluations, out.Converged, out.Losses = p.pass, p.solved, p.converged, p.losses
	out.Device = "cpu"
	for i, part := range []*Measured{&out.Validation, &out.Test} {
		*part = p.parts[i]
		if part.Rows > 0 {
			part.Loss /= float64(part.Rows)
		}
	}
	out.HeldRows, out.HeldParts, out.HeldLogits = s.held.rows, s.held.parts, s.held.logits
	if out.checkpoints = s.keep; s.keep != nil {
		out.CheckpointErr = s.keep.err
	}
	return out, nil
}
