package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/c236555e/rehead/dataset/bottleneck"
	"github.com/c236555e/rehead/internal/safetensors"
)

// Key says which bottlenecks belong together. Two keys never share a file.
type Key struct {
	bottleneck.Key
	// values are float16, which Put rounds to: of what is long, such as what all blocks say of a
	// picture
	Half bool `json:"half,omitempty"`
}

// Bottlenecks keeps bottlenecks on disk by the SHA-256 of their picture's bytes, so that an edited
// picture, another trunk or another recipe never finds a stale one. It is a Store, and as safe as
// that; a value is Features float32, or float16, little-endian.
type Bottlenecks struct {
	store    *Store
	features int
	half     bool
}

// Open opens the cache file of key in dir, and makes both where they are missing.
func Open(dir string, key Key) (*Bottlenecks, error) {
	if err := key.Validate("bottleneck cache"); err != nil {
		return nil, err
	}
	text, err := json.Marshal(key)
	if err != nil {
		return nil, fmt.Errorf("dataset: bottleneck cache: key: %w", err)
	}
	each := 4
	if key.Half {
		each = 2
	}
	store, err := OpenStore(dir, Format{
		Name: "bottleneck cache", Magic: "REHEADBN", Version: 1, Suffix: ".bottlenecks",
		Key: text, Length: each * key.Features,
	})
	if err != nil {
		return nil, err
	}
	return &Bottlenecks{store, key.Features, key.Half}, nil
}

// Get returns the bottleneck of the picture with this digest in a slice of its own, and whether
// there is one.
func (c *Bottlenecks) Get(sha [sha256.Size]byte) (v []float32, ok bool) {
	ok = c.store.Get(sha, func(value []byte) {
		v = make([]float32, c.features)
		for i := range v {
			if c.half {
				v[i] = safetensors.FromHalf(binary.LittleEndian.Uint16(value[2*i:]))
			} else {
				v[i] = math.Float32frombits(binary.LittleEndian.Uint32(value[4*i:]))
			}
		}
	})
	return v, ok
}

// Put stores a bottleneck; v is copied. A picture that is there already, put by whichever process,
// is left as it is. A value that float16 cannot hold is refused where that is what is stored.
func (c *Bottlenecks) Put(sha [sha256.Size]byte, v []float32) error {
	if len(v) != c.features {
		return fmt.Errorf("dataset: bottleneck cache: put: got %d values, want %d", len(v), c.features)
	}
	value := make([]byte, 0, 4*len(v))
	for i, f := range v {
		if c.half {
			h, ok := safetensors.Half(f)
			if !ok {
				return fmt.Errorf("dataset: bottleneck cache: put: value %d is %g, which float16 cannot hold", i, f)
			}
			value = binary.LittleEndian.AppendUint16(value, h)
			continue
		}
		value = binary.LittleEndian.AppendUint32(value, math.Float32bits(f))
	}
	return c.store.Put(sha, value)
}

// Merge puts every sound record of other, which must be of the same key, into c, and returns how
// many were new.
func (c *Bottlenecks) Merge(other *Bottlenecks) (added int, err error) {
	if other == nil {
		return 0, errors.New("dataset: bottleneck cache: merge: got none to merge")
	}
	return c.store.Merge(other.store)
}

// Len returns the number of pictures that this store knows of; another process's are met at the
// next Put.
func (c *Bottlenecks) Len() int { return c.store.Len() }

// Damaged returns how many records failed their checksum.
func (c *Bottlenecks) Damaged() int { return c.store.Damaged() }

// Path returns the cache file's path.
func (c *Bottlenecks) Path() string { return c.store.Path() }

// Close syncs and closes the file. A second Close does nothing.
func (c *Bottlenecks) Close() error { return c.store.Close() }

// Has tells whether there is a bottleneck of the picture with this digest.
func (c *Bottlenecks) Has(sha [sha256.Size]byte) bool {
	return c.store.Get(sha, func([]byte) {})
}
