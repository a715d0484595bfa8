package shards

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/c236555e/rehead/dataset/bottleneck"
)

// Key says which bottlenecks belong together: a head is trained on those of one key.
type Key struct {
	bottleneck.Key
	// what is read of the trunk: Last, or the JSON of an inception.Features
	Reads string `json:"reads"`
}

// Last is the Key.Reads of the last block's averages.
const Last = "last"

// Validate names the first field that is wrong.
func (k Key) Validate() error {
	if k.Reads == "" {
		return fmt.Errorf("dataset: shards: key: reads is empty, want %q or what else is read of the trunk", Last)
	}
	return k.Key.Validate("shards: key")
}

// differs says in what other is another key than k; "" where it is the same.
func (k Key) differs(other Key) string {
	if d := k.Differs(other.Key); d != "" || k.Reads == other.Reads {
		return d
	}
	return fmt.Sprintf("of what reads %q, not %q", other.Reads, k.Reads)
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
