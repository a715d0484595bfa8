package head

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/c236555e/rehead/nn/linalg"
	"github.com/c236555e/rehead/train/head/internal/softmax"
)

// passLane is what one goroutine needs to work on a batch.
type passLane struct {
	rows *linalg.Rows
	row  []float32
	ld   int
	z    []float32 // [batch,ld]
	b32  []float32 // [ld]
	sum  *linalg.Sum
	bias []float64 // [ld]
	wide []float64 // [K]
	of   []float64 // [batch] of 1

	order []int // rows of the batch, those trained on first
	loss  float64
	// the rows' lengths times what they count, and their squares: sums
	size, square float64
	own          float64 // of the logits of the rows' own labels, without the bias

	parts [2]Measured

	first, second []float64 // [F], sums of the first pass

	batch *Batch
	done  chan error
}

func (s *stream) newLane() (*passLane, error) {
	rows, err := linalg.NewRows(batchRows, s.f)
	if err != nil {
		return nil, fmt.Errorf("train: stream: %w", err)
	}
	ld := padded(rows.Columns(s.k))
	return &passLane{rows: rows, row: make([]float32, s.f), ld: ld, z: make([]float32, batchRows*ld),
		b32: slices.Repeat([]float32{softmax.Pad}, ld), sum: rows.NewSum(s.k), bias: make([]float64, ld),
		wide: make([]float64, s.k), of: slices.Repeat([]float64{1}, batchRows), done: make(chan error, 1),
		first: make([]float64, s.f), second: make([]float64, s.f)}, nil
}

// work is what is done with batches: compute by lanes, side by side, and merge in the order of the
// batches.
type work struct {
	want    func(b *Batch) bool
	compute func(l *passLane, b *Batch) error
	merge   func(l *passLane) error
}

// each works on the batches from a number on.
func (s *stream) each(from int, w work) error {
	free, busy := slices.Clone(s.lanes), []*passLane{}
	settle := func() error {
		l := busy[0]
		busy = busy[1:]
		err := <-l.done
		if err == nil {
			err = w.merge(l)
		}
		free = append(free, l)
		return err
	}
	err := s.src.Batches(s.ctx, from, w.want, func(b *Batch) error {
		if b.Half == nil {
			b.Release()
			return nil
		}
		if err := s.check(b); err != nil {
			b.Release()
			return err
		}
		if len(free) == 0 {
			if err := settle(); err != nil {
				b.Release()
				return err
			}
		}
		l := free[len(free)-1]
		free, busy = free[:len(free)-1], append(busy, l)
		l.batch = b
		go func() {
			err := errUndone
			defer func() {
				b.Release()
				l.done <- err
			}()
			err = w.compute(l, b)
		}()
		return nil
	})
	for len(busy) > 0 {
		if err != nil {
			<-busy[0].done //nolint:errcheck // err came first
			busy = busy[1:]
			continue
		}
		err = settle()
	}
	return err
}

// half decodes row i of the batch.
func (b *Batch) half(i int, row []float32) error {
	raw := b.Half[2*i*len(row):][:2*len(row)]
	odd := uint32(0)
	for j := range row {
		h := uint32(binary.LittleEndian.Uint16(raw[2*j:]))
		odd |= h&0x7c00 + 0x400
		// a float32 with the half's bits is 2^-112 of it, also below the least normal number
		row[j] = math.Float32frombits(h&0x8000<<16|h&0x7fff<<13) * 0x1p112
	}
	if odd&0x8000 != 0 {
		return fmt.Errorf("train: stream: row %d: got a feature that is not finite", b.First+i)
	}
	return nil
}

