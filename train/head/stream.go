package head

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

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
	Names        []string  // optional: [Classes], what errors call the classes
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
	case c.Names != nil && len(c.Names) != c.Classes:
		return wrongfield.Errorf("train: config", "Names", "got %d, want none or one for each of %d classes", len(c.Names),
			c.Classes)
	case c.ClassWeights != nil && len(c.ClassWeights) != c.Classes:
		return wrongfield.Errorf("train: config", "ClassWeights", "got %d, want one for each of %d classes",
			len(c.ClassWeights), c.Classes)
	}
	return c.config().Validate()
}

// class is what errors call a class.
func (c StreamConfig) class(l int) string {
	if c.Names == nil {
		return fmt.Sprintf("class %d of %d", l, c.Classes)
	}
	return fmt.Sprintf("label %q", c.Names[l])
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

// why is what the caller hears of an error.
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
