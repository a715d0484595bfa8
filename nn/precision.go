package nn

import (
	"fmt"

	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/nn/internal/engine"
)

// Precision says what a [Program] computes with.
type Precision string

// The precisions.
const (
	// Float32 is the default.
	Float32 Precision = "float32"
	// BFloat16 stores what convolutions and pools compute, and most weights of convolutions, with 8
	// significant bits, and adds up in float32. It takes the same graphs as Float32 but for batch
	// norms and ReLUs that follow no convolution, and needs no calibration. It is faster on
	// processors with dot products of bfloat16 (AVX512_BF16), takes fewer instructions on those with
	// matrix products of it (BF16 of arm64), and is slower than Float32 elsewhere. Results are the same
	// on every kernel in assembly but "bf16" and "amx", bit for bit, as long as no sum falls below 2^-126
	// before its end; these and plain Go round differently now and then. It runs on the CPU alone.
	BFloat16 Precision = "bfloat16"
	// Int8 computes with bytes from the input to the global average: several
	// times faster, and a little less exact. A graph for it is made of
	// convolutions with a ReLU behind each, pools, concatenations and global
	// averages; its input has up to four channels. Results are the same on
	// every kernel, bit for bit. It runs on the CPU alone.
	Int8 Precision = "int8"
)

// ParsePrecision returns the precision called s, "" being Float32.
func ParsePrecision(s string) (Precision, error) {
	switch p := Precision(s); p {
	case "":
		return Float32, nil
	case Float32, BFloat16, Int8:
		return p, nil
	}
	return "", fmt.Errorf("nn: precision %q is not known, want %s, %s or %s", s, Float32, BFloat16, Int8)
}

// Precisions lists the precisions, the most exact first.
func Precisions() []Precision { return []Precision{Float32, BFloat16, Int8} }

// Range is the least and the greatest number that a tensor should be able to hold.
type Range struct {
	Low  float32 `json:"low"`
	High float32 `json:"high"`
}

// Ranges has the range of every tensor that [Int8] stores, by the name of the
// operator that computes it ("input" or whatever the input is called for that).
// A [Calibrator] finds them.
type Ranges map[string]Range

// QuantizeFilter turns the weights of one output of a convolution, w [I,area], into the int8 of q
// that [Int8] computes with, and returns what one of them is worth. Neighbouring input channels, from
// the even ones on, share 8 bits: kernels may add two products in 16 bits. Other lengths and weights
// that are not finite are an error.
func QuantizeFilter(q []int8, w []float32, area int) (step float64, err error) {
	if area < 1 || len(w) == 0 || len(w)%area != 0 || len(q) != len(w) {
		return 0, fmt.Errorf("nn: quantize filter: got %d weights of area %d and room for %d, want whole channels and "+
			"room for all", len(w), area, len(q))
	}
	if i := safetensors.NotFinite(w); i >= 0 {
		return 0, fmt.Errorf("nn: quantize filter: weight %d is %v, want finite numbers", i, w[i])
	}
	return engine.QuantizeFilter(q, w, area), nil
}