// gather reads the sample's rows; measuring, all training rows are read and their features measured, and
// the sample's are left as they are.
func (s *stream) gather(o *objective, measure bool) error {
	n := float64(s.rows[PartTrain])
	mean, variance := make([]float64, s.f), make([]float64, s.f)
	err := s.each(0, work{
		want: func(b *Batch) bool {
			s.draw(b)
			return len(b.picks) > 0 || measure && slices.Contains(b.Parts, PartTrain)
		},
		compute: func(l *passLane, b *Batch) error { return l.gather(s, o, b, measure) },
		merge: func(l *passLane) error {
			for j, v := range l.first {
				mean[j] += v
				variance[j] += l.second[j]
			}
			return nil
		},
	})
	if err != nil || !measure {
		return err
	}
	s.scale = plainScale(s.f)
	if s.base.Scaling == ScaleNone {
		return nil
	}
	for j := range mean {
		mean[j] /= n
		variance[j] = max(0, variance[j]/n-mean[j]*mean[j])
		s.scale.mean[j], s.scale.inv[j] = mean[j], 0
	}
	power, _ := s.base.Scaling.power()
	s.scale.divide(variance, power)
	return nil
}

// gather does a batch: float64 holds the sums of squares of float16 numbers without taking off a mean.
func (l *passLane) gather(s *stream, o *objective, b *Batch, measure bool) error {
	clear(l.first)
	clear(l.second)
	picks := b.picks
	for i, part := range b.Parts {
		picked := len(picks) > 0 && picks[0].row == i
		if part != PartTrain || !measure && !picked {
			continue
		}
		if err := b.half(i, l.row); err != nil {
			return err
		}
		if measure {
			second := l.second[:len(l.row)]
			for j, v := range l.row {
				x := float64(v)
				l.first[j] += x
				second[j] += x * x
			}
		} else {
			s.scale.apply(l.row, l.row)
		}
		if picked {
			if err := o.rows.Set(picks[0].place, l.row); err != nil {
				return err
			}
			picks = picks[1:]
		}
	}
	return nil
}

// pass is one over all rows at the head x: the loss and its gradient, what the other parts are answered,
// and the logits of held rows.
func (s *stream) pass() error {
	p := &s.at
	weights, err := s.pack(p.x)
	if err != nil {
		return err
	}
	w, done := s.k*s.f, 0
	return s.each(p.next, work{
		want:    func(b *Batch) bool { return slices.ContainsFunc(b.Parts, func(p Part) bool { return p != PartNone }) },
		compute: func(l *passLane, b *Batch) error { return l.compute(s, b, weights, true) },
		merge: func(l *passLane) error {
			p.loss += l.loss
			p.size += l.size
			p.square += l.square
			p.own += l.own
			for i, g := range l.bias[:s.k] {
				p.sum[w+i] += g
			}
			if err := l.sum.AddTo(p.sum[:w], s.base.Threads); err != nil {
				return err
			}
			p.parts = added(p.parts, l.parts)
			p.next = l.batch.Number + 1
			done = l.batch.First + len(l.batch.Parts)
			if s.cfg.Progress != nil {
				s.cfg.Progress(Event{Phase: PhasePass, Done: done, Total: s.all, L2: s.base.L2, TrainAccuracy: math.NaN(),
					ValidationLoss: math.NaN(), ValidationAccuracy: math.NaN()})
			}
			if s.keep.due() {
				s.keep.save(p.state(s.scale))
			}
			return nil
		},
	})
}

// measure gets the logits of held rows in the batches before one at the head x, and with parts what both
// parts are answered.
func (s *stream) measure(to int, parts bool) error {
	weights, err := s.pack(s.at.x)
	if err != nil {
		return err
	}
	return s.each(0, work{
		want: func(b *Batch) bool {
			lo, hi := s.held.within(b)
			return b.Number < to && (lo < hi || parts && slices.ContainsFunc(b.Parts, func(p Part) bool {
				return p == PartValidation || p == PartTest
			}))
		},
		compute: func(l *passLane, b *Batch) error { return l.compute(s, b, weights, false) },
		merge: func(l *passLane) error {
			if parts {
				s.at.parts = added(s.at.parts, l.parts)
			}
			return nil
		},
	})
}

func added(a, b [2]Measured) [2]Measured {
	for i := range a {
		a[i].Rows += b[i].Rows
		a[i].Right += b[i].Right
		a[i].Loss += b[i].Loss
	}
	return a
}

