package train

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/c236555e/rehead/dataset/cache"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/internal/safetensors"
)

// deep is what every block says of a run's pictures: every statistic of every block, rounded to
// float16, found by what the bottlenecks are found by. One cache serves every choice of features;
// without a cache folder it is kept in memory. A nil *deep is that of a run that reads bottlenecks
// alone, which asks for nothing.
type deep struct {
	width float64
	store deepStore // nil until it is opened
	last  int       // where the bottleneck begins in a row
	size  int       // of a bottleneck
}

// deepStore is a store that is also asked whether it has something.
type deepStore interface {
	store
	Has(sum [sha256.Size]byte) bool
}

// open opens the store, once.
func (d *deep) open(e *embedder) error {
	if d == nil || d.store != nil {
		return nil
	}
	d.width, d.size = e.weights.Width, e.weights.Features()
	for _, s := range inception.AllFeatures().Spans(d.width) {
		if s.Statistic == inception.Mean { // the last of them is of the last block
			d.last = s.From
		}
	}
	if e.CacheDir == "" {
		d.store = halves{}
		return nil
	}
	c, err := cache.Open(e.CacheDir, deepKey(e.weights, e.Engine))
	if err != nil {
		return fmt.Errorf("train: cache: %w", err)
	}
	d.store = c
	return nil
}

// close lets go of it; a second close does nothing.
func (d *deep) close() error {
	if d == nil || d.store == nil {
		return nil
	}
	err := d.store.Close()
	d.store = nil
	if err != nil {
		return fmt.Errorf("train: cache: %w", err)
	}
	return nil
}

// features is what the trunk is to give.
func (d *deep) features() *inception.Features {
	if d == nil {
		return nil
	}
	return inception.AllFeatures()
}

// has tells whether nothing has to be computed for a picture.
func (d *deep) has(key [sha256.Size]byte) bool { return d == nil || d.store.Has(key) }

// put keeps what the trunk gave of a picture and returns its bottleneck.
func (d *deep) put(w wanted, row []float32) ([]float32, error) {
	if d == nil {
		return row, nil
	}
	if err := d.store.Put(w.key, row); err != nil {
		return nil, fmt.Errorf("train: cache: %s: %w", w.from.Path, err)
	}
	return row[d.last:][:d.size], nil
}

// get returns the row of a picture.
func (d *deep) get(key [sha256.Size]byte) ([]float32, error) {
	row, ok := d.store.Get(key)
	if !ok {
		return nil, errors.New("train: cache: a record that was there is damaged or gone: run again")
	}
	return row, nil
}

// read returns what f reads of pictures.
func (d *deep) read(ctx context.Context, f *inception.Features, keys [][sha256.Size]byte,
	threads int) ([][]float32, error) {
	at, scales, err := f.Places(d.width)
	if err != nil {
		return nil, err
	}
	rows := make([][]float32, len(keys))
	err = par.Each(ctx, threads, len(keys), func(_, i int) error {
		all, err := d.get(keys[i])
		if err != nil {
			return err
		}
		rows[i] = make([]float32, len(at))
		for j, p := range at {
			rows[i][j] = all[p] * scales[j]
		}
		return nil
	})
	if ctx.Err() != nil {
		err = fmt.Errorf("train: features: stopped: %w", context.Cause(ctx))
	}
	return rows, err
}

// halves is the deepStore of a run without a cache folder.
type halves map[[sha256.Size]byte][]uint16

func (m halves) Has(sum [sha256.Size]byte) bool { _, ok := m[sum]; return ok }

func (m halves) Get(sum [sha256.Size]byte) ([]float32, bool) {
	half, ok := m[sum]
	if !ok {
		return nil, false
	}
	v := make([]float32, len(half))
	for i, h := range half {
		v[i] = safetensors.FromHalf(h)
	}
	return v, true
}

func (m halves) Put(sum [sha256.Size]byte, v []float32) error {
	half := make([]uint16, len(v))
	for i, f := range v {
		var ok bool
		if half[i], ok = safetensors.Half(f); !ok {
			return fmt.Errorf("value %d is %g, which float16 cannot hold", i, f)
		}
	}
	m[sum] = half
	return nil
}

func (halves) Close() error { return nil }
