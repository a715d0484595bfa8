package safetensors

import (
	"encoding/binary"
	"math"
)

// decoders turn raw little-endian data into values and return the index of the first that is not
// finite, or -1.
var decoders = map[DType]func(dst []float32, raw []byte) int{
	F32: func(dst []float32, raw []byte) int {
		raw = raw[:4*len(dst)]
		odd := uint32(0)
		for i := range dst {
			bits := binary.LittleEndian.Uint32(raw[4*i:])
			odd |= (bits&exponent + 1<<23) // the sum reaches bit 31 only when all exponent bits are set
			dst[i] = math.Float32frombits(bits)
		}
		if odd&(1<<31) == 0 {
			return -1
		}
		return NotFinite(dst)
	},
	F16: func(dst []float32, raw []byte) int {
		bad := -1
		raw = raw[:2*len(dst)]
		for i := range dst {
			h := binary.LittleEndian.Uint16(raw[2*i:])
			if exp := h & 0x7c00; exp-0x400 < 0x7c00-0x400 { // neither 0 nor all ones, as nearly always
				dst[i] = math.Float32frombits(uint32(h&0x8000)<<16 | (uint32(h&0x7fff)<<13 + 112<<23))
			} else {
				dst[i] = FromHalf(h)
				if exp != 0 && bad < 0 {
					bad = i
				}
			}
		}
		return bad
	},
	BF16: func(dst []float32, raw []byte) int {
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(raw[2*i:])) << 16)
		}
		return NotFinite(dst)
	},
	F64: func(dst []float32, raw []byte) int {
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:])))
		}
		return NotFinite(dst)
	},
}

// exponent masks the exponent of a float32; all ones mean NaN or infinity.
const exponent = 0xff << 23

// NotFinite returns the index of the first NaN or infinity, or -1.
func NotFinite(v []float32) int {
	for i, x := range v {
		if math.Float32bits(x)&exponent == exponent {
			return i
		}
	}
	return -1
}

// PutFloat32 appends the values as little-endian float32.
func PutFloat32(dst []byte, values []float32) []byte {
	for _, v := range values {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
	}
	return dst
}

// FromHalf is the value of an IEEE 754 half; every one of them is a float32.
func FromHalf(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&0x3ff
	switch exp {
	case 31:
		return math.Float32frombits(sign | exponent | frac<<13)
	case 0: // frac * 2^-24
		v := float32(frac) / (1 << 24)
		return math.Float32frombits(sign | math.Float32bits(v))
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// Half rounds to the nearest half, ties to even. ok is false when v is not finite or its half would
// not be.
func Half(v float32) (h uint16, ok bool) {
	bits := math.Float32bits(v)
	sign, mag := uint16(bits>>16)&0x8000, bits&0x7fffffff
	switch {
	case mag >= 0x477ff000: // 65520, which rounds to infinity, and above
		return sign | 0x7c00, false
	case mag < 0x38800000: // below 2^-14: a multiple of 2^-24
		scaled := math.RoundToEven(float64(math.Float32frombits(mag)) * (1 << 24))
		return sign | uint16(scaled), true
	}
	mag += 0xfff + mag>>13&1 // half of what is cut off, so that a tie goes to even
	return sign | uint16((mag>>13)-112<<10), true
}
