// Package gemm multiplies float32 matrices, in AVX2, AVX-512 or NEON where the
// processor has it and else in plain Go.
//
// The innermost loop keeps a tile of sums in registers. The operand of which
// each task needs all is packed once for all of them, in panels as wide as the
// tile and blocks of kc steps along the sum; the other one is read where it lies
// if the tile can, else packed by the task. Products with few rows or columns
// would spend their time packing, so they read both where they lie.
//
// The order in which one result is summed depends on nothing but the size of the
// product, so results do not change with the number of threads or the place of
// a value in the matrix. AVX2, AVX-512 and NEON give the same bits; plain Go does not
// fuse each product with its addition and rounds differently.
package gemm

import "unsafe"

//go:generate go -C ../../../internal/_generate run . ../../nn/internal/gemm/tile_amd64.s
//go:generate go -C ../../../internal/_generate run . ../../nn/internal/gemm/tile_arm64.s

// kc is the number of steps of a sum per block: the panels of a block fit the
// L1 cache.
const kc = 256

// set is a set of instructions.
type set uint8

const (
	setPlain  set = iota // Go
	setAVX2              // with FMA
	setAVX512            // its foundation, beside the former
	setNEON
	setPairs      // AVX512_BF16: of words of two bfloat16
	setPlainPairs // the same in Go
)

// format is a register tile and how operands are packed for it.
type format struct {
	mr, nr int // rows and columns of the tile
	set    set // instructions that it takes
}

// The tile of plain Go. Six sums, their factors and products fit the fifteen
// vector registers that Go's compiler has on amd64; wider tiles spill and run
// at half the speed (BenchmarkTile).
const (
	mr = 2
	nr = 3
)

var plain = format{mr: mr, nr: nr}

// steps is the length of the block at k of a sum of n steps, rounded up to the
// two steps that tile takes at a time; packing fills up with zeros.
func steps(k, n int) int { return (min(kc, n-k) + 1) &^ 1 }

// tile adds to two rows and three columns of c what k steps of the panels a
// (two rows) and b (three columns) contribute. k is even and at least 2; a holds at least 2*k
// values, b 3*k, c two rows ldc apart.
func tile(k int, a, b, c []float32, ldc int) {
	r0, r1 := c[:nr], c[ldc:][:nr]
	_, _ = a[:mr*k], b[:nr*k]
	var c00, c01, c02, c10, c11, c12 float32
	pa, pb := unsafe.Pointer(unsafe.SliceData(a)), unsafe.Pointer(unsafe.SliceData(b))
	for {
		p, q := (*[2 * mr]float32)(pa), (*[2 * nr]float32)(pb)
		c00 += p[0] * q[0]
		c10 += p[1] * q[0]
		c01 += p[0] * q[1]
		c11 += p[1] * q[1]
		c02 += p[0] * q[2]
		c12 += p[1] * q[2]
		c00 += p[2] * q[3]
		c10 += p[3] * q[3]
		c01 += p[2] * q[4]
		c11 += p[3] * q[4]
		c02 += p[2] * q[5]
		c12 += p[3] * q[5]
		if k -= 2; k <= 0 {
			break // before the pointers leave their panels
		}
		pa, pb = unsafe.Add(pa, 2*mr*4), unsafe.Add(pb, 2*nr*4)
	}
	r0[0] += c00
	r0[1] += c01
	r0[2] += c02
	r1[0] += c10
	r1[1] += c11
	r1[2] += c12
}

// extent is the size of a matrix: rows by cols, rows ld values apart.
type extent struct{ rows, cols, ld int }

// operand is where a tile reads: rows (of the left operand) or columns (of the
// right one) are line values apart, the steps of the sum step values.
type operand struct {
	data       []float32
	line, step int
}

// tile adds to c what k steps of a and b contribute. c is the size of a tile or
// smaller; a and b are readable for a whole one, or for half one where c has no
// more columns than that.
func (f format) tile(k int, a, b operand, c []float32, s extent) {
	width := f.nr
	if f.set != setPlain && s.cols <= f.nr/2 {
		width = f.nr / 2
	}
	if s.rows == f.mr && s.cols == width {
		f.whole(k, a, b, c, extent{f.mr, width, s.ld})
		return
	}
	var edge [12 * 32]float32
	f.whole(k, a, b, edge[:], extent{f.mr, width, width})
	for y := range s.rows {
		row := c[y*s.ld:][:s.cols]
		for x := range row {
			row[x] += edge[y*width+x]
		}
	}
}

// whole is tile at full size, or with half the columns.
func (f format) whole(k int, a, b operand, c []float32, s extent) {
	if f.set == setPlain {
		tile(k, a.data, b.data, c, s.ld)
		return
	}
	_ = a.data[(f.mr-1)*a.line+(k-1)*a.step]
	_ = b.data[(k-1)*b.step+s.cols-1]
	_ = c[(f.mr-1)*s.ld+s.cols-1]
	f.assembly(k, a, b, c, s)
}

// up rounds n up to a multiple of m.
func up(n, m int) int { return (n + m - 1) / m * m }
