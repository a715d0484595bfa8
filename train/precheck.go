package train

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"
	"time"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/inception"
)

// precheck reads and checks every picture, each decoded once in the life of the cache. bad holds,
// for each item, why it cannot be used, or nil.
func (e *embedder) precheck(ctx context.Context,
	folder *dataset.Folder) (out *embedded, bad []error, c *doctor.Checkup, err error) {
	cfg := doctor.Config{Limits: e.Limits, Workers: e.Decoders, Features: e.weights.Features()}
	if e.CacheDir != "" {
		if cfg.Cache, err = doctor.OpenCheckCache(e.CacheDir); err != nil {
			return nil, nil, nil, fmt.Errorf("train: cache: %w", err)
		}
		defer func() {
			if cerr := cfg.Cache.Close(); err == nil && cerr != nil {
				err = fmt.Errorf("train: cache: %w", cerr)
			}
		}()
	}
	p := newMeter(PhaseHash, len(folder.Items), e.Progress, e.seconds)
	cfg.Progress = func(done, _ int) { p.at(done) }
	if c, err = doctor.Check(ctx, folder, cfg); err != nil {
		return nil, nil, nil, fmt.Errorf("train: %w", err)
	}
	out, bad = checked(folder, c)
	for _, b := range bad {
		if b != nil {
			p.bad++
		}
	}
	p.end()
	return out, bad, c, nil
}

// checked is what the checks found: the digests, and for each item why it cannot be used, or nil.
func checked(folder *dataset.Folder, c *doctor.Checkup) (out *embedded, bad []error) {
	n := len(folder.Items)
	out, bad = &embedded{sums: c.Same().Sums, rows: make([][]float32, n)}, make([]error, n)
	for i := range bad {
		if bad[i] = c.Err(i); bad[i] != nil {
			// resembles no other, wherever the folder lies
			out.sums[i] = sha256.Sum256([]byte("unreadable\x00" + folder.Items[i].Rel))
		}
	}
	return out, bad
}

// measuredPictures is how many of the pictures to embed are timed before the others.
const measuredPictures = 16

// measured returns how many pictures are timed: as many as fill some forward passes.
func (e *embedder) measured() int { return max(measuredPictures, 2*e.Batch) }

// expect says what is to come, from what a picture took so far.
func (e *embedder) expect(each time.Duration, pictures, left int) string {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	row, stored := int64(e.weights.Features())*4, int64(e.weights.Features()*4+sha256.Size+4)
	deep := int64(inception.AllFeatures().Length(e.weights.Width))
	if e.deep != nil {
		stored += deep*2 + sha256.Size + 4
		row += deep // a quarter of it, which is the most that is chosen but for lists
	}
	memory := int64(m.Sys) + row*int64(pictures)
	if e.classes > 0 { // the solver's scaled copy and its vectors
		memory += row*int64(pictures) + 35*8*int64(e.classes)*int64(e.weights.Features()+1)
	}
	if e.deep != nil && e.classes > 0 { // choosing
		memory += 4 * deep * int64(min(pictures, mostChosenWith))
	}
	said := fmt.Sprintf("expected: %v for the other %d pictures (%.1f a second), about %.1f GB of memory",
		(each * time.Duration(left)).Round(time.Second), left,
		1/max(each.Seconds(), 1e-9), float64(memory)/1e9)
	if e.CacheDir != "" {
		said += fmt.Sprintf(", %.1f MB of cache", float64(stored*int64(pictures))/1e6)
	}
	return said
}
