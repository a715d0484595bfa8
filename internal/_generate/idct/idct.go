// Package idct writes the assembly of dataset/picture/internal/jpeg for amd64.
package idct

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Write adds the functions of idct_amd64.s.
func Write() {
	TEXT("transformAVX2", NOSPLIT, "func(b, quant *int32, dst *byte, stride int)")
	Doc("transformAVX2 does as plainTransform does: a register holds what eight rows, and then what eight " +
		"columns have in one place.")
	b, quant := Load(Param("b"), GP64()), Load(Param("quant"), GP64())
	var v [8]VecVirtual
	for i := range v {
		v[i] = YMM()
		VMOVDQU(Mem{Base: b, Disp: 32 * i}, v[i])
		VPMULLD(Mem{Base: quant, Disp: 32 * i}, v[i], v[i])
	}
	v = spread(rows(v))
	transpose(&v)
	v = spread(columns(v))
	store(v)
	VZEROUPPER()
	RET()
}

// constants has the data symbol of each constant, eight times in a row.
var constants = map[int32]Mem{}

func constant(v int32) Mem {
	if m, ok := constants[v]; ok {
		return m
	}
	m := GLOBL(fmt.Sprintf("constant%d", len(constants)), RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, U32(uint32(v)))
	}
	constants[v] = m
	return m
}

// butterfly returns the sum and the difference.
func butterfly(x, y VecVirtual) (sum, difference VecVirtual) {
	sum, difference = YMM(), YMM()
	VPADDD(y, x, sum)
	VPSUBD(y, x, difference)
	return sum, difference
}

// rotate does with three multiplications what rotate in idct.go does with four:
// modulo 1<<32 both are the same.
func rotate(x, y VecVirtual, cos, sin int32) (VecVirtual, VecVirtual) {
	sum := YMM()
	VPADDD(y, x, sum)
	VPMULLD(constant(cos), sum, sum)
	VPMULLD(constant(cos+sin), y, y)
	VPMULLD(constant(sin-cos), x, x)
	VPSUBD(y, sum, y)
	VPADDD(x, sum, x)
	return y, x
}

func times(x VecVirtual, factor int32) VecVirtual {
	VPMULLD(constant(factor), x, x)
	return x
}

// shift shifts to the left by n bits, or to the right where n is below zero.
func shift(n int, vs ...VecVirtual) {
	for _, v := range vs {
		if n > 0 {
			VPSLLD(Imm(uint64(n)), v, v)
		} else {
			VPSRAD(Imm(uint64(-n)), v, v)
		}
	}
}

// rows is alongRow for eight rows, columns alongColumn for eight columns; both
// without the last stage.
func rows(in [8]VecVirtual) (even, odd [4]VecVirtual) {
	shift(17, in[0], in[4])
	shift(7, in[1], in[7])
	a, c := butterfly(in[0], in[4])
	d, e := rotate(in[2], in[6], 70936, 171254)
	even[0], even[3] = butterfly(a, e)
	even[1], even[2] = butterfly(c, d)
	f, g := butterfly(in[1], in[7])
	return even, turn(f, g, times(in[3], 181), times(in[5], 181), -2)
}

func columns(in [8]VecVirtual) (even, odd [4]VecVirtual) {
	VPADDD(constant(1<<19), in[0], in[0])
	a, c := butterfly(in[0], in[4])
	shift(-2, a, c)
	shift(-13, in[2], in[6], in[3], in[5])
	d, e := rotate(in[2], in[6], 1108, 2676)
	even[0], even[3] = butterfly(a, e)
	even[1], even[2] = butterfly(c, d)
	f, g := butterfly(in[1], in[7])
	return even, turn(f, g, times(in[3], 11585), times(in[5], 11585), -14)
}

// turn is what both have in common.
func turn(f, g, third, fifth VecVirtual, cut int) (odd [4]VecVirtual) {
	h, i := butterfly(f, third)
	j, k := butterfly(g, fifth)
	shift(cut, h, i, j, k)
	odd[0], odd[3] = rotate(j, h, 3406, 2276)
	odd[1], odd[2] = rotate(i, k, 4017, 799)
	return odd
}

// spread is the last stage.
func spread(even, odd [4]VecVirtual) (x [8]VecVirtual) {
	for i := range 4 {
		x[i], x[7-i] = butterfly(even[i], odd[3-i])
	}
	return x
}

// transpose transposes eight registers of eight values.
func transpose(v *[8]VecVirtual) {
	pairs := func(low, high func(...Op), apart int) {
		for i := range 8 {
			if i&apart == 0 {
				a, b := YMM(), YMM()
				low(v[i+apart], v[i], a)
				high(v[i+apart], v[i], b)
				v[i], v[i+apart] = a, b
			}
		}
	}
	halves := func(which uint64) func(...Op) {
		return func(o ...Op) { VPERM2I128(Imm(which), o[0], o[1], o[2]) }
	}
	pairs(halves(0x20), halves(0x31), 4)
	pairs(func(o ...Op) { VPUNPCKLDQ(o[0], o[1], o[2]) }, func(o ...Op) { VPUNPCKHDQ(o[0], o[1], o[2]) }, 2)
	pairs(func(o ...Op) { VPUNPCKLDQ(o[0], o[1], o[2]) }, func(o ...Op) { VPUNPCKHDQ(o[0], o[1], o[2]) }, 1)
}

// store clips to bytes and writes eight rows.
func store(v [8]VecVirtual) {
	shift(-18, v[:]...)
	dst, stride := Load(Param("dst"), GP64()), Load(Param("stride"), GP64())
	order, middle := YMM(), YMM()
	m := GLOBL("order", RODATA|NOPTR)
	for i, at := range []uint32{0, 4, 1, 5, 2, 6, 3, 7} {
		DATA(4*i, U32(at))
	}
	VMOVDQU(m, order)
	VMOVDQU(constant(-0x7f7f7f80), middle) // 128 in every byte
	for i := 0; i < 8; i += 4 {
		VPACKSSDW(v[i+1], v[i], v[i])
		VPACKSSDW(v[i+3], v[i+2], v[i+2])
		VPACKSSWB(v[i+2], v[i], v[i])
		VPERMD(v[i], order, v[i])
		VPXOR(middle, v[i], v[i])
		high := XMM()
		VEXTRACTI128(Imm(1), v[i], high)
		for j, x := range []Op{v[i].AsX(), high} {
			VMOVQ(x, Mem{Base: dst})
			VMOVHPS(x, Mem{Base: dst, Index: stride, Scale: 1})
			if i+j < 5 {
				LEAQ(Mem{Base: dst, Index: stride, Scale: 2}, dst)
			}
		}
	}
}
