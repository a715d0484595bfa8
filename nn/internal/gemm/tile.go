// Package gemm multiplies float32 matrices, with AVX2 where the processor has
// it and else in plain Go, and computes convolutions in plain Go.
//
// The left operand is packed in panels of a few rows, the right one in panels
// of a few columns, both in blocks of kc steps along the sum; the innermost loop
// then reads both from first to last and keeps its sums in registers. The order
// in which one result is summed depends on nothing but the length of the sum,
// so results do not change with the number of threads or the place of a value
// in the matrix. The formats differ in rounding: AVX2 fuses each product with
// its addition.
package gemm

import "unsafe"

// kc is the number of steps of a sum per block: the panels of a block fit the
// L1 cache.
const kc = 256

// format is a register tile and how operands are packed for it.
type format struct {
	mr, nr int  // rows and columns of the tile
	nb     int  // columns whose panels stay in the L1 cache while rows go by
	avx2   bool // the tile is tile6x16AVX2, else tile
}

// The tile of plain Go. Six sums, their factors and products fit the fifteen
// vector registers that Go's compiler has on amd64; wider tiles spill and run
// at half the speed (BenchmarkTile).
const (
	mr = 2
	nr = 3
	nb = 24
)

var (
	plain  = format{mr: mr, nr: nr, nb: nb}
	vector = format{mr: 6, nr: 16, nb: 16, avx2: true}
)

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

// block adds to the matrix c what k steps of the packed panels a and b
// contribute. Panels at the edges are packed in full, padded with zeros.
func (f format) block(c []float32, s extent, k int, a, b []float32) {
	var edge [6 * 16]float32
	for i := 0; i < s.rows; i += f.mr {
		pa := a[i*k:][:f.mr*k]
		for j := 0; j < s.cols; j += f.nr {
			pb := b[j*k:][:f.nr*k]
			at := i*s.ld + j
			if i+f.mr <= s.rows && j+f.nr <= s.cols {
				f.tile(k, pa, pb, c[at:], s.ld)
				continue
			}
			clear(edge[:])
			f.tile(k, pa, pb, edge[:], f.nr)
			for y := range min(f.mr, s.rows-i) {
				row := c[at+y*s.ld:]
				for x := range min(f.nr, s.cols-j) {
					row[x] += edge[y*f.nr+x]
				}
			}
		}
	}
}

func (f format) tile(k int, a, b, c []float32, ldc int) {
	if f.avx2 {
		_ = c[(f.mr-1)*ldc+f.nr-1]
		tile6x16AVX2(k, unsafe.SliceData(a), unsafe.SliceData(b), unsafe.SliceData(c), ldc)
		return
	}
	tile(k, a, b, c, ldc)
}

// up rounds n up to a multiple of m.
func up(n, m int) int { return (n + m - 1) / m * m }