// pack lays out the weights of a head, and hands its bias to the lanes.
func (s *stream) pack(x []float64) (*linalg.Weights, error) {
	w32, w := make([]float32, s.k*s.f), new(linalg.Weights)
	for i := range w32 {
		w32[i] = float32(x[i])
	}
	if err := s.lanes[0].rows.Pack(w, w32, s.k, s.base.Threads); err != nil {
		return nil, fmt.Errorf("train: stream: %w", err)
	}
	for _, l := range s.lanes {
		for j, v := range x[s.k*s.f:] {
			l.b32[j] = float32(v)
		}
	}
	return w, nil
}

// within says which of the held rows a batch has.
func (h *held) within(b *Batch) (lo, hi int) {
	lo, _ = slices.BinarySearch(h.rows, b.First)
	hi, _ = slices.BinarySearch(h.rows, b.First+len(b.Parts))
	return lo, hi
}

// compute does a batch of a pass.
func (l *passLane) compute(s *stream, b *Batch, weights *linalg.Weights, gradient bool) error {
	l.order = l.order[:0]
	for i, part := range b.Parts {
		if part == PartTrain && gradient {
			l.order = append(l.order, i)
		}
	}
	trained := len(l.order)
	for i, part := range b.Parts {
		if part == PartValidation || part == PartTest {
			l.order = append(l.order, i)
		}
	}
	t := *s.full
	t.of = l.of
	l.loss, l.size, l.square, l.own, l.parts = 0, 0, 0, 0, [2]Measured{}
	clear(l.bias)
	for at, i := range l.order {
		if err := b.half(i, l.row); err != nil {
			return err
		}
		s.scale.apply(l.row, l.row)
		if at < trained {
			if b.MultiLabel != nil {
				t.ex.MultiLabel = append(t.ex.MultiLabel, b.MultiLabel[i])
			} else {
				t.ex.Labels = append(t.ex.Labels, b.Labels[i])
			}
			z := length(l.row)
			l.size += t.most(at) * z
			l.square += t.most(at) * z * z
		}
		if err := l.rows.Set(at, l.row); err != nil {
			return err
		}
	}
	if len(l.order) == 0 {
		l.sum.Clear()
		return nil
	}
	if err := l.rows.Times(l.z, l.ld, weights, 0, len(l.order)); err != nil {
		return err
	}
	l.answers(s, b, trained)
	if !gradient {
		return nil
	}
	l.residuals(&t, trained)
	l.sum.Clear()
	return l.sum.Add(l.z, l.ld, 0, trained)
}

// residuals makes residuals of the first logits, and sums up what they say.
func (l *passLane) residuals(t *targets, trained int) {
	k := t.ex.Classes
	for i, y := range t.ex.Labels {
		l.own += float64(l.z[i*l.ld+y])
	}
	if t.ex.MultiLabel != nil || t.off != 0 {
		l.loss = residuals(t, rowsOf[float32]{l.z, l.ld, 0, trained}, l.b32[:k], l.bias[:k])
		return
	}
	for i := range trained {
		z := l.z[i*l.ld:][:l.ld]
		l.loss += certainResidual(t, i, z, z, l.b32, l.bias)
	}
}

// answers measures the rows of the order from one on, and keeps the logits of those that are held.
func (l *passLane) answers(s *stream, b *Batch, from int) {
	lo, hi := s.held.within(b)
	for at := from; at < len(l.order); at++ {
		i := l.order[at]
		for j, z := range l.z[at*l.ld:][:s.k] {
			l.wide[j] = float64(z + l.b32[j])
		}
		m := &l.parts[b.Parts[i]-PartValidation]
		m.Rows++
		one := Examples{Labels: b.set(i), Classes: s.k}
		if b.MultiLabel != nil {
			one = Examples{Labels: []int{0}, MultiLabel: b.MultiLabel[i : i+1], Classes: s.k}
		}
		m.Loss += one.entropy(0, l.wide, 1)
		if isRight(l.wide, one, 0) {
			m.Right++
		}
		if k, ok := slices.BinarySearch(s.held.rows[lo:hi], b.First+i); ok {
			logits := s.held.logits[(lo+k)*s.k:][:s.k]
			for j, z := range l.wide {
				logits[j] = float32(z)
			}
		}
	}
}
