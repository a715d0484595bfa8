package embedded

import (
	"bytes"
	_ "embed"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/c236555e/rehead/inception"
)

// file is the weight file, its bytes at even places before those at odd ones, packed with Zstandard.
// Of a float16 the odd byte is sign, exponent and two bits more, which are much alike; the last two
// blocks are mostly zeros.
//
//go:embed trunk.planes.zst
var file []byte

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

// unpack returns the weight file as it was before it was packed.
func unpack() ([]byte, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	planes, err := z.DecodeAll(file, nil)
	if err != nil {
		return nil, err
	}
	half := len(planes) / 2
	data := make([]byte, 2*half)
	for i := range half {
		data[2*i], data[2*i+1] = planes[i], planes[half+i]
	}
	return data, nil
}
