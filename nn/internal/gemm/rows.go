package gemm

import "github.com/c236555e/rehead/internal/par"

// rowLine is the distance between rows of a block of Rows: those a power of two apart would push
// each other out of the cache.
const rowLine = kc + 16

// Rows are rows [N,F] that are multiplied again and again from both sides. They lie in blocks of kc
// words, all rows of one after those of the other, which both products read where they are. A word is a
// feature, or two of bfloat16.
type Rows struct {
	N, F  int
	words int       // of a row
	data  []float32 // [blocks][N+spare][rowLine]
	format
}

// spare is how many rows a tile may read beyond the last.
const spare = 12

// NewRows makes N rows of zeros.
func NewRows(n, f int) *Rows {
	form := best()
	if form.set == setPlain {
		form = format{mr: 4, nr: 4}
	}
	return newRows(n, f, form)
}

func newRows(n, f int, form format) *Rows {
	r := &Rows{N: n, F: f, words: f, format: form}
	if r.pairs() {
		r.words = (f + 1) / 2
	}
	r.data = make([]float32, (r.words+kc-1)/kc*(n+spare)*rowLine)
	return r
}

// block is where the rows from i on have their words of the block at k.
func (r *Rows) block(k, i int) []float32 { return r.data[(k/kc*(r.N+spare)+i)*rowLine:] }

// Set makes row the row i.
func (r *Rows) Set(i int, row []float32) {
	for k := 0; k < r.words; k += kc {
		if to := r.block(k, i)[:kc]; r.pairs() {
			narrow(to, row[2*k:min(2*(k+kc), r.F)])
		} else {
			copy(to, row[k:r.F])
		}
	}
}

// Get copies row i to row.
func (r *Rows) Get(row []float32, i int) {
	for k := 0; k < r.words; k += kc {
		if from := r.block(k, i)[:kc]; r.pairs() {
			widen(row[2*k:min(2*(k+kc), r.F)], from)
		} else {
			copy(row[k:r.F], from)
		}
	}
}

// Blocks calls do with views of the rows lo to hi-1, which are of float32: features from k on, n of them.
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
	words  []float32 // of bfloat16: the weights before they are packed
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
	if len(to.packed) != lines*r.words {
		to.packed = make([]float32, lines*r.words)
	}
	if r.pairs() && len(to.words) != k*r.words {
		to.words = make([]float32, k*r.words)
	}
	par.Do(threads, (r.words+kc-1)/kc, func(block int) {
		at := block * kc
		n := min(kc, r.words-at)
		from := matrix{w[at:], r.F, 1}
		if r.pairs() {
			from = matrix{to.words[k*at:][:k*n], n, 1}
			r.narrowLines(from, w, at)
		}
		pack(to.packed[at*lines:][:lines*n], from, panels{r.nr, k, n, n})
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
		for k := 0; k < r.words; k += kc {
			n := min(kc, r.words-k)
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
	switch r.set {
	case setPlain:
	case setPlainPairs:
		plainPairs(k, a, b, c, s)
		return
	default:
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
	left []float32 // kc rows of the left factor, packed

	right []float32 // of bfloat16: kc rows of as many features as a tile has, packed
}

// NewSum makes sums of zeros.
func (r *Rows) NewSum(k int) *Sum {
	lines := up(k, r.mr)
	s := &Sum{rows: r, k: k, data: make([]float32, up(r.F, r.nr)*lines), left: make([]float32, lines*kc)}
	if r.pairs() {
		s.left, s.right = s.left[:lines*kc/2], make([]float32, kc/2*r.nr)
	}
	return s
}

// Clear makes the sums zeros again.
func (s *Sum) Clear() { clear(s.data) }

// Add adds the product of the transpose of a [hi-lo,K], rows ld apart, and the rows lo to hi-1.
func (s *Sum) Add(a []float32, ld, lo, hi int) {
	r, lines := s.rows, up(s.k, s.rows.mr)
	for i := lo; i < hi; i += kc {
		n := min(kc, hi-i)
		if r.pairs() {
			s.narrowLeft(a[(i-lo)*ld:], ld, n)
			n = (n + 1) / 2
		} else {
			pack(s.left[:lines*n], matrix{a[(i-lo)*ld:], 1, ld}, panels{r.mr, s.k, n, n})
		}
		for j := 0; j < r.F; j += r.nr {
			b := operand{s.right, 1, r.nr}
			if r.pairs() {
				r.turn(s.right, j/2, i, n)
			} else {
				b = operand{r.block(j, i)[j%kc:], 1, rowLine}
			}
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
