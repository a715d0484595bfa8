package train

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"
	"time"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/doctor"
)

// look reads and checks every picture, each decoded once in the life of the cache. bad holds, for
// each item, why it cannot be used, or nil.
func (e *embedder) look(ctx context.Context,
	folder *dataset.Folder) (out *embedded, bad []error, c *doctor.Checkup, err error) {
	cfg := doctor.Config{Limits: e.embed.Limits, Workers: e.embed.Decoders, Features: e.weights.Features()}
	if e.cacheDir != "" {
		if cfg.Cache, err = doctor.OpenCheckCache(e.cacheDir); err != nil {
			return nil, nil, nil, fmt.Errorf("train: cache: %w", err)
		}
		defer func() {
			if cerr := cfg.Cache.Close(); err == nil && cerr != nil {
				err = fmt.Errorf("train: cache: %w", cerr)
			}
		}()
	}
	p := e.start(PhaseHash, len(folder.Items))
	cfg.Progress = func(done, _ int) { p.at(done) }
	if c, err = doctor.Check(ctx, folder, cfg); err != nil {
		return nil, nil, nil, fmt.Errorf("train: %w", err)
	}
	n := len(folder.Items)
	out = &embedded{sums: c.Same().Sums, rows: make([][]float32, n)}
	bad = make([]error, n)
	for i := range bad {
		if bad[i] = c.Err(i); bad[i] != nil {
			p.bad++
			// resembles no other, wherever the folder lies
			out.sums[i] = sha256.Sum256([]byte("unreadable\x00" + folder.Items[i].Rel))
		}
	}
	p.end()
	return out, bad, c, nil
}

// measuredPictures is how many of the pictures to embed are timed before the others.
const measuredPictures = 16

// measured returns how many pictures are timed: as many as fill some forward passes.
func (e *embedder) measured() int { return max(measuredPictures, 2*e.embed.Batch) }

// expect says what is to come, from what a picture took so far.
func (e *embedder) expect(each time.Duration, pictures, left int) string {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	row := int64(e.weights.Features()) * 4
	memory := int64(m.Sys) + row*int64(pictures)
	if e.classes > 0 { // the solver's scaled copy and its vectors
		memory += row*int64(pictures) + 35*8*int64(e.classes)*int64(e.weights.Features()+1)
	}
	said := fmt.Sprintf("expected: %v for the other %d pictures (%.1f a second), about %.1f GB of memory",
		(each * time.Duration(left)).Round(time.Second), left,
		1/max(each.Seconds(), 1e-9), float64(memory)/1e9)
	if e.cacheDir != "" {
		said += fmt.Sprintf(", %.1f MB of cache", float64((row+sha256.Size+4)*int64(pictures))/1e6)
	}
	return said
}
