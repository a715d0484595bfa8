package gemm

import (
	"math"
	"unsafe"
)

// Rows of bfloat16 take half the memory, and where the processor multiplies their pairs half the time. Two
// neighbours share a word, the even one in its lower half: features where rows are multiplied by weights, as
// they lie; rows where they are summed, for which they are turned, a tile's features at a time. Sums are
// float32, the odd product of a pair added before the even one, each rounded once, as products of bfloat16
// are exact. Plain Go gives the same bits, but that assembly takes numbers below 2^-126 for zeros.

// NewPairs is NewRows of rows that are rounded to bfloat16, as is what they are multiplied by.
func NewPairs(n, f int) *Rows {
	if hasPairs() {
		return newRows(n, f, format{mr: 12, nr: 32, set: setPairs})
	}
	return newRows(n, f, plainPairsFormat)
}

var plainPairsFormat = format{mr: 4, nr: 4, set: setPlainPairs}

// FastPairs reports whether NewPairs multiplies faster than NewRows.
func FastPairs() bool { return hasPairs() }

func (f format) pairs() bool { return f.set == setPairs || f.set == setPlainPairs }

// bfloat16 is the bfloat16 nearest to v, half to even, in the lower half of a word.
func bfloat16(v float32) uint32 {
	b := math.Float32bits(v)
	if v != v {
		return b>>16 | 0x40
	}
	return (b + 0x7fff + b>>16&1) >> 16
}

// words views data as what it is where its words are pairs.
func words(data []float32) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(data))), len(data))
}

// narrow writes the values to words of two.
func narrow(to, values []float32) {
	w := words(to)
	for ; len(values) >= 2; values, w = values[2:], w[1:] {
		w[0] = bfloat16(values[0]) | bfloat16(values[1])<<16
	}
	if len(values) > 0 {
		w[0] = bfloat16(values[0])
	}
}

// widen is the opposite.
func widen(values, from []float32) {
	w := words(from)
	for i := range values {
		values[i] = math.Float32frombits(w[i/2] >> (i % 2 * 16) << 16)
	}
}

// narrowLines writes the words from at on of each line of the weights w [K,F].
func (r *Rows) narrowLines(to matrix, w []float32, at int) {
	n := to.row
	for l := range len(to.data) / n {
		narrow(to.data[l*n:][:n], w[l*r.F+2*at:l*r.F+min(2*(at+n), r.F)])
	}
}

// narrowLeft packs n rows of a, ld apart, in panels of words of two rows.
func (s *Sum) narrowLeft(a []float32, ld, n int) {
	mr, lines, steps := s.rows.mr, up(s.k, s.rows.mr), (n+1)/2
	to := words(s.left[:lines*steps])
	for t := range steps {
		first, second := a[2*t*ld:][:s.k], []float32(nil)
		if 2*t+1 < n {
			second = a[(2*t+1)*ld:][:s.k]
		}
		for y := 0; y < lines; y += mr {
			panel := to[y*steps+t*mr:][:mr]
			clear(panel)
			for l := range panel[:min(mr, s.k-y)] {
				panel[l] = bfloat16(first[y+l])
				if second != nil {
					panel[l] |= bfloat16(second[y+l]) << 16
				}
			}
		}
	}
}

// turn packs a tile's features of 2*steps rows from i on: those from word at on.
func (r *Rows) turn(to []float32, at, i, steps int) {
	from := r.block(at, i)[at%kc:]
	if r.set == setPairs {
		turnWords(steps, from, rowLine, to)
		return
	}
	w, out := words(from), words(to)
	for t := range steps {
		for j := range r.nr / 2 {
			a, b := w[2*t*rowLine+j], w[(2*t+1)*rowLine+j]
			out[t*r.nr+2*j], out[t*r.nr+2*j+1] = a&0xffff|b<<16, a>>16|b&0xffff0000
		}
	}
}

// plainPairs is the tile of pairs in Go.
func plainPairs(k int, a, b operand, c []float32, s extent) {
	const size = 4
	left, right := words(a.data), words(b.data)
	var sum [size][size]float32
	for t := range k {
		for y := range sum {
			v := left[y*a.line+t*a.step]
			odd, even := math.Float32frombits(v&0xffff0000), math.Float32frombits(v<<16)
			for x, w := range right[t*b.step:][:size] {
				sum[y][x] += odd * math.Float32frombits(w&0xffff0000)
				sum[y][x] += even * math.Float32frombits(w<<16)
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
