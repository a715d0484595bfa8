package gemm

import "github.com/c236555e/rehead/internal/par"

// rowLine is the distance between rows of a block of Rows: those a power of two apart would push
// each other out of the cache.
const rowLine = kc + 16

// Rows are rows [N,F] that are multiplied again and again from both sides. They lie in blocks of kc
// features, all rows of one after those of the other, which both products read where they are.
type Rows struct {
	N, F int
	data []float32 // [blocks][N+spare][rowLine]
	format
}

// spare is how many rows a tile may read beyond the last.
const spare = 12

// NewRows makes N rows of zeros.
func NewRows(n, f int) *Rows {
	r := &Rows{N: n, F: f, format: best()}
	if r.set == setPlain {
		r.format = format{mr: 4, nr: 4}
	}
	r.data = make([]float32, (f+kc-1)/kc*(n+spare)*rowLine)
	return r
}

// block is where the rows from i on have their features of the block at k.
func (r *Rows) block(k, i int) []float32 { return r.data[(k/kc*(r.N+spare)+i)*rowLine:] }

// Set makes row the row i.
func (r *Rows) Set(i int, row []float32) {
	for k := 0; k < r.F; k += kc {
		copy(r.block(k, i)[:kc], row[k:r.F])
	}
}

// Get copies row i to row.
func (r *Rows) Get(row []float32, i int) {
	for k := 0; k < r.F; k += kc {
		copy(row[k:r.F], r.block(k, i)[:kc])
	}
}

// Blocks calls do with views of the rows lo to hi-1: features from k on, n of them.
func (r *Rows) Blocks(lo int, do func(k, n int, v View[float32])) {
	for k := 0; k < r.F; k += kc {
		do(k, min(kc, r.F-k), View[float32]{r.block(k, lo), rowLine, 1})
	}
}

// Columns is how far apart the rows of a result of Times lie at least, for K lines of weights.
func (r *Rows) Columns(k int) int { return up(k, max(r.nr/2, 1)) }

// Weights are weights [K,F] packed for Times.
type Weights struct {
	k      int
	packed []float32
}

// K is how many lines of weights there are.
func (w *Weights) K() int { return w.k }

// Pack packs w [K,F] into to, which it returns; to may be nil.
func (r *Rows) Pack(to *Weights, w []float32, k, threads int) *Weights {
	if to == nil {
		to = &Weights{}
	}
	lines := up(k, r.nr)
	to.k = k
	if len(to.packed) != lines*r.F {
		to.packed = make([]float32, lines*r.F)
	}
	par.Do(threads, (r.F+kc-1)/kc, func(block int) {
		at := block * kc
		n := min(kc, r.F-at)
		pack(to.packed[at*lines:][:lines*n], matrix{w[at:], r.F, 1}, panels{r.nr, k, n, n})
	})
	return to
}

// timesRows is how many rows Times takes at once: their block stays in the second cache.
const timesRows = 96

// Times writes the products of the rows lo to hi-1 and the weights to c [hi-lo,K], rows ld apart;
// what is beyond K in a row of c is overwritten, too.
func (r *Rows) Times(c []float32, ld, lo, hi int, w *Weights) {
	clear(c[:(hi-lo)*ld])
	lines, cols := up(w.k, r.nr), r.Columns(w.k)
	for i := lo; i < hi; i += timesRows {
		end := min(i+timesRows, hi)
		for k := 0; k < r.F; k += kc {
			n := min(kc, r.F-k)
			for j := 0; j < w.k; j += r.nr {
				b := operand{w.packed[k*lines+j*n:], 1, r.nr}
				for y := i; y < end; y += r.mr {
					a := operand{r.block(k, y), rowLine, 1}
					r.add(n, a, b, c[(y-lo)*ld+j:], extent{min(r.mr, end-y), min(r.nr, cols-j), ld})
				}
			}
		}
	}
}

// add is tile, in plain Go where there is no assembly.
func (r *Rows) add(k int, a, b operand, c []float32, s extent) {
	if r.set != setPlain {
		r.tile(k, a, b, c, s)
		return
	}
	var sum [4][4]float32
	for t := range k {
		right := b.data[t*b.step:][:4]
		for y := range sum {
			left := a.data[y*a.line+t*a.step]
			for x, v := range right {
				sum[y][x] += left * v
			}
		}
	}
	for y := range s.rows {
		row := c[y*s.ld:][:s.cols]
		for x := range row {
			row[x] += sum[y][x]
		}
	}
}

// A Sum holds K lines [K,F] of sums, tile by tile.
type Sum struct {
	rows *Rows
	k    int
	data []float32 // [ceil(F/nr)][up(K,mr)][nr]
	left []float32 // kc steps of the left factor, packed
}

// NewSum makes sums of zeros.
func (r *Rows) NewSum(k int) *Sum {
	lines := up(k, r.mr)
	return &Sum{r, k, make([]float32, up(r.F, r.nr)*lines), make([]float32, lines*kc)}
}

// Clear makes the sums zeros again.
func (s *Sum) Clear() { clear(s.data) }

// Add adds the product of the transpose of a [hi-lo,K], rows ld apart, and the rows lo to hi-1.
func (s *Sum) Add(a []float32, ld, lo, hi int) {
	r, lines := s.rows, up(s.k, s.rows.mr)
	for i := lo; i < hi; i += kc {
		n := min(kc, hi-i)
		pack(s.left[:lines*n], matrix{a[(i-lo)*ld:], 1, ld}, panels{r.mr, s.k, n, n})
		for j := 0; j < r.F; j += r.nr {
			b := operand{r.block(j, i)[j%kc:], 1, rowLine}
			c := s.data[j*lines:]
			for y := 0; y < s.k; y += r.mr {
				r.add(n, operand{s.left[y*n:], 1, r.mr}, b, c[y*r.nr:], extent{r.mr, r.nr, r.nr})
			}
		}
	}
}

// AddTo adds the sums to g [K,F].
func (s *Sum) AddTo(g []float64, threads int) {
	nr, f, lines := s.rows.nr, s.rows.F, up(s.k, s.rows.mr)
	par.Do(threads, (f+kc-1)/kc, func(block int) {
		end := min((block+1)*kc, f)
		for y := range s.k {
			for j := block * kc; j < end; j += nr {
				to := g[y*f+j:][:min(nr, end-j)]
				for x, v := range s.data[j*lines+y*nr:][:len(to)] {
					to[x] += float64(v)
				}
			}
		}
	})
}
