package train

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/par"
)

// eachChunk is how many pictures EmbedEach looks for in the cache at a time.
const eachChunk = 1024

// EmbedEach hands the bottlenecks of pictures 0..n-1 to emit, from the cache where it has them,
// else through the trunk w and into the cache; few are held at a time. read(i) returns the bytes of
// picture i and is called from several goroutines, twice for a picture that the cache lacks. emit
// is called from the caller's goroutine in order of i, with the bottleneck [Features], or with what
// cfg.Reads says, which is valid until emit returns, or with the error that kept this picture from
// being read or decoded. What cfg.MaxBad and cfg.Progress say is left to emit. An error of emit, of
// the trunk or of ctx ends the run. Where the cache has every picture the trunk is not compiled.
func EmbedEach(ctx context.Context, n int, w *inception.Weights, cfg EmbedConfig,
	read func(i int) ([]byte, error), emit func(i int, row []float32, err error) error) (got Embedded, err error) {
	if read == nil {
		return got, errNothing
	}
	return embedEach(ctx, n, w, &each{EmbedConfig: cfg, read: read, emit: emit})
}

var errNothing = errors.New("train: embed: got no weights, or nothing that reads pictures or takes bottlenecks")

// EmbedFiles is EmbedEach of files. Those of a source.Far store are fetched once, ahead of the trunk,
// and not at all where the store knows their digest and the cache their bottleneck.
func EmbedFiles(ctx context.Context, files []source.File, w *inception.Weights, cfg EmbedConfig,
	emit func(i int, row []float32, err error) error) (got Embedded, err error) {
	return embedEach(ctx, len(files), w, &each{EmbedConfig: cfg, files: files, emit: emit})
}

func embedEach(ctx context.Context, n int, w *inception.Weights, e *each) (got Embedded, err error) {
	cfg := &e.EmbedConfig
	if err := cfg.Validate(); err != nil {
		return got, err
	}
	if w == nil || e.emit == nil {
		return got, errNothing
	}
	if cfg.Reads != nil {
		cfg.CacheDir = "" // that of a run has what training reads, in float16
	}
	e.weights, e.got = w, &got
	if e.store, err = newEmbedder(*cfg, w, n, nil).open(); err != nil {
		return got, err
	}
	defer func() {
		if cerr := e.close(); err == nil && cerr != nil {
			err = fmt.Errorf("train: embed: %w", cerr)
		}
	}()
	if e.files != nil {
		ahead := source.NewAhead(ctx, source.Reading{N: n, Limits: cfg.Limits,
			File: func(i int) source.File { return e.files[i] },
			Skip: func(i int) bool { return e.known(i).row != nil }})
		defer ahead.Close()
		e.read, e.ahead = ahead.Read, ahead
	}
	for first := 0; first < n; first += eachChunk {
		if err := e.chunk(ctx, first, min(first+eachChunk, n)); err != nil {
			return got, err
		}
	}
	return got, ctx.Err()
}

// each is the state of one EmbedEach.
type each struct {
	EmbedConfig
	weights *inception.Weights // nil once the trunk has packed them
	trunk   *inception.Trunk   // nil until a picture needs it
	store   store
	read    func(i int) ([]byte, error)
	files   []source.File // nil: read alone knows where they lie
	ahead   *source.Ahead // of files
	emit    func(i int, row []float32, err error) error
	got     *Embedded
}

// found is what the cache says of a picture.
type found struct {
	sum [sha256.Size]byte
	row []float32
	err error // why it cannot be read
}

// far tells whether picture i is to be fetched but once.
func (e *each) far(i int) bool {
	if e.files == nil {
		return false
	}
	_, far := e.files[i].Store.(source.Far)
	return far
}

// known is what the cache says of picture i without reading it.
func (e *each) known(i int) (f found) {
	if e.files == nil || e.CacheDir == "" {
		return f
	}
	if sum, ok := e.files[i].Digest(); ok {
		f.sum = sum
		f.row, _ = e.store.Get(sum)
	}
	return f
}

// look asks the cache for n pictures from lo on.
func (e *each) look(ctx context.Context, lo, n int) ([]found, error) {
	of := make([]found, n)
	if e.CacheDir == "" {
		return of, nil
	}
	return of, par.Each(ctx, e.Decoders, n, func(_, k int) error {
		if e.far(lo + k) {
			if of[k] = e.known(lo + k); of[k].row != nil {
				e.ahead.Drop(lo + k) // it was begun before that was known
			}
			return nil
		}
		data, err := e.read(lo + k)
		if of[k].err = err; err == nil {
			of[k].sum = sha256.Sum256(data)
			of[k].row, _ = e.store.Get(of[k].sum)
		}
		return nil
	})
}

// chunk does the pictures from lo to hi-1.
func (e *each) chunk(ctx context.Context, lo, hi int) error {
	of, err := e.look(ctx, lo, hi-lo)
	if err != nil {
		return err
	}
	var missing []int
	for k := range of {
		if of[k].row == nil && of[k].err == nil {
			missing = append(missing, k)
		}
	}
	next := 0 // all before are emitted
	pass := func(to int) error {
		for ; next < to; next++ {
			if of[next].row != nil {
				e.got.Cached++
			}
			if err := e.emit(lo+next, of[next].row, of[next].err); err != nil {
				return err
			}
		}
		return nil
	}
	if len(missing) > 0 {
		if err := e.compile(); err != nil {
			return err
		}
		err := e.trunk.EmbedAll(ctx, len(missing), func(j int) ([]byte, error) {
			return e.fetch(lo+missing[j], &of[missing[j]])
		}, func(j int, row []float32, err error) error {
			if err := pass(missing[j]); err != nil || of[missing[j]].row != nil {
				return err // and the next pass has what the cache had
			}
			next++
			return e.embedded(lo+missing[j], of[missing[j]].sum, row, err)
		}, inception.EmbedConfig{Batch: e.Batch, Decoders: e.Decoders, Limits: e.Limits})
		if err != nil {
			return err
		}
	}
	return pass(len(of))
}

// errKept says that the cache has what a picture that was just fetched gives.
var errKept = errors.New("is in the cache")

// fetch reads picture i, of which look found f, for the trunk.
func (e *each) fetch(i int, f *found) ([]byte, error) {
	data, err := e.read(i)
	if err != nil || e.CacheDir == "" {
		return data, err
	}
	sum := sha256.Sum256(data)
	if !e.far(i) {
		if sum != f.sum {
			err = errChanged
		}
		return data, err
	}
	f.sum = sum
	if f.row, _ = e.store.Get(sum); f.row != nil {
		err = errKept
	}
	return data, err
}

// embedded takes a row of the trunk, or why there is none.
func (e *each) embedded(i int, sum [sha256.Size]byte, row []float32, err error) error {
	if err == nil {
		e.got.Pictures++
		if err := e.store.Put(sum, row); err != nil {
			return fmt.Errorf("train: cache: %w", err)
		}
	}
	return e.emit(i, row, err)
}

func (e *each) compile() (err error) {
	if e.trunk == nil {
		e.trunk, err = inception.NewTrunkOf(e.weights, e.Reads, e.Engine)
		e.weights = nil
	}
	return err
}

func (e *each) close() error {
	err := e.store.Close()
	if e.trunk != nil {
		err = cmp.Or(err, e.trunk.Close())
	}
	return err
}
