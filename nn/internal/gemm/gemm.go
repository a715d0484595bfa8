package gemm

import (
	"runtime"
	"sync"

	"github.com/c236555e/rehead/nn/internal/par"
)

// Size is the size of a product: the result is M by N, each value a sum of K
// products.
type Size struct{ M, N, K int }

// matrix is a view of row-major data or of its transpose.
type matrix struct {
	data     []float32
	row, col int // distance from one row, one column, to the next
}

// NT adds a * transposed(b) to c: a [M,K], b [N,K], c [M,N].
func NT(c, a, b []float32, s Size) { best().mul(c, matrix{a, s.K, 1}, matrix{b, 1, s.K}, s) }

// NN adds a * b to c: a [M,K], b [K,N], c [M,N].
func NN(c, a, b []float32, s Size) { best().mul(c, matrix{a, s.K, 1}, matrix{b, s.N, 1}, s) }

// TN adds transposed(a) * b to c: a [K,M], b [K,N], c [M,N].
func TN(c, a, b []float32, s Size) { best().mul(c, matrix{a, 1, s.M}, matrix{b, s.N, 1}, s) }

// buffers are the packed panels of one worker.
type buffers struct{ a, b []float32 }

// scratch keeps buffers between products.
var scratch = sync.Pool{New: func() any { return new(buffers) }}

// mul cuts c into parts and computes them side by side.
func (f format) mul(c []float32, a, b matrix, s Size) {
	if s.M == 0 || s.N == 0 {
		return
	}
	threads := runtime.GOMAXPROCS(0)
	rows, cols := f.parts(s, threads)
	across := (s.N + cols - 1) / cols
	down := (s.M + rows - 1) / rows
	par.Do(threads, across*down, func(task int) {
		i, j := task/across*rows, task%across*cols
		w := scratch.Get().(*buffers)
		w.part(f, c[i*s.N+j:], a.from(i, 0), b.from(0, j), extent{min(rows, s.M-i), min(cols, s.N-j), s.N}, s.K)
		scratch.Put(w)
	})
}

// parts returns the size of the parts: few, as each packs its own operands,
// but enough to share evenly.
func (f format) parts(s Size, threads int) (rows, cols int) {
	const most, least = 512, 64
	rows, cols = min(up(s.M, f.mr), most/f.mr*f.mr), min(up(s.N, f.nr), most/f.nr*f.nr)
	for threads > 1 && max(rows, cols) > least &&
		((s.M+rows-1)/rows)*((s.N+cols-1)/cols) < 4*threads {
		if rows >= cols {
			rows = up(rows/2, f.mr)
		} else {
			cols = up(cols/2, f.nr)
		}
	}
	return rows, cols
}

func (m matrix) from(i, j int) matrix {
	return matrix{m.data[i*m.row+j*m.col:], m.row, m.col}
}

// part adds a * b to the part of c that s describes.
func (w *buffers) part(f format, c []float32, a, b matrix, s extent, k int) {
	w.a = grow(w.a, up(s.rows, f.mr)*kc)
	w.b = grow(w.b, up(s.cols, f.nr)*kc)
	for k0 := 0; k0 < k; k0 += kc {
		n := steps(k0, k)
		pack(w.a, matrix{a.data[k0*a.col:], a.row, a.col}, f.mr, s.rows, min(n, k-k0))
		pack(w.b, matrix{b.data[k0*b.row:], b.col, b.row}, f.nr, s.cols, min(n, k-k0))
		for j := 0; j < s.cols; j += f.nb {
			f.block(c[j:], extent{s.rows, min(f.nb, s.cols-j), s.ld}, n, w.a, w.b[j*n:])
		}
	}
}

// pack copies count lines of k steps each into panels of width lines, all of
// one step side by side. Here row is the distance between lines, col between
// the steps of one; one of them is 1.
func pack(dst []float32, m matrix, width, count, k int) {
	even := (k + 1) &^ 1
	for i := 0; i < count; i += width {
		panel := dst[i*even:][:width*even]
		lines := min(width, count-i)
		if lines < width || even != k {
			clear(panel)
		}
		if m.row == 1 {
			for s := range k {
				copy(panel[s*width:], m.data[i+s*m.col:][:lines])
			}
			continue
		}
		l := 0
		for ; l+2 <= lines; l += 2 { // two at a time, to go through the panel less often
			one, two := m.data[(i+l)*m.row:][:k], m.data[(i+l+1)*m.row:][:k]
			to := panel[l:]
			for s, v := range one {
				to[s*width], to[s*width+1] = v, two[s]
			}
		}
		if l < lines {
			to := panel[l:]
			for s, v := range m.data[(i+l)*m.row:][:k] {
				to[s*width] = v
			}
		}
	}
}

func grow(b []float32, n int) []float32 {
	if cap(b) < n {
		return make([]float32, n)
	}
	return b[:n]
}
