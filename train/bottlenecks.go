package train

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/cache"
	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
)

// Bottlenecks are those of a folder's pictures, and what it took to get them.
type Bottlenecks struct {
	Rows     [][]float32      // along the folder's items; nil where there is none
	Distinct int              // pictures with a row, those of the same bytes counted once
	Each     time.Duration    // that a picture takes from its file to its row
	Problems []source.Problem // pictures without a row that the checks let pass, and why
}

// timedAgain is how many pictures are embedded once more for Bottlenecks.Each where the cache has
// all of them.
const timedAgain = 8

// EmbedChecked returns the bottlenecks of the pictures that c, the checks of the folder, let pass:
// from the cache where it has them, else through the trunk w and into the cache, with what every block
// says where a Run with default settings would look for it. Where there is nothing to embed, it embeds
// a few pictures again to see how long they take.
func EmbedChecked(ctx context.Context, folder *dataset.Folder, c *doctor.Checkup, w *inception.Weights,
	cfg EmbedConfig) (b *Bottlenecks, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if folder == nil || c == nil || w == nil {
		return nil, errors.New("train: embed: got no folder, no checks of it or no weights")
	}
	if !c.Of(folder) {
		return nil, errors.New("train: embed: the checks are of other pictures than the folder's")
	}
	e := newEmbedder(cfg, w, len(folder.Items), map[Phase]float64{})
	defer func() { err = errors.Join(err, e.close()) }()
	out, bad := checked(folder, c)
	if cfg.CacheDir != "" && (Config{}).FeaturesFor(len(folder.Items)) != FeaturesLast {
		e.deep = &deep{}
		defer func() { err = errors.Join(err, e.deep.close()) }()
	}
	b = &Bottlenecks{Rows: out.rows}
	e.limit = len(bad)
	if err := e.run(ctx, folder.Items, out, bad); err != nil {
		return nil, err
	}
	var again []wanted
	for i, it := range folder.Items {
		switch {
		case bad[i] == nil && len(again) < timedAgain:
			again = append(again, wanted{it.File(), out.sums[i], out.sums[i]})
		case bad[i] != nil && c.Usable(i):
			b.Problems = append(b.Problems, source.Problem{Path: it.Path, Reason: bad[i].Error()})
		}
	}
	seen := make(map[[sha256.Size]byte]bool, len(out.sums))
	for i, s := range out.sums {
		if out.rows[i] != nil && !seen[s] {
			seen[s] = true
			b.Distinct++
		}
	}
	if b.Each = out.each; b.Each == 0 && len(again) > 0 {
		d := e.deep
		defer func() { e.deep = d }()
		e.CacheDir, e.Progress, e.deep = "", nil, nil
		got, err := e.get(ctx, PhaseEmbed, again, nil, func(i int, err error) error {
			return fmt.Errorf("%s: %w", again[i].from.Path, err)
		})
		if err != nil {
			return nil, err
		}
		b.Each = got.each
	}
	return b, nil
}

// embedder gets the bottlenecks of pictures, from the cache where it has them.
type embedder struct {
	EmbedConfig
	weights  *inception.Weights
	pictures int // of the run, for what is to be expected
	classes  int // of the head to come, for the same; 0 where there is none
	limit    int // of pictures that may be bad
	seconds  map[Phase]float64
	// what every block says of a picture is wanted too, and stays here until it is closed
	deep *deep
	// compiled when the first picture needs it, and there until close
	trunk *inception.Trunk
}

// newEmbedder is one for n pictures.
func newEmbedder(cfg EmbedConfig, w *inception.Weights, n int, seconds map[Phase]float64) *embedder {
	return &embedder{EmbedConfig: cfg, weights: w, pictures: n, limit: cfg.maxBad(n), seconds: seconds}
}

// compiled is the trunk, which close closes.
func (e *embedder) compiled() (*inception.Trunk, error) {
	if e.trunk != nil && (e.trunk.Reads() == nil) == (e.deep == nil) {
		return e.trunk, nil
	}
	err := e.close()
	if err == nil {
		e.trunk, err = inception.NewTrunkOf(e.weights, e.deep.features(), e.Engine)
	}
	return e.trunk, err
}

// close lets go of the trunk.
func (e *embedder) close() error {
	if e == nil || e.trunk == nil {
		return nil
	}
	trunk := e.trunk
	e.trunk = nil
	return trunk.Close()
}

// embedded is what an embedder found; the slices run along the items.
type embedded struct {
	sums     [][sha256.Size]byte
	rows     [][]float32 // nil where the picture could not be read
	problems []source.Problem
	done     int // pictures through the trunk
	cached   int
	each     time.Duration // that a picture took, 0 where none went through the trunk
}

