// Package gemm writes the tiles of nn/internal/gemm for amd64.
package gemm

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// shape is a tile: rows of the left operand by vectors of the right one. Sums,
// vectors and one broadcast are to fit the registers: 16 with AVX2, 32 with
// AVX-512.
type shape struct {
	rows, vectors int
	bytes         int  // of a vector
	double        bool // float64 instead of float32
}

func (s shape) wide() bool { return s.bytes == 64 }

// size is the logarithm of a value's bytes.
func (s shape) size() uint64 {
	if s.double {
		return 3
	}
	return 2
}

func (s shape) columns() int { return s.vectors * s.bytes >> s.size() }

func (s shape) name() string {
	set, kind := "AVX2", ""
	if s.wide() {
		set = "AVX512"
	}
	if s.double {
		kind = "F64"
	}
	return fmt.Sprintf("tile%dx%d%s%s", s.rows, s.columns(), kind, set)
}

func (s shape) register() VecVirtual {
	if s.wide() {
		return ZMM()
	}
	return YMM()
}

// Write adds the functions of tile_amd64.s.
func Write() {
	for _, s := range []shape{
		{6, 2, 32, false}, {6, 1, 32, false}, {12, 2, 64, false}, {12, 1, 64, false}, {6, 2, 32, true}, {12, 2, 64, true},
	} {
		s.generate()
	}
	dots()
	pairTile(2)
	pairTile(1)
	turnPairs()
}

// generate writes one tile.
func (s shape) generate() {
	of := "float32"
	if s.double {
		of = "float64"
	}
	TEXT(s.name(), NOSPLIT,
		fmt.Sprintf("func(k int, a *%s, row, step int, b *%s, ldb int, c *%s, ldc int)", of, of, of))
	Doc(fmt.Sprintf("%s adds to %d rows and %d columns of c, rows ldc values apart, what k", s.name(), s.rows,
		s.columns()),
		"steps, at least 1, contribute: of a, whose rows and steps are row and step",
		"values apart, and of b, whose steps are ldb values apart.")
	k := Load(Param("k"), GP64())
	row := Load(Param("row"), GP64())
	SHLQ(Imm(s.size()), row)
	var left [4]Register // one pointer for every three rows
	left[0] = Load(Param("a"), GP64())
	for i := 1; i < s.rows/3; i++ {
		p := GP64()
		LEAQ(Mem{Base: left[i-1], Index: row, Scale: 2}, p)
		ADDQ(row, p)
		left[i] = p
	}
	step := Load(Param("step"), GP64())
	SHLQ(Imm(s.size()), step)
	b := Load(Param("b"), GP64())
	ldb := Load(Param("ldb"), GP64())
	SHLQ(Imm(s.size()), ldb)

	sum := make([][]VecVirtual, s.rows)
	for i := range sum {
		for range s.vectors {
			v := s.register()
			zero(v)
			sum[i] = append(sum[i], v)
		}
	}
	loop := s.name() + "step"
	Label(loop)
	s.step(left, row, b, sum)
	for i := range s.rows / 3 {
		ADDQ(step, left[i])
	}
	ADDQ(ldb, b)
	DECQ(k)
	JNZ(LabelRef(loop))
	s.store(sum)
}

// step adds the products of one step of both operands.
func (s shape) step(left [4]Register, row, b Register, sum [][]VecVirtual) {
	var right []VecVirtual
	for j := range s.vectors {
		v := s.register()
		s.move(Mem{Base: b, Disp: s.bytes * j}, v)
		right = append(right, v)
	}
	for i := range sum {
		from := Mem{Base: left[i/3]}
		if i%3 > 0 {
			from.Index, from.Scale = row, uint8(i%3)
		}
		v := s.register()
		if s.double {
			VBROADCASTSD(from, v)
		} else {
			VBROADCASTSS(from, v)
		}
		for j := range right {
			if s.double {
				VFMADD231PD(right[j], v, sum[i][j])
			} else {
				VFMADD231PS(right[j], v, sum[i][j])
			}
		}
	}
}

// store adds the sums to the result.
func (s shape) store(sum [][]VecVirtual) {
	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())
	SHLQ(Imm(s.size()), ldc)
	for i := range sum {
		for j := range sum[i] {
			at := Mem{Base: c, Disp: s.bytes * j}
			if s.double {
				VADDPD(at, sum[i][j], sum[i][j])
			} else {
				VADDPS(at, sum[i][j], sum[i][j])
			}
			s.move(sum[i][j], at)
		}
		if i+1 < s.rows {
			ADDQ(ldc, c)
		}
	}
	VZEROUPPER()
	RET()
}

// move copies a vector.
func (s shape) move(from, to Op) {
	if s.double {
		VMOVUPD(from, to)
		return
	}
	VMOVUPS(from, to)
}

// zero clears a vector; AVX-512F has no XOR of floats.
func zero(v VecVirtual) {
	if v.Size() == 64 {
		VPXORD(v, v, v)
		return
	}
	VXORPS(v, v, v)
}

// dots writes the products of four rows with three, both read along the sum:
// twelve sums, three vectors of the right operand and one of the left.
func dots() {
	const rows, cols, lanes = 4, 3, 8
	TEXT("dot4x3AVX2", NOSPLIT, "func(k int, a *[4]*float32, b *[3]*float32, c *[12]float32)")
	Doc("dot4x3AVX2 writes to c [4,3] the products of four rows of k values each with",
		"three; k is a multiple of 8 and at least 8.")
	k := Load(Param("k"), GP64())
	from := Load(Param("a"), GP64())
	var a [rows]Register
	for i := range a {
		a[i] = GP64()
		MOVQ(Mem{Base: from, Disp: 8 * i}, a[i].(GPVirtual))
	}
	from = Load(Param("b"), GP64())
	var b [cols]Register
	for j := range b {
		b[j] = GP64()
		MOVQ(Mem{Base: from, Disp: 8 * j}, b[j].(GPVirtual))
	}
	var sum [rows][cols]VecVirtual
	for i := range sum {
		for j := range sum[i] {
			sum[i][j] = YMM()
			zero(sum[i][j])
		}
	}
	at := GP64()
	XORQ(at, at)
	Label("dotstep")
	var right [cols]VecVirtual
	for j := range right {
		right[j] = YMM()
		VMOVUPS(Mem{Base: b[j], Index: at, Scale: 4}, right[j])
	}
	for i := range sum {
		left := YMM()
		VMOVUPS(Mem{Base: a[i], Index: at, Scale: 4}, left)
		for j := range right {
			VFMADD231PS(right[j], left, sum[i][j])
		}
	}
	ADDQ(Imm(lanes), at)
	CMPQ(at, k)
	JLT(LabelRef("dotstep"))

	c := Load(Param("c"), GP64())
	half := XMM()
	for i := range sum {
		for j, v := range sum[i] {
			VEXTRACTF128(Imm(1), v, half)
			VADDPS(half, v.AsX(), v.AsX())
			VHADDPS(v.AsX(), v.AsX(), v.AsX())
			VHADDPS(v.AsX(), v.AsX(), v.AsX())
			VMOVSS(v.AsX(), Mem{Base: c, Disp: 4 * (i*cols + j)})
		}
	}
	VZEROUPPER()
	RET()
}
