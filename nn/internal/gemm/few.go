package gemm

import (
	"unsafe"

	"github.com/c236555e/rehead/internal/par"
)

const (
	dotColumns = 8   // columns up to which dots is faster than tiles
	dotSteps   = 512 // steps of the sum for which four rows stay in the L1 cache
	fewRows    = 12  // rows up to which packing b in panels costs too much
	fewSteps   = 16  // rows of b at a time then
	fewCols    = 512 // columns of a task then
)

// dots computes rows of a times rows of transposed b where both lie: for few
// columns, such as the logits of few classes.
func (p *product) dots() {
	rows, tasks := p.parts(p.M, taskRows, 4)
	par.Do(p.threads, tasks, func(task int) {
		end := min((task+1)*rows, p.M)
		for i := task * rows; i < end; i += 4 {
			for k := 0; k < p.K; k += dotSteps {
				for j := 0; j < p.N; j += 3 {
					p.dotBlock(i, j, k, min(4, end-i))
				}
			}
		}
	})
}

// dotBlock adds to so many rows of c from i on, up to four, and up to three
// columns from j on, what the block of the sum at k contributes.
func (p *product) dotBlock(i, j, k, rows int) {
	var (
		a   [4]*float32 // what is missing at the edges is computed twice
		b   [3]*float32
		sum [4 * 3]float32
	)
	n := min(dotSteps, p.K-k)
	left, right := p.a.from(i, k), p.b.from(k, j)
	cols := min(3, p.N-j)
	for y := range a {
		a[y] = unsafe.SliceData(left.data[min(y, rows-1)*left.row:][:n])
	}
	for x := range b {
		b[x] = unsafe.SliceData(right.data[min(x, cols-1)*right.col:][:n])
	}
	vectors := n &^ 7
	if vectors > 0 {
		dot4x3(vectors, &a, &b, &sum)
	}
	for y := range rows {
		for x := range cols {
			s := sum[y*3+x]
			for t := vectors; t < n; t++ {
				s += float32(left.data[y*left.row+t] * right.data[x*right.col+t]) // never fused
			}
			p.c[(i+y)*p.N+j+x] += s
		}
	}
}

// fewRows packs all of a and copies rows of b as they are: for few rows, such
// as the gradients of few classes. Its tiles are those of six rows, which have fewer
// to spare, and add to rows of the task's own, so that all are whole.
func (p *product) fewRows() {
	p.format = sixRows
	rows := up(p.M, p.mr)
	defer p.share(p.a, p.mr, p.M)()
	cols, tasks := p.parts(p.N, fewCols, p.nr)
	par.Do(p.threads, tasks, func(task int) {
		own, release := borrow(cols * (fewSteps + rows))
		defer release()
		sums := own[cols*fewSteps:]
		clear(sums)
		j := task * cols
		width := min(cols, p.N-j)
		for k := 0; k < p.K; k += fewSteps {
			for s := range min(fewSteps, p.K-k) {
				to := own[s*cols:][:cols]
				clear(to[copy(to, p.b.from(k+s, j).data[:width]):])
			}
			p.fewBlock(sums, k, operand{own, 1, cols})
		}
		for i := range p.M {
			row := p.c[i*p.N+j:][:width]
			for x, v := range sums[i*cols:][:width] {
				row[x] += v
			}
		}
	})
}

// fewBlock adds to the rows c what fewSteps steps of the sum from k on
// contribute.
func (p *product) fewBlock(c []float32, k int, b operand) {
	n, lines, cols := min(fewSteps, p.K-k), up(p.M, p.mr), b.step
	block := k / kc * kc
	for i := 0; i < p.M; i += p.mr {
		a := operand{p.packed[block*lines+i*p.steps(block)+(k-block)*p.mr:], 1, p.mr}
		for j := 0; j < cols; j += p.nr {
			p.tile(n, a, operand{b.data[j:], 1, cols}, c[i*cols+j:], extent{p.mr, p.nr, cols})
		}
	}
}
