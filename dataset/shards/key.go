package shards

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/c236555e/rehead/dataset/picture"
)

// Key says which bottlenecks belong together: a head is trained on those of one key.
type Key struct {
	Trunk    string         `json:"trunk"` // digest of the trunk's weights, hexadecimal
	Recipe   picture.Recipe `json:"recipe"`
	Features int            `json:"features"` // length of a bottleneck, 1..131,072
	// what is read of the trunk: Last, or the JSON of an inception.Features
	Reads string `json:"reads"`
	// what the trunk's factors were rounded to, such as "float16"; "" is float32
	Arithmetic string `json:"arithmetic,omitempty"`
}

// Last is the Key.Reads of the last block's averages.
const Last = "last"

const maxFeatures = 1 << 17

// Validate names the first field that is wrong.
func (k Key) Validate() error {
	switch {
	case k.Trunk == "":
		return errors.New("dataset: shards: key: the trunk's digest is empty, want the hexadecimal digest of its weights")
	case k.Features < 1 || k.Features > maxFeatures:
		return fmt.Errorf("dataset: shards: key: features: got %d, want 1..%d", k.Features, maxFeatures)
	case k.Reads == "":
		return fmt.Errorf("dataset: shards: key: reads is empty, want %q or what else is read of the trunk", Last)
	}
	return k.Recipe.Validate()
}

// differs says in what other is another key than k; "" where it is the same.
func (k Key) differs(other Key) string {
	switch {
	case k.Trunk != other.Trunk:
		return fmt.Sprintf("of the trunk %.16s, not %.16s", other.Trunk, k.Trunk)
	case k.Recipe != other.Recipe:
		return fmt.Sprintf("of pictures prepared otherwise (%s, not %s)", other.Recipe.Describe(), k.Recipe.Describe())
	case k.Features != other.Features:
		return fmt.Sprintf("of %d features, not %d", other.Features, k.Features)
	case k.Reads != other.Reads:
		return fmt.Sprintf("of what reads %q, not %q", other.Reads, k.Reads)
	case k.Arithmetic != other.Arithmetic:
		return fmt.Sprintf("of the arithmetic %q, not %q", other.Arithmetic, k.Arithmetic)
	}
	return ""
}

// Check says in what of, which a file called name is of, is another key than k.
func (k Key) Check(name string, of Key) error {
	if d := k.differs(of); d != "" {
		return fmt.Errorf("dataset: shards: %s has bottlenecks %s: write it again with the same weights and settings",
			name, d)
	}
	return nil
}

// parseKey reads the JSON of a key.
func parseKey(text string) (k Key, err error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&k); err != nil {
		return k, fmt.Errorf("its key cannot be read: %w", err)
	}
	return k, k.Validate()
}
