// Package safetensors reads and writes the safetensors container: a length, a JSON header and raw
// little-endian tensors, with the checks that huggingface's own reader makes
// (https://github.com/huggingface/safetensors, safetensors/src/tensor.rs: read_metadata and
// validate) and a few more: duplicate keys, empty names and header fields that the format does not
// know are refused, and so is a header above maxHeader.
//
// The file, byte by byte: 8 bytes of header length n (little endian), n bytes of JSON, then the
// data. The header maps a tensor's name to {"dtype","shape","data_offsets":[begin,end]} with
// offsets counted from the end of the header; "__metadata__" maps strings to strings. Tensors cover
// the data without a gap and without an overlap.
//
// A File holds no data; it reads tensors on request from an io.ReaderAt and is safe for use by
// several goroutines.
package safetensors

import (
	"fmt"
	"io"
)

// DType names an element type as the format spells it.
type DType string

// The element types that this package knows.
const (
	BOOL DType = "BOOL"
	U8   DType = "U8"
	I8   DType = "I8"
	I16  DType = "I16"
	U16  DType = "U16"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I32  DType = "I32"
	U32  DType = "U32"
	F32  DType = "F32"
	I64  DType = "I64"
	U64  DType = "U64"
	F64  DType = "F64"
)

// Size returns the bytes of one element, 0 for an unknown type.
func (d DType) Size() int {
	switch d {
	case BOOL, U8, I8:
		return 1
	case I16, U16, F16, BF16:
		return 2
	case I32, U32, F32:
		return 4
	case I64, U64, F64:
		return 8
	}
	return 0
}

// FormatError says what is wrong with a weight file or a model file, and where.
type FormatError struct {
	File   string // the file, as the caller named it
	Tensor string // the tensor, empty when the whole file is meant
	Offset int64  // the byte in the file, -1 when no single one is meant
	Reason string // what is wrong (got X, want Y) and the fix
	Err    error  // the cause, may be nil
}

// Error returns one sentence with file, tensor and offset.
func (e *FormatError) Error() string {
	s := e.File
	if s == "" {
		s = "weights"
	}
	if e.Tensor != "" {
		s += fmt.Sprintf(": tensor %q", e.Tensor)
	}
	if e.Offset >= 0 {
		s += fmt.Sprintf(" at byte %d", e.Offset)
	}
	s += ": " + e.Reason
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

// Info describes one tensor of a file.
type Info struct {
	Name   string
	DType  DType
	Shape  []int // outermost axis first; empty for a scalar
	Offset int64 // first byte, counted from the start of the file
	Bytes  int64 // length of the data
}

// Elements returns the number of elements.
func (t Info) Elements() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// File is the checked header of a safetensors file, over the reader that holds its data.
type File struct {
	Name     string            // as given to Open, for messages
	Metadata map[string]string // "__metadata__"; nil when there is none
	Tensors  []Info            // in the order of their data
	index    map[string]int
	r        io.ReaderAt
}

// Lookup returns the tensor called name.
func (f *File) Lookup(name string) (Info, bool) {
	i, ok := f.index[name]
	if !ok {
		return Info{}, false
	}
	return f.Tensors[i], true
}