// dropBad returns the items that have a bottleneck, and those.
func (e *embedded) dropBad(items []dataset.Item) ([]dataset.Item, [][]float32) {
	good, rows := make([]dataset.Item, 0, len(items)), make([][]float32, 0, len(items))
	for i, it := range items {
		if e.rows[i] != nil {
			good, rows = append(good, it), append(rows, e.rows[i])
		}
	}
	return good, rows
}

// goodSums returns the digests of the items that have a bottleneck.
func (e *embedded) goodSums() [][sha256.Size]byte {
	out := make([][sha256.Size]byte, 0, len(e.sums))
	for i, s := range e.sums {
		if e.rows[i] != nil {
			out = append(out, s)
		}
	}
	return out
}

// duplicates counts the pictures whose bytes are those of an earlier one.
func (e *embedded) duplicates() int {
	seen := make(map[[sha256.Size]byte]bool, len(e.sums))
	n := 0
	for _, s := range e.goodSums() {
		if seen[s] {
			n++
		}
		seen[s] = true
	}
	return n
}

// run gets the bottlenecks of checked pictures. bad holds, for each item, why it cannot be read, or
// nil.
func (e *embedder) run(ctx context.Context, items []dataset.Item, out *embedded, bad []error) error {
	if err := e.tooMany(items, bad); err != nil {
		return err
	}
	var list []wanted
	var at []int // the item of each
	for i, it := range items {
		if bad[i] == nil {
			list, at = append(list, wanted{it.File(), out.sums[i], out.sums[i]}), append(at, i)
		}
	}
	got, err := e.get(ctx, PhaseEmbed, list, nil, func(j int, err error) error {
		bad[at[j]] = err
		return e.tooMany(items, bad)
	})
	out.done, out.cached, out.each = got.computed, got.cached, got.each
	if err != nil {
		return err
	}
	for j, i := range at {
		out.rows[i], bad[i] = got.rows[j], got.failed[j]
	}
	for i, it := range items {
		if bad[i] != nil {
			out.problems = append(out.problems, source.Problem{Path: it.Path, Reason: bad[i].Error()})
		}
	}
	return e.tooMany(items, bad)
}

// wanted is a bottleneck to get.
type wanted struct {
	from source.File
	file [sha256.Size]byte // SHA-256 of the file
	key  [sha256.Size]byte // what the cache knows the bottleneck by: file, or the digest of a view of it
}

// got are the bottlenecks; the slices run along the wanted ones.
type got struct {
	rows     [][]float32
	failed   []error // why there is no row
	computed int     // through the trunk, equal keys once
	cached   int
	each     time.Duration // that one took through the trunk, 0 for none
}

// errChanged is the reason of a picture that is not what it was when it was hashed.
var errChanged = errors.New("the file changed while the run was under way; run again")

