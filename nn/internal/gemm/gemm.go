package gemm

import (
	"runtime"
	"sync"

	"github.com/c236555e/rehead/internal/par"
)

// Size is the size of a product: the result is M by N, each value a sum of K
// products.
type Size struct{ M, N, K int }

// matrix is a view of row-major data or of its transpose.
type matrix struct {
	data     []float32
	row, col int // distance from one row, one column, to the next
}

func (m matrix) from(i, j int) matrix {
	return matrix{m.data[i*m.row+j*m.col:], m.row, m.col}
}

func (m matrix) transposed() matrix { return matrix{m.data, m.col, m.row} }

// NT adds a * transposed(b) to c: a [M,K], b [N,K], c [M,N].
func NT(c, a, b []float32, s Size) { best().mul(c, matrix{a, s.K, 1}, matrix{b, 1, s.K}, s) }

// NN adds a * b to c: a [M,K], b [K,N], c [M,N].
func NN(c, a, b []float32, s Size) { best().mul(c, matrix{a, s.K, 1}, matrix{b, s.N, 1}, s) }

// TN adds transposed(a) * b to c: a [K,M], b [K,N], c [M,N].
func TN(c, a, b []float32, s Size) { best().mul(c, matrix{a, 1, s.M}, matrix{b, s.N, 1}, s) }

// best returns the format of the fastest tile that this processor can run.
func best() format { return formats()[0] }

// small is the number of products below which other goroutines cost more than
// they help.
const small = 1 << 16

// mul adds a * b to c. The order of the sums depends on nothing but the size.
func (f format) mul(c []float32, a, b matrix, s Size) {
	if s.M == 0 || s.N == 0 || s.K == 0 {
		return
	}
	threads := runtime.GOMAXPROCS(0)
	if s.M*s.N*s.K < small {
		threads = 1
	}
	f.run(c, a, b, s, threads)
}

func (f format) run(c []float32, a, b matrix, s Size, threads int) {
	p := product{format: f, c: c, a: a, b: b, Size: s, threads: threads}
	switch {
	case f.set != setPlain && s.N <= dotColumns && a.col == 1 && b.row == 1:
		p.dots()
	case s.M >= s.N:
		p.byRows()
	case f.set != setPlain && s.M <= fewRows && b.col == 1:
		p.fewRows()
	default:
		p.byColumns()
	}
}

// product is one multiplication under way.
type product struct {
	format
	Size
	c       []float32
	a, b    matrix
	packed  []float32 // the operand that all tasks share
	threads int
}

// buffers hold packed panels.
type buffers struct{ data []float32 }

// scratch keeps buffers between products.
var scratch = sync.Pool{New: func() any { return new(buffers) }}

// borrow returns room for n values, and how to give it back.
func borrow(n int) ([]float32, func()) {
	w := scratch.Get().(*buffers)
	if cap(w.data) < n {
		w.data = make([]float32, n)
	}
	return w.data[:n], func() { scratch.Put(w) }
}

// steps is the length of the block at k.
func (p *product) steps(k int) int {
	if p.set == setPlain {
		return steps(k, p.K)
	}
	return min(kc, p.K-k)
}

// share packs count lines of m, whose columns run along the sum, in panels of
// width lines, side by side.
func (p *product) share(m matrix, width, count int) (release func()) {
	lines := up(count, width)
	p.packed, release = borrow(lines * up(p.K, 2))
	par.Do(p.threads, lines/width, func(panel int) {
		i := panel * width
		for k := 0; k < p.K; k += kc {
			n := p.steps(k)
			pack(p.packed[k*lines+i*n:][:width*n], m.from(i, k), panels{width, min(width, count-i), min(n, p.K-k), n})
		}
	})
	return release
}

// taskRows and taskCols bound a task's part of the result, and so the memory
// that it goes back to. Both are multiples of the assembly's tiles.
const (
	taskRows = 96
	taskCols = 64
)

// parts cuts n lines into tasks of at most so many, multiples of a tile's.
func (p *product) parts(n, most, tile int) (lines, tasks int) {
	lines = up(max(1, min(most, n/(2*p.threads))), tile)
	return lines, (n + lines - 1) / lines
}

// byRows packs all of b; each task computes a few rows of c.
func (p *product) byRows() {
	defer p.share(p.b.transposed(), p.nr, p.N)()
	rows, tasks := p.parts(p.M, taskRows, p.mr)
	par.Do(p.threads, tasks, func(task int) {
		own, release := borrow(rows * line)
		defer release()
		i := task * rows
		part := extent{min(rows, p.M-i), p.N, p.N}
		for k := 0; k < p.K; k += kc {
			n := p.steps(k)
			a := p.gather(own, p.a.from(i, k), panels{p.mr, part.rows, min(n, p.K-k), n})
			p.rowBlock(p.c[i*p.N:], part, k, a)
		}
	})
}

// line is the distance between rows that gather copies: rows that lie powers of
// two apart, as those of 2,048 features do, push each other out of the cache.
const line = kc + 16

// gather brings rows of a together: side by side as they are, which costs least,
// or in panels.
func (p *product) gather(own []float32, a matrix, s panels) operand {
	if p.set == setPlain || a.col != 1 {
		pack(own, a, s)
		return operand{own, 1, p.mr}
	}
	for i := range up(s.lines, p.mr) {
		if to := own[i*line:][:s.k]; i < s.lines {
			copy(to, a.data[i*a.row:])
		} else {
			clear(to)
		}
	}
	return operand{own, line, 1}
}

// rowBlock adds to the rows c what the block of the sum at k contributes.
func (p *product) rowBlock(c []float32, s extent, k int, a operand) {
	n, lines := p.steps(k), up(p.N, p.nr)
	panel := p.mr * n
	if a.line > 1 {
		panel = p.mr * a.line
	}
	for j := 0; j < s.cols; j += p.nr {
		b := operand{p.packed[k*lines+j*n:], 1, p.nr}
		for i := 0; i < s.rows; i += p.mr {
			left := operand{a.data[i/p.mr*panel:], a.line, a.step}
			p.tile(n, left, b, c[i*s.ld+j:], extent{min(p.mr, s.rows-i), min(p.nr, s.cols-j), s.ld})
		}
	}
}

// byColumns packs all of a; each task packs a few columns of b and computes
// those of c.
func (p *product) byColumns() {
	defer p.share(p.a, p.mr, p.M)()
	cols, tasks := p.parts(p.N, taskCols, p.nr)
	par.Do(p.threads, tasks, func(task int) {
		own, release := borrow(cols * kc)
		defer release()
		j := task * cols
		for k := 0; k < p.K; k += kc {
			n, width := p.steps(k), min(cols, p.N-j)
			pack(own, p.b.from(k, j).transposed(), panels{p.nr, width, min(n, p.K-k), n})
			p.columnBlock(p.c[j:], extent{p.M, width, p.N}, k, own)
		}
	})
}

// columnBlock adds to the columns c what the block of the sum at k contributes.
func (p *product) columnBlock(c []float32, s extent, k int, own []float32) {
	n, lines := p.steps(k), up(p.M, p.mr)
	for j := 0; j < s.cols; j += p.nr {
		b := operand{own[j*n:], 1, p.nr}
		for i := 0; i < s.rows; i += p.mr {
			a := operand{p.packed[k*lines+i*n:], 1, p.mr}
			p.tile(n, a, b, c[i*s.ld+j:], extent{min(p.mr, s.rows-i), min(p.nr, s.cols-j), s.ld})
		}
	}
}
