package avx

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// DotPairs adds to each of acc's 16 sums the products of a pair of bfloat16 of a and of b: VDPBF16PS,
// which neither avo nor Go's assembler knows. It adds the odd product first, then the even one, each
// rounded once, and takes numbers below 2^-126 for zero.
func DotPairs(b, a, acc VecPhysical) { evexF3(0x52, index(acc), index(a), index(b)) }

// NarrowPairs rounds the 16 float32 of z to bfloat16, half to even, in the ymm register of the same
// number: VCVTNEPS2BF16.
func NarrowPairs(z VecPhysical) VecPhysical {
	evexF3(0x72, index(z), 0, index(z))
	return Y[index(z)]
}

// WidenPairs reads the 16 bfloat16 at m into z as float32.
func WidenPairs(m Mem, z VecPhysical) {
	VPMOVZXWD(m, z)
	VPSLLD(Imm(16), z, z)
}

func index(r VecPhysical) int { return int(r.PhysicalIndex()) }

// evexF3 writes an instruction of opcode map 0F38 with prefix F3 on 512-bit registers.
func evexF3(opcode byte, to, first, second int) {
	not := func(i, bit int) byte { return byte(^i>>bit) & 1 }
	code := [6]byte{
		0x62,
		not(to, 3)<<7 | not(second, 4)<<6 | not(second, 3)<<5 | not(to, 4)<<4 | 0b010,
		byte(^first&15)<<3 | 0b110,
		0b010<<5 | not(first, 4)<<3,
		opcode,
		0b11<<6 | byte(to&7)<<3 | byte(second&7),
	}
	four := uint32(code[0]) | uint32(code[1])<<8 | uint32(code[2])<<16 | uint32(code[3])<<24
	Instruction(&ir.Instruction{Opcode: "LONG", Operands: []Op{U32(four)}})
	Instruction(&ir.Instruction{Opcode: "WORD", Operands: []Op{U16(uint16(code[4]) | uint16(code[5])<<8)}})
}
