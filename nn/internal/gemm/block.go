package gemm

import (
	"unsafe"

	"github.com/c236555e/rehead/internal/par"
)

// Float is the element type of a [Block].
type Float interface{ float32 | float64 }

// View is a view of a matrix: value i,j is Data[i*Row+j*Col].
type View[T Float] struct {
	Data     []T
	Row, Col int
}

// From is the view without its first i rows and j columns.
func (v View[T]) From(i, j int) View[T] { return View[T]{v.Data[i*v.Row+j*v.Col:], v.Row, v.Col} }

// Transposed is the view of the transpose.
func (v View[T]) Transposed() View[T] { return View[T]{v.Data, v.Col, v.Row} }

// Block is a product of parts of larger matrices, summed in T whatever its factors are: of float64
// sums of float32 rows each product is exact.
type Block[T, L, R Float] struct {
	Size
	C       View[T] // [M,N], its rows contiguous
	A       View[L] // [M,K]
	B       View[R] // [K,N]
	Minus   bool    // subtract the product instead of adding it
	Lower   bool    // values above C's diagonal may be left as they are, or not
	Threads int     // changes no bit of the result
}

// What one task computes of the result: multiples of every tile's size.
const (
	blockRows = 96
	blockCols = 512
)

// Run adds A * B to C. The order of the sums depends on nothing but the size.
func (p Block[T, L, R]) Run() {
	if p.M == 0 || p.N == 0 || p.K == 0 {
		return
	}
	f, steps := tileOf[T](), stepsOf[T]()
	lines := up(p.N, f.nr)
	shared, release := borrowOf[T](lines * p.K)
	defer release()
	par.Do(p.Threads, lines/f.nr, func(panel int) {
		j := panel * f.nr
		for k := 0; k < p.K; k += steps {
			n := min(steps, p.K-k)
			packOf(shared[k*lines+j*n:], p.B.From(k, j).Transposed(), panels{f.nr, min(f.nr, p.N-j), n, n}, false)
		}
	})
	cols := (p.N + blockCols - 1) / blockCols
	par.Do(p.Threads, (p.M+blockRows-1)/blockRows*cols, func(task int) {
		i, j := task/cols*blockRows, task%cols*blockCols
		if last := min(i+blockRows, p.M) - 1; !p.Lower || j <= last {
			p.task(f, i, j, shared)
		}
	})
}

// task computes the part of C at i, j.
func (p Block[T, L, R]) task(f tileFormat[T], i, j int, shared []T) {
	rows, right := min(blockRows, p.M-i), min(j+blockCols, p.N)
	if p.Lower {
		right = min(right, i+rows)
	}
	steps, edge := stepsOf[T](), f.mr*f.nr
	room, release := borrowOf[T](up(rows, f.mr)*steps + edge)
	defer release()
	own := room[edge:]
	lines := up(p.N, f.nr)
	for k := 0; k < p.K; k += steps {
		n := min(steps, p.K-k)
		packOf(own, p.A.From(i, k), panels{f.mr, rows, n, n}, p.Minus)
		for y := j; y < right; y += f.nr {
			b := shared[k*lines+y*n:]
			for x := 0; x < rows; x += f.mr {
				f.tile(operands[T]{n, own[x*n:], b}, p.C.Data[(i+x)*p.C.Row+y:],
					extent{min(f.mr, rows-x), min(f.nr, p.N-y), p.C.Row}, room[:edge])
			}
		}
	}
}

// tileFormat is a register tile of T.
type tileFormat[T Float] struct {
	mr, nr int
	// whole adds to c, rows ldc apart and a tile of them, what k steps of the panels a and b
	// contribute
	whole func(k int, a, b, c []T, ldc int)
}

// stepsOf is the number of steps of a sum per block: two panels fit the L1 cache.
func stepsOf[T Float]() int { return kc * 4 / int(unsafe.Sizeof(T(0))) }

// operands are the panels a and b, k steps long.
type operands[T Float] struct {
	k    int
	a, b []T
}

// tile is whole for tiles that may be smaller; edge is room for one.
func (f tileFormat[T]) tile(p operands[T], c []T, s extent, edge []T) {
	if s.rows == f.mr && s.cols == f.nr {
		f.whole(p.k, p.a, p.b, c, s.ld)
		return
	}
	clear(edge)
	f.whole(p.k, p.a, p.b, edge, f.nr)
	for y := range s.rows {
		row := c[y*s.ld:][:s.cols]
		for x := range row {
			row[x] += edge[y*f.nr+x]
		}
	}
}

// tileOf is the fastest tile of T that this processor can run.
func tileOf[T Float]() tileFormat[T] {
	var f any = tileFormat[float64]{4, 4, plainTile[float64]}
	switch any(T(0)).(type) {
	case float64:
		if best := best64(); best.whole != nil {
			f = best
		}
	case float32:
		f = tileFormat[float32]{4, 4, plainTile[float32]}
		if b := best(); b.set != setPlain {
			f = tileFormat[float32]{b.mr, b.nr, func(k int, left, right, c []float32, ldc int) {
				b.whole(k, operand{left, 1, b.mr}, operand{right, 1, b.nr}, c, extent{b.mr, b.nr, ldc})
			}}
		}
	}
	return f.(tileFormat[T])
}

// plainTile is a tile of four rows and columns in plain Go.
func plainTile[T Float](k int, a, b, c []T, ldc int) {
	var sum [4][4]T
	for s := range k {
		left, right := a[4*s:][:4], b[4*s:][:4]
		for i, x := range left {
			for j, y := range right {
				sum[i][j] += x * y
			}
		}
	}
	for i := range sum {
		row := c[i*ldc:][:4]
		for j, v := range sum[i] {
			row[j] += v
		}
	}
}

// borrowOf is borrow for values of T.
func borrowOf[T Float](n int) ([]T, func()) {
	size := int(unsafe.Sizeof(T(0))) / 4
	data, release := borrow(max(n*size, 2))
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(data))), n), release
}

// packOf is pack, which converts and may change the sign.
func packOf[T, L Float](dst []T, m View[L], p panels, minus bool) {
	sign := T(1)
	if minus {
		sign = -1
	}
	for i := 0; i < p.lines; i += p.width {
		panel := dst[i*p.k:][:p.width*p.k]
		lines := min(p.width, p.lines-i)
		if lines < p.width {
			clear(panel)
		}
		if m.Row == 1 {
			for s := range p.k {
				to := panel[s*p.width:][:lines]
				for l, v := range m.Data[i+s*m.Col:][:lines] {
					to[l] = sign * T(v)
				}
			}
			continue
		}
		l := 0
		for ; l+4 <= lines && m.Col == 1; l += 4 {
			a, b := m.Data[(i+l)*m.Row:][:p.k], m.Data[(i+l+1)*m.Row:][:p.k]
			c, d := m.Data[(i+l+2)*m.Row:][:p.k], m.Data[(i+l+3)*m.Row:][:p.k]
			at := l
			for s, v := range a {
				to := panel[at : at+4 : at+4]
				to[0], to[1], to[2], to[3] = sign*T(v), sign*T(b[s]), sign*T(c[s]), sign*T(d[s])
				at += p.width
			}
		}
		for ; l < lines; l++ {
			for s := range p.k {
				panel[s*p.width+l] = sign * T(m.Data[(i+l)*m.Row+s*m.Col])
			}
		}
	}
}
