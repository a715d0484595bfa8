package train

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/cache"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// embedder gets the bottlenecks of pictures, from the cache where it has them.
type embedder struct {
	weights  *inception.Weights
	recipe   picture.Recipe
	classes  int // of the head to come, for what is to be expected; 0 where there is none
	cacheDir string
	maxBad   int
	nn       nn.Config
	embed    inception.EmbedConfig
	progress func(Event)
	seconds  map[Phase]float64
}

// embedded is what an embedder found; the slices run along the items.
type embedded struct {
	sums     [][sha256.Size]byte
	rows     [][]float32 // nil where the picture could not be read
	problems []source.Problem
	done     int // pictures through the trunk
	cached   int
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

// duplicates counts the pictures whose bytes are those of an earlier one.
func (e *embedded) duplicates() int {
	seen := make(map[[sha256.Size]byte]bool, len(e.sums))
	n := 0
	for i, s := range e.sums {
		if e.rows[i] == nil {
			continue
		}
		if seen[s] {
			n++
		}
		seen[s] = true
	}
	return n
}

// run gets the bottlenecks of hashed pictures. bad holds, for each item, why it cannot be read, or
// nil.
func (e *embedder) run(ctx context.Context, items []dataset.Item, out *embedded, bad []error) (err error) {
	store, err := e.open()
	if err != nil {
		return err
	}
	defer func() {
		if cerr := store.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("train: cache: %w", cerr)
		}
	}()
	missing := e.lookup(items, out, bad, store)
	if err := e.tooMany(items, bad); err != nil {
		return err
	}
	if len(missing) > 0 {
		if err := e.trunk(ctx, items, out, bad, store, missing); err != nil {
			return err
		}
	}
	for i, it := range items {
		switch first := bad[i]; {
		case first != nil:
			out.rows[i] = nil
			out.problems = append(out.problems, source.Problem{Path: it.Path, Reason: first.Error()})
		}
	}
	return e.tooMany(items, bad)
}

// lookup fills the rows that the cache has, and returns one item for each digest that it lacks.
func (e *embedder) lookup(items []dataset.Item, out *embedded, bad []error, store store) []int {
	var missing []int
	seen := map[[sha256.Size]byte][]float32{}
	for i := range items {
		if bad[i] != nil {
			continue
		}
		row, known := seen[out.sums[i]]
		if !known {
			if row, known = store.Get(out.sums[i]); !known {
				missing = append(missing, i)
			}
			seen[out.sums[i]] = row
		}
		if out.rows[i] = row; row != nil {
			out.cached++
		}
	}
	return missing
}

// errChanged is the reason of a picture that is not what it was when it was hashed.
var errChanged = errors.New("the file changed while the run was under way; run again")

// trunk embeds the missing pictures and puts them into the cache.
func (e *embedder) trunk(ctx context.Context, items []dataset.Item, out *embedded, bad []error, store store,
	missing []int) error {
	p := e.start(PhaseEmbed, len(missing))
	trunk, err := inception.NewTrunk(e.weights, e.nn)
	if err != nil {
		return fmt.Errorf("train: embed: %w", err)
	}
	read := func(j int) ([]byte, error) {
		data, err := source.Read(items[missing[j]].Path, e.embed.Limits)
		if err == nil && sha256.Sum256(data) != out.sums[missing[j]] {
			err = errChanged
		}
		return data, err
	}
	rows := make(map[[sha256.Size]byte][]float32, len(missing))
	failed := make(map[[sha256.Size]byte]error)
	emit := func(j int, vec []float32, err error) error {
		i := missing[j]
		p.step(err != nil)
		if err != nil {
			failed[out.sums[i]], bad[i] = err, err
			return e.tooMany(items, bad)
		}
		rows[out.sums[i]] = append([]float32(nil), vec...)
		out.done++
		if err := store.Put(out.sums[i], vec); err != nil {
			return fmt.Errorf("train: cache: %w", err)
		}
		return nil
	}
	first := min(len(missing), e.measured()) // whose time tells what the others will take
	began := time.Now()
	err = trunk.EmbedAll(ctx, first, read, emit, e.embed)
	if rest := len(missing) - first; err == nil && rest > 0 {
		p.note(e.expect(time.Since(began)/time.Duration(first), len(items), rest))
		after := func(j int) ([]byte, error) { return read(first + j) }
		err = trunk.EmbedAll(ctx, rest, after, func(j int, vec []float32, err error) error {
			return emit(first+j, vec, err)
		}, e.embed)
	}
	if cerr := trunk.Close(); err == nil {
		err = cerr
	}
	if ctx.Err() != nil {
		return fmt.Errorf("train: embed: stopped after %d of %d pictures%s: %w", out.done, len(missing), e.kept(),
			context.Cause(ctx))
	}
	if err != nil {
		return err
	}
	p.end()
	for i := range items { // also the pictures with the same bytes as an embedded one
		if out.rows[i] == nil && bad[i] == nil {
			out.rows[i], bad[i] = rows[out.sums[i]], failed[out.sums[i]]
		}
	}
	return nil
}

// kept says what becomes of bottlenecks when a run is stopped.
func (e *embedder) kept() string {
	if e.cacheDir == "" {
		return ""
	}
	return ", which stay in the cache"
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
	if n <= e.maxBad {
		return nil
	}
	return fmt.Errorf("train: %d of %d pictures cannot be read, want at most %d (the first is %s: %w); mend or "+
		"remove them, or allow more",
		n, len(items), e.maxBad, items[first].Path, bad[first])
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
	if e.cacheDir == "" {
		return nowhere{}, nil
	}
	c, err := cache.Open(e.cacheDir, cache.Key{
		Trunk: e.weights.Digest, Recipe: e.recipe, Features: e.weights.Features(),
	})
	if err != nil {
		return nil, fmt.Errorf("train: cache: %w", err)
	}
	return c, nil
}

// meter reports the progress of a phase that is counted in pictures.
type meter struct {
	mu      sync.Mutex
	phase   Phase
	began   time.Time
	last    time.Time
	done    int
	bad     int
	total   int
	said    string // to go with the next event
	send    func(Event)
	seconds map[Phase]float64
}

// meterPause is the least time between two events of one phase.
const meterPause = 100 * time.Millisecond

func (e *embedder) start(phase Phase, total int) *meter {
	return newMeter(phase, total, e.progress, e.seconds)
}

func newMeter(phase Phase, total int, send func(Event), seconds map[Phase]float64) *meter {
	m := &meter{phase: phase, began: time.Now(), total: total, send: send, seconds: seconds}
	m.report()
	return m
}

func (m *meter) step(bad bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done++
	if bad {
		m.bad++
	}
	if m.done < m.total && time.Since(m.last) >= meterPause {
		m.report()
	}
}

// at is step for who counts himself.
func (m *meter) at(done int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.done = max(m.done, done); m.done < m.total && time.Since(m.last) >= meterPause {
		m.report()
	}
}

// note sends an event with something to say.
func (m *meter) note(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.said = text
	m.report()
}

// end sends the phase's last event.
func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seconds[m.phase] += time.Since(m.began).Seconds()
	m.done = m.total
	m.report()
}

func (m *meter) report() {
	m.last = time.Now()
	if m.send == nil {
		return
	}
	e := Event{Phase: m.phase, Done: m.done, Total: m.total, Bad: m.bad, Elapsed: m.last.Sub(m.began), Note: m.said}
	m.said = ""
	if s := e.Elapsed.Seconds(); s > 0 {
		e.Rate = float64(m.done) / s
	}
	m.send(e)
}
