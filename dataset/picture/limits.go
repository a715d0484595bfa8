package picture

import "math"

// The limits of the zero Limits.
const (
	DefaultMaxBytes  = 32 << 20
	DefaultMaxPixels = 64 << 20
)

// Limits bound what Decode is willing to look at. The zero value means the defaults.
type Limits struct {
	MaxBytes int64 // largest encoded picture, in bytes; 0 means DefaultMaxBytes
	// largest width x height, in pixels; 0 means DefaultMaxPixels. Decoding takes up to 12 bytes for
	// each: progressive JPEGs of four whole components, which take 12.5, may have 24 of 25
	MaxPixels int64
}

// Bytes is MaxBytes, or its default.
func (l Limits) Bytes() int64 {
	if l.MaxBytes > 0 {
		return l.MaxBytes
	}
	return DefaultMaxBytes
}

// Pixels is MaxPixels, or its default.
func (l Limits) Pixels() int64 {
	if l.MaxPixels > 0 {
		return l.MaxPixels
	}
	return DefaultMaxPixels
}

func (l Limits) check(width, height int) error {
	pixels := int64(math.MaxInt64)
	if w, h := int64(width), int64(height); h == 0 || w <= math.MaxInt64/h {
		pixels = w * h
	}
	if limit := l.Pixels(); pixels > limit {
		return &TooLargeError{What: "pixels", Got: pixels, Limit: limit, Width: width, Height: height}
	}
	return nil
}
