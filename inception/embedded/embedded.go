package embedded

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/c236555e/rehead/inception"
)

//go:embed trunk.safetensors
var file string

// Name is what the trunk is called where a weights reference is asked for, and in errors.
const Name = "embedded"

// Bytes returns the size of the weight file in the binary.
func Bytes() int { return len(file) }

// Weights reads and checks the trunk in the binary. Every call reads it again and shares nothing with the others.
func Weights() (*inception.Weights, error) {
	w, err := inception.DecodeWeights(Name, strings.NewReader(file), int64(len(file)))
	if want := Describe().Digest; err == nil && w.Digest != want {
		err = fmt.Errorf("got digest %s, want %s", w.Digest, want)
	}
	if err != nil {
		return nil, fmt.Errorf("embedded: the binary is damaged: %w", err)
	}
	return w, nil
}
