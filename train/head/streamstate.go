package head

import (
	"math"
	"slices"

	"github.com/c236555e/rehead/internal/plural"
	"github.com/c236555e/rehead/internal/wrongfield"
)

// sizes are what a fit holds.
type sizes struct {
	fixed int64 // bytes that do not depend on the sample
	row   int64 // bytes of one row of the sample
	rows  int   // that there is room for
}

// spareShare is the share of memory that is left to the collector of what is no longer used.
const spareShare = 0.1

// countedThreads is how many threads have their memory counted, however many there are: the sample, and
// so the result, may not depend on that.
const countedThreads = 4

// sourceBatches is how many batches a source may hold that it reads ahead.
const sourceBatches = 8

// sizes says how many rows the sample may have.
func (s *stream) sizes() (z sizes, err error) {
	f, k, lanes := int64(s.f), int64(s.k), int64(countedThreads+1)
	dim, ld := k*f+k, (k+15)/16*16
	line := f * 17 / 16 * 4 // of a row that is laid out for products
	pairs := max(lbfgsFewest, min(lbfgsMost, lbfgsNumbers/dim))
	z.fixed = lanes*(batchRows*(line+4*ld)+4*dim+16*f) + sourceBatches*batchRows*2*f + // pass
		(pairs+1+int64(s.cfg.Passes))*2*4*dim + 12*8*dim + 4*dim + countedThreads*(batchRows*4*ld+4*dim) + // surrogate
		int64(len(s.held.logits))*4 + int64(len(s.held.rows))*16 + 32<<20
	z.row = line + 4*ld + 48
	room := int64(float64(s.cfg.Memory)*(1-spareShare)) - z.fixed
	least := min(s.rows[PartTrain], max(32*s.k, 1000))
	z.rows = int(min(int64(s.rows[PartTrain]), room/z.row))
	if room < 0 || z.rows < least {
		want := int64(float64(z.fixed+int64(least)*z.row)/(1-spareShare)) + 1
		return z, wrongfield.Errorf("train: config", "Memory", "got %.1f MB, want at least %d MB for a sample of %s of %d "+
			"features and %d classes", float64(s.cfg.Memory)/(1<<20), want>>20+1, plural.Count(least, "row"), s.f, s.k)
	}
	return z, nil
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

// state is all that a fit knows between two batches.
func (p *progressPoint) state(sc scale) state {
	done, loss := make([]float64, len(p.losses)), make([]float64, len(p.losses))
	for i, l := range p.losses {
		done[i], loss[i] = float64(l.Iteration), l.Loss
	}
	s := state{
		ints:    []int64{int64(p.pass), int64(p.next), int64(p.solved)},
		singles: slices.Concat(p.s, p.y),
		floats: [][]float64{{p.loss, p.size, p.square, p.own, p.bestLoss, p.longest, p.found.loss, p.found.gap,
			p.found.gradient, p.parts[0].Loss, p.parts[1].Loss}, sc.mean, sc.inv, p.x, p.sum, p.best, p.bestGrad, done, loss},
	}
	for _, m := range p.parts {
		s.ints = append(s.ints, int64(m.Rows), int64(m.Right))
	}
	return s
}

// resume takes a state's place, and says whether it fits.
func (p *progressPoint) resume(s state, k, f int, sc *scale) bool {
	dim := k*f + k
	if len(s.ints) != 7 || len(s.singles)%2 != 0 || len(s.floats) != 9 || len(s.floats[0]) != 11 ||
		len(s.floats[7]) != len(s.floats[8]) {
		return false
	}
	for i, v := range s.floats[1:7] {
		if want := dim; len(v) != want && (i > 1 || len(v) != f) {
			return false
		}
	}
	for _, v := range s.singles {
		if len(v) != k*f {
			return false
		}
	}
	v, pairs := s.floats[0], len(s.singles)/2
	*p = progressPoint{pass: int(s.ints[0]), next: int(s.ints[1]), solved: int(s.ints[2]),
		s: slices.Clone(s.singles[:pairs]), y: slices.Clone(s.singles[pairs:]), loss: v[0], size: v[1],
		square: v[2], own: v[3], bestLoss: v[4], longest: v[5],
		found: certificate{loss: v[6], gap: v[7], gradient: v[8]},
		x:     s.floats[3], sum: s.floats[4], best: s.floats[5], bestGrad: s.floats[6]}
	for i := range p.parts {
		p.parts[i] = Measured{Rows: int(s.ints[3+2*i]), Right: int(s.ints[4+2*i]), Loss: v[9+i]}
	}
	for i, d := range s.floats[7] {
		p.losses = append(p.losses, Loss{int(d), s.floats[8][i]})
	}
	*sc = plainScale(f)
	copy(sc.mean, s.floats[1])
	copy(sc.inv, s.floats[2])
	for j := range sc.mean {
		sc.m32[j], sc.i32[j] = float32(sc.mean[j]), float32(sc.inv[j])
	}
	return p.pass > 0 && p.next >= 0 && !math.IsNaN(p.loss)
}
