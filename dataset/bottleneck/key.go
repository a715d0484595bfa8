package bottleneck

import (
	"fmt"

	"github.com/c236555e/rehead/dataset/picture"
)

// Key says what bottlenecks depend on. It is a part of the keys that caches and shards write, and its JSON
// keys are for good.
type Key struct {
	Trunk    string         `json:"trunk"` // digest of the trunk's weights, hexadecimal
	Recipe   picture.Recipe `json:"recipe"`
	Features int            `json:"features"` // length of a bottleneck, 1..131,072
	// what the trunk's factors were rounded to, such as "float16"; "" is float32
	Arithmetic string `json:"arithmetic,omitempty"`
}

const maxFeatures = 1 << 17

// Validate names the first field that is wrong; whose is what has the key, such as "bottleneck cache".
func (k Key) Validate(whose string) error {
	switch {
	case k.Features < 1 || k.Features > maxFeatures:
		return fmt.Errorf("dataset: %s: features: got %d, want 1..%d", whose, k.Features, maxFeatures)
	case k.Trunk == "":
		return fmt.Errorf("dataset: %s: the trunk's digest is empty, want the hexadecimal digest of its weights", whose)
	}
	return k.Recipe.Validate()
}

// Differs says in what other is another key than k, as what follows "bottlenecks"; "" where it is the same.
func (k Key) Differs(other Key) string {
	switch {
	case k.Trunk != other.Trunk:
		return fmt.Sprintf("of the trunk %.16s, not %.16s", other.Trunk, k.Trunk)
	case k.Recipe != other.Recipe:
		return fmt.Sprintf("of pictures prepared otherwise (%s, not %s)", other.Recipe.Describe(), k.Recipe.Describe())
	case k.Features != other.Features:
		return fmt.Sprintf("of %d features, not %d", other.Features, k.Features)
	case k.Arithmetic != other.Arithmetic:
		return fmt.Sprintf("of the arithmetic %q, not %q", other.Arithmetic, k.Arithmetic)
	}
	return ""
}
