package head

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/c236555e/rehead/internal/par"
)

// stratum is the training rows that the sample is drawn from together: those of a label, or, where rows
// have several, those whose rarest label it is.
type stratum struct {
	rows   int
	drawn  int // how many of them are in the sample
	offset int // where the even steps begin
}

// pick is a row of a batch that the sample has.
type pick struct {
	row, place int
}

// drawn is the sample: its rows' places are in the order of the source.
type drawn struct {
	n      int
	seen   []int // of each stratum, in the pass that gathers it
	next   int
	ex     Examples
	strata []int // [n]
}

// held are the rows of the other parts whose logits are wanted.
type held struct {
	rows   []int
	parts  []Part
	logits []float32 // [n,K]
}

// count passes over labels and parts alone.
func (s *stream) count() error {
	labels := make([]float64, s.k)
	holds := [2]sampler{{most: s.cfg.Held}, {most: s.cfg.Held}}
	err := s.src.Batches(s.ctx, 0, func(*Batch) bool { return false }, func(b *Batch) error {
		defer b.Release()
		if err := s.check(b); err != nil {
			return err
		}
		for i, part := range b.Parts {
			s.all++
			if part == PartNone {
				continue
			}
			s.rows[part]++
			if part == PartTrain {
				for _, l := range b.set(i) {
					labels[l]++
				}
				continue
			}
			holds[part-PartValidation].add(b.First + i)
		}
		return nil
	})
	if err != nil {
		return err
	}
	n := s.rows[PartTrain]
	if n == 0 {
		return fmt.Errorf("train: stream: the training part has no row with a label")
	}
	for l, c := range labels {
		if c == 0 {
			return fmt.Errorf("train: stream: %s: got no rows in the training part, want at least one", s.cfg.class(l))
		}
		if int(c) == n && s.cfg.MultiLabel {
			return fmt.Errorf("train: stream: %s: all %d rows have it, want at least one without: leave it out",
				s.cfg.class(l), n)
		}
	}
	s.full = counted(s.base, s.cfg.MultiLabel, n, labels)
	s.whole = &objective{ctx: s.ctx, ex: s.full.ex, targets: s.full, n: n, f: s.f, k: s.k, l2: s.base.L2,
		threads: s.base.Threads}
	s.hold(holds[0].rows, holds[1].rows)
	if s.size, err = s.sizes(); err != nil {
		return err
	}
	return s.stratify(labels)
}

// sampler keeps at most so many of rows that come, in even steps.
type sampler struct {
	most, seen, step int
	rows             []int
}

func (s *sampler) add(row int) {
	if s.step == 0 {
		s.step = 1
	}
	if s.most > 0 && s.seen%s.step == 0 {
		if len(s.rows) == s.most {
			s.step *= 2
			for i := range (s.most + 1) / 2 {
				s.rows[i] = s.rows[2*i]
			}
			s.rows = s.rows[:(s.most+1)/2]
		}
		if s.seen%s.step == 0 {
			s.rows = append(s.rows, row)
		}
	}
	s.seen++
}

// check holds a batch against what was promised of it.
func (s *stream) check(b *Batch) error {
	n := len(b.Parts)
	if n > batchRows || s.cfg.MultiLabel != (b.MultiLabel != nil) || !s.cfg.MultiLabel && len(b.Labels) != n ||
		s.cfg.MultiLabel && len(b.MultiLabel) != n || b.Half != nil && len(b.Half) != 2*n*s.f {
		return fmt.Errorf("train: stream: batch %d: got %d rows with %d labels and %d sets, %d bytes of features, want at "+
			"most %d rows with as many of either and %d features", b.Number, n, len(b.Labels), len(b.MultiLabel), len(b.Half),
			batchRows, s.f)
	}
	for i, part := range b.Parts {
		if part > PartNone {
			return fmt.Errorf("train: stream: row %d: got part %d, which there is not", b.First+i, part)
		}
		if part == PartNone {
			continue
		}
		for _, l := range b.set(i) {
			if l < 0 || l >= s.k {
				return fmt.Errorf("train: stream: row %d: got label %d, want 0..%d", b.First+i, l, s.k-1)
			}
		}
	}
	return nil
}

// set is the labels of row i.
func (b *Batch) set(i int) []int {
	if b.MultiLabel != nil {
		return b.MultiLabel[i]
	}
	return b.Labels[i : i+1]
}

// hold notes the rows whose logits are kept.
func (s *stream) hold(validation, test []int) {
	of := make(map[int]Part, len(test))
	for _, r := range test {
		of[r] = PartTest
	}
	s.held.rows = slices.Concat(validation, test)
	slices.Sort(s.held.rows)
	s.held.parts = make([]Part, len(s.held.rows))
	for i, r := range s.held.rows {
		s.held.parts[i] = cmp.Or(of[r], PartValidation)
	}
	s.held.logits = make([]float32, len(s.held.rows)*s.k)
}

