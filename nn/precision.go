package nn

import "fmt"

// Precision says what a [Program] computes with.
type Precision string

// The precisions.
const (
	// Float32 is the default.
	Float32 Precision = "float32"
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
	case Float32, Int8:
		return p, nil
	}
	return "", fmt.Errorf("nn: precision %q is not known, want %s or %s", s, Float32, Int8)
}

// Range is the least and the greatest number that a tensor should be able to hold.
type Range struct {
	Low  float32 `json:"low"`
	High float32 `json:"high"`
}

// Ranges has the range of every tensor that [Int8] stores, by the name of the
// operator that computes it ("input" or whatever the input is called for that).
// A [Calibrator] finds them.
type Ranges map[string]Range
