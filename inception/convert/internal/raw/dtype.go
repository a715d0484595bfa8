package raw

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/c236555e/rehead/internal/safetensors"
)

// DType is the type of a tensor's elements as the file stores them.
type DType uint8

// The element types that weight files use. Integers appear only as counters (num_batches_tracked)
// and shapes.
const (
	Invalid DType = iota
	F16
	BF16
	F32
	F64
	I8
	U8
	I16
	I32
	I64
	Bool
)

var dtypes = [...]struct {
	name string
	size int
}{
	Invalid: {"invalid", 0}, F16: {"float16", 2}, BF16: {"bfloat16", 2}, F32: {"float32", 4}, F64: {"float64", 8},
	I8: {"int8", 1}, U8: {"uint8", 1}, I16: {"int16", 2}, I32: {"int32", 4}, I64: {"int64", 8}, Bool: {"bool", 1},
}

// Size is the number of bytes of one element, 0 for Invalid.
func (d DType) Size() int {
	if int(d) >= len(dtypes) {
		return 0
	}
	return dtypes[d].size
}

// String is the name numpy gives the type.
func (d DType) String() string {
	if int(d) >= len(dtypes) {
		return fmt.Sprintf("dtype(%d)", uint8(d))
	}
	return dtypes[d].name
}

// Float reports whether the type is one that weights may have.
func (d DType) Float() bool { return d == F16 || d == BF16 || d == F32 || d == F64 }

// Decode converts len(dst) little-endian elements of type d from src. A float64 beyond float32's
// range becomes an infinity, which the checks of finished weights refuse by name. It fails for
// types that are not floats and for a src that is too short.
func Decode(dst []float32, src []byte, d DType) error {
	if !d.Float() {
		return fmt.Errorf("elements are %v, want a float type", d)
	}
	if len(src)/d.Size() < len(dst) {
		return fmt.Errorf("%d bytes hold fewer than %d elements of %v", len(src), len(dst), d)
	}
	switch d {
	case F16:
		for i := range dst {
			dst[i] = safetensors.FromHalf(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
		}
	}
	return nil
}