// get gets bottlenecks: from the cache, else, equal keys once, through the trunk and into the
// cache. load makes the tensor of wanted i from the bytes of its file; nil follows the recipe. fail
// is told of each that fails, and returns an error to give up.
func (e *embedder) get(ctx context.Context, phase Phase, list []wanted,
	load func(i int, data []byte, dst []float32) error, fail func(i int, err error) error) (out got, err error) {
	out = got{rows: make([][]float32, len(list)), failed: make([]error, len(list))}
	store, err := e.open()
	if err != nil {
		return out, err
	}
	if err := e.deep.open(e); err != nil {
		return out, errors.Join(err, store.Close())
	}
	defer func() {
		if cerr := store.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("train: cache: %w", cerr)
		}
	}()
	first := make(map[[sha256.Size]byte]int, len(list))
	var missing []int
	for i, w := range list {
		at, again := first[w.key]
		if again {
			out.rows[i] = out.rows[at]
		} else {
			first[w.key] = i
			if out.rows[i], again = store.Get(w.key); !again || !e.deep.has(w.key) {
				missing, out.rows[i] = append(missing, i), nil
			}
		}
		if out.rows[i] != nil {
			out.cached++
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	order := source.Order(missing, func(i int) source.File { return list[i].from })
	for j, at := range order {
		order[j] = missing[at]
	}
	t := &embedding{e: e, phase: phase, list: list, missing: order, load: load, fail: fail, store: store, out: &out}
	if err := t.run(ctx); err != nil {
		return out, err
	}
	for i, w := range list {
		if at := first[w.key]; out.rows[i] == nil {
			out.rows[i], out.failed[i] = out.rows[at], out.failed[at]
		}
	}
	return out, nil
}

// embedding is a pass of what the cache lacks through the trunk.
type embedding struct {
	e       *embedder
	phase   Phase
	list    []wanted
	missing []int // places in list
	load    func(i int, data []byte, dst []float32) error
	fail    func(i int, err error) error
	store   store
	meter   *meter
	out     *got
}

func (t *embedding) run(ctx context.Context) error {
	e, n := t.e, len(t.missing)
	t.meter = newMeter(t.phase, n, e.Progress, e.seconds)
	trunk, err := e.compiled()
	if err != nil {
		return fmt.Errorf("train: %s: %w", t.phase, err)
	}
	if p := trunk.Program(); p.Device() != "cpu" {
		t.meter.note(fmt.Sprintf("the network runs on %s, kernel %s", p.Device(), p.Kernel()))
	}
	first := n
	if t.phase == PhaseEmbed {
		first = min(n, e.measured()) // whose time tells what the others will take
	}
	began := time.Now()
	err = t.embed(ctx, trunk, 0, first)
	if rest := n - first; err == nil && rest > 0 {
		t.meter.note(e.expect(time.Since(began)/time.Duration(first), e.pictures, rest))
		err = t.embed(ctx, trunk, first, n)
	}
	t.out.each = time.Since(began) / time.Duration(n)
	if ctx.Err() != nil {
		kind := map[Phase]string{PhaseEmbed: "pictures"}[t.phase]
		kept := ""
		if e.CacheDir != "" {
			kept = ", which stay in the cache"
		}
		return fmt.Errorf("train: %s: stopped after %d of %d %s%s: %w", t.phase, t.out.computed, n,
			cmp.Or(kind, string(t.phase)), kept, context.Cause(ctx))
	}
	if err == nil {
		t.meter.end()
	}
	return err
}

// embed embeds the missing ones from lo to hi-1.
func (t *embedding) embed(ctx context.Context, trunk *inception.Trunk, lo, hi int) error {
	ahead := source.NewAhead(ctx, source.Reading{N: hi - lo, Limits: t.e.Limits,
		File: func(j int) source.File { return t.list[t.missing[lo+j]].from }})
	defer ahead.Close()
	cfg := inception.EmbedConfig{Batch: t.e.Batch, Decoders: t.e.Decoders, Limits: t.e.Limits}
	if t.load != nil {
		cfg.Load = func(j int, data []byte, dst []float32) error { return t.load(t.missing[lo+j], data, dst) }
	}
	read := func(j int) ([]byte, error) {
		w := t.list[t.missing[lo+j]]
		data, err := ahead.Read(j)
		if err == nil && sha256.Sum256(data) != w.file {
			err = errChanged
		}
		return data, err
	}
	return trunk.EmbedAll(ctx, hi-lo, read, func(j int, row []float32, err error) error {
		return t.emit(t.missing[lo+j], row, err)
	}, cfg)
}

// emit takes a row, or why there is none.
func (t *embedding) emit(i int, row []float32, err error) error {
	t.meter.step(err != nil)
	if err != nil {
		t.out.failed[i] = err
		return t.fail(i, err)
	}
	t.out.computed++
	if row, err = t.e.deep.put(t.list[i], row); err != nil {
		return err
	}
	t.out.rows[i] = append([]float32(nil), row...)
	if err := t.store.Put(t.list[i].key, row); err != nil {
		return fmt.Errorf("train: cache: %w", err)
	}
	return nil
}

// tooMany says when more pictures are bad than the run may bear.
func (e *embedder) tooMany(items []dataset.Item, bad []error) error {
	n, first := 0, -1
	for i, b := range bad {
		if b != nil {
			if n++; first < 0 {
				first = i
			}
		}
	}
	if n <= e.limit {
		return nil
	}
	return fmt.Errorf("train: %d of %d %w, want at most %d (the first is %s: %w); mend or remove them, or allow more",
		n, len(items), ErrUnreadable, e.limit, items[first].Path, bad[first])
}

// store is where bottlenecks are kept between runs.
type store interface {
	Get(sum [sha256.Size]byte) ([]float32, bool)
	Put(sum [sha256.Size]byte, v []float32) error
	Close() error
}

// nowhere is the store of a run without a cache folder.
type nowhere struct{}

func (nowhere) Get([sha256.Size]byte) ([]float32, bool) { return nil, false }
func (nowhere) Put([sha256.Size]byte, []float32) error  { return nil }
func (nowhere) Close() error                            { return nil }

func (e *embedder) open() (store, error) {
	if e.CacheDir == "" {
		return nowhere{}, nil
	}
	c, err := cache.Open(e.CacheDir, cacheKey(e.weights, e.Engine))
	if err != nil {
		return nil, fmt.Errorf("train: cache: %w", err)
	}
	return c, nil
}
