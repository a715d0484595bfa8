package embedded

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"strings"

	"github.com/c236555e/rehead/inception"
)

// file is the weight file in two gzip members: what was learned, stored as it is, and the last two
// blocks, which are mostly zeros and shrink to a hundredth.
//
//go:embed trunk.safetensors.gz
var file string

// Name is what the trunk is called where a weights reference is asked for, and in errors.
const Name = "embedded"

// Bytes returns how many bytes the weight file takes in the binary.
func Bytes() int { return len(file) }

// Weights reads and checks the trunk in the binary. Every call reads it again and shares nothing
// with the others.
func Weights() (*inception.Weights, error) {
	data, err := unpack()
	if err != nil {
		return nil, fmt.Errorf("embedded: the binary is damaged: %w", err)
	}
	w, err := inception.DecodeWeights(Name, bytes.NewReader(data), int64(len(data)))
	if want := Describe().Digest; err == nil && w.Digest != want {
		err = fmt.Errorf("got digest %s, want %s", w.Digest, want)
	}
	if err != nil {
		return nil, fmt.Errorf("embedded: the binary is damaged: %w", err)
	}
	return w, nil
}

// unpack returns the weight file as it was before gzip.
func unpack() ([]byte, error) {
	z, err := gzip.NewReader(strings.NewReader(file))
	if err != nil {
		return nil, err
	}
	var data bytes.Buffer
	data.Grow(3 * len(file)) // it is a little more than twice as long
	if _, err := data.ReadFrom(z); err != nil {
		return nil, err
	}
	return data.Bytes(), z.Close()
}