// stratify says how many rows of each label the sample has.
func (s *stream) stratify(labels []float64) error {
	s.strataL = make([]int, s.k)
	for l, c := range labels {
		s.strataL[l] = int(c)
	}
	s.strata = make([]stratum, s.k+1)
	n := s.rows[PartTrain]
	if !s.cfg.MultiLabel {
		for l, c := range labels {
			s.strata[l].rows = int(c)
		}
	} else {
		err := s.src.Batches(s.ctx, 0, func(*Batch) bool { return false }, func(b *Batch) error {
			defer b.Release()
			for i, part := range b.Parts {
				if part == PartTrain {
					s.strata[s.stratum(b, i)].rows++
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	s.drawn = &drawn{}
	share := math.Min(1, float64(s.size.rows)/float64(n))
	for l := range s.strata {
		t := &s.strata[l]
		t.drawn = min(t.rows, max(int(share*float64(t.rows)), fewestDrawn))
		t.offset = int(mix(s.base.Seed, uint64(l)) % uint64(max(t.rows, 1)))
		s.drawn.n += t.drawn
	}
	return nil
}

// fewestDrawn is how many rows of a label the sample has at least, where there are as many.
const fewestDrawn = 32

// mix is a hash of two numbers: Steele, Lea and Flood's SplitMix64.
func mix(seed, v uint64) uint64 {
	z := seed + (v+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// stratum is that of row i.
func (s *stream) stratum(b *Batch, i int) int {
	set := b.set(i)
	if len(set) == 0 {
		return s.k
	}
	return slices.MinFunc(set, func(a, b int) int { return cmp.Or(s.strataL[a]-s.strataL[b], a-b) })
}

// draws tells whether the c-th of the stratum's rows is one of those that the sample has, in even steps.
func (t *stratum) draws(c int) bool {
	at := int64(c)*int64(t.drawn) + int64(t.offset)
	return (at+int64(t.drawn))/int64(t.rows) != at/int64(t.rows)
}

// draw notes which rows of a batch the sample has.
func (s *stream) draw(b *Batch) {
	d := s.drawn
	for i, part := range b.Parts {
		if part != PartTrain {
			continue
		}
		at := s.stratum(b, i)
		c := d.seen[at]
		d.seen[at]++
		if !s.strata[at].draws(c) {
			continue
		}
		b.picks = append(b.picks, pick{i, d.next})
		d.next++
		d.strata = append(d.strata, at)
		if b.MultiLabel != nil {
			d.ex.MultiLabel = append(d.ex.MultiLabel, slices.Clone(b.MultiLabel[i]))
			d.ex.Labels = append(d.ex.Labels, 0)
		} else {
			d.ex.Labels = append(d.ex.Labels, b.Labels[i])
		}
	}
}

// prepare makes the first pass, or after a stop reads the sample again.
func (s *stream) prepare() error {
	from := s.keep.load()
	known := from != nil && s.at.resume(*from, s.k, s.f, &s.scale)
	for range s.base.Threads + 1 {
		l, err := s.newLane()
		if err != nil {
			return err
		}
		s.lanes = append(s.lanes, l)
	}
	d := s.drawn
	d.seen, d.ex.Classes = make([]int, len(s.strata)), s.k
	t := &targets{ex: Examples{Classes: s.k, Labels: make([]int, d.n)}}
	o, err := emptyObjective(s.ctx, t, s.f, s.base.Threads)
	if err != nil {
		return err
	}
	o.l2 = s.base.L2
	s.sample = &surrogate{objective: o}
	if !known {
		if err := s.gather(o, true); err != nil {
			return err
		}
		if err := s.rescale(o); err != nil {
			return err
		}
	} else if err := s.gather(o, false); err != nil {
		return err
	}
	return s.weighSample(t)
}

// rescale scales the sample's rows.
func (s *stream) rescale(o *objective) error {
	return par.Each(s.ctx, s.base.Threads, (o.n+lengthRows-1)/lengthRows, func(_, from int) error {
		row := make([]float32, s.f)
		for i := from * lengthRows; i < min((from+1)*lengthRows, o.n); i++ {
			if err := o.rows.Get(row, i); err != nil {
				return err
			}
			s.scale.apply(row, row)
			if err := o.rows.Set(i, row); err != nil {
				return err
			}
		}
		return nil
	})
}

// weighSample makes the sample's rows count what their strata do among all.
func (s *stream) weighSample(t *targets) error {
	d, n := s.drawn, float64(s.rows[PartTrain])
	if d.next != d.n {
		return fmt.Errorf("train: stream: the source changed: got %d rows of the sample, want %d", d.next, d.n)
	}
	t.ex, t.on, t.off, t.has, t.lack = d.ex, s.full.on, s.full.off, s.full.has, s.full.lack
	t.of = make([]float64, d.n)
	for i, at := range d.strata {
		m := &s.strata[at]
		t.of[i] = float64(m.rows) / float64(m.drawn) * float64(d.n) / n
	}
	t.sum()
	s.sample.ex, s.sample.targets = t.ex, t
	d.strata = nil
	return s.sample.begin(s.full)
}
