package picture

import (
	"errors"
	"fmt"
	"io"
)

// ErrUnsupported is found by errors.Is in the error of a file that is not a picture, or that is a
// picture of a kind this package does not decode. The error itself is an *UnsupportedError.
var ErrUnsupported = errors.New("unsupported picture")

// UnsupportedError says what a file is instead of a picture that can be decoded.
type UnsupportedError struct {
	Format string // "HEIC", "PDF", "jpeg"...; empty when the bytes are not recognised
	Reason string // the feature that is missing; empty when the whole format is
}

// Error names the format and the fix.
func (e *UnsupportedError) Error() string {
	switch {
	case e.Format == "":
		return "dataset: decode: got bytes of no known format, want a JPEG, PNG, GIF, BMP, WebP or TIFF picture"
	case e.Reason == "":
		return fmt.Sprintf("dataset: decode: got %s, want a JPEG, PNG, GIF, BMP, WebP or TIFF picture: convert it", e.Format)
	}
	return fmt.Sprintf("dataset: decode: %s: %s is not supported: convert it to a plain JPEG or PNG", e.Format, e.Reason)
}

// Is makes errors.Is(err, ErrUnsupported) true.
func (e *UnsupportedError) Is(target error) bool { return target == ErrUnsupported }

// TooLargeError says that a picture exceeds Limits. Nothing of its pixels was decoded.
type TooLargeError struct {
	What          string // "bytes" or "pixels"
	Got, Limit    int64  // what the picture has (saturated), and the limit
	Width, Height int    // in pixels, when What is "pixels"
}

// Error names both sizes and the fix.
func (e *TooLargeError) Error() string {
	if e.What == "pixels" {
		return fmt.Sprintf("dataset: decode: picture too large: got %dx%d = %d pixels, want at most %d: shrink it "+
			"or raise the pixel limit",
			e.Width, e.Height, e.Got, e.Limit)
	}
	return fmt.Sprintf("dataset: decode: file too large: got %d bytes, want at most %d: shrink it or raise the byte limit",
		e.Got, e.Limit)
}

// DecodeError says that a picture of a supported format is damaged.
type DecodeError struct {
	Format string // as Info.Format; empty for an empty file
	Err    error  // what the decoder met; io.ErrUnexpectedEOF for a truncated file
}

// Error names the format and the damage.
func (e *DecodeError) Error() string {
	if e.Format == "" {
		return fmt.Sprintf("dataset: decode: %v", e.Err)
	}
	if errors.Is(e.Err, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("dataset: decode: %s: the file is truncated, it ends before the picture does: "+
			"fetch or export it again", e.Format)
	}
	return fmt.Sprintf("dataset: decode: %s: the file is damaged: %v", e.Format, e.Err)
}

// Unwrap returns Err.
func (e *DecodeError) Unwrap() error { return e.Err }
