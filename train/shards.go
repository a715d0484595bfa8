package train

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/c236555e/rehead/dataset/bottleneck"
	"github.com/c236555e/rehead/dataset/shards"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// ShardKey says which bottlenecks are the trunk's on an engine of the same arithmetic: what is read of it
// is reads, nil being the last block's averages.
func ShardKey(w *inception.Weights, reads *inception.Features, engine nn.Config) (shards.Key, error) {
	if w == nil {
		return shards.Key{}, errors.New("train: shards: got no weights")
	}
	k := shards.Key{Key: bottleneck.Key{Trunk: w.Digest, Recipe: w.Recipe, Features: reads.Length(w.Width),
		Arithmetic: arithmetic(w, engine)}, Reads: shards.Last}
	if reads == nil {
		return k, nil
	}
	if err := reads.Validate(w.Width); err != nil {
		return shards.Key{}, err
	}
	text, err := json.Marshal(reads)
	if err != nil {
		return shards.Key{}, fmt.Errorf("train: shards: %w", err)
	}
	k.Reads = string(text)
	return k, nil
}
