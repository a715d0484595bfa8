package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/c236555e/rehead/dataset/shards"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/answer"
	"github.com/c236555e/rehead/internal/pictures"
	"github.com/c236555e/rehead/train"
)

// embedShards is `embed --shards`: the pictures' bottlenecks in shards of so many pictures.
type embedShards struct {
	*app
	*embedOptions
	cfg     train.EmbedConfig
	weights *inception.Weights
	key     shards.Key
	multi   bool
	rows    []pictures.Row
	names   []string // of the shards
	todo    []int    // rows whose shards are not there yet

	mu   sync.Mutex
	sums map[int][sha256.Size]byte // of what was read and not yet emitted

	done   shardSummary
	failed failures
	list   func([]string) error
}

// shardSummary is what `embed --shards --json` prints.
type shardSummary struct {
	Images   int    `json:"images"` // with a row
	Features int    `json:"features"`
	Output   string `json:"output"` // folder
	Shards   int    `json:"shards"`
	Kept     int    `json:"kept"` // shards that were there already
	List     string `json:"list"` // the CSV file of pictures without a row
	Missing  int    `json:"missing"`
	Cached   int    `json:"cached"` // rows that were in the cache
}

// problemsName is the list of pictures without a row, beside the shards.
const problemsName = "problems.csv"

func (e *embedShards) run(ctx context.Context, problems []source.Problem) (err error) {
	if e.key, err = train.ShardKey(e.weights, e.cfg.Reads, e.cfg.Engine); err != nil {
		return err
	}
	e.done.Output, e.done.Features, e.done.List = e.shards, e.key.Features, source.Join(e.shards, problemsName)
	e.sums, e.failed.what = map[int][sha256.Size]byte{}, "embedded"
	if !inBucket(e.shards) {
		if err := os.MkdirAll(e.shards, 0o755); err != nil {
			return err
		}
	}
	if err := e.plan(); err != nil {
		return err
	}
	list, err := e.create(e.done.List)
	if err != nil {
		return fmt.Errorf("write %s: %w", e.done.List, err)
	}
	defer func() { err = errors.Join(err, list.Discard()) }()
	buf := bufio.NewWriterSize(list, 1<<16)
	e.list = csvWriter(buf)
	if err := e.list([]string{"path", "label", "error"}); err != nil {
		return err
	}
	if err := e.embed(ctx); err != nil {
		return err
	}
	for _, p := range problems {
		if err := e.list([]string{p.Path, "", p.Reason}); err != nil {
			return err
		}
	}
	if err := errors.Join(buf.Flush(), list.Commit()); err != nil {
		return fmt.Errorf("write %s: %w", e.done.List, err)
	}
	e.done.Missing = e.failed.failed
	if e.done.Images == 0 {
		return fmt.Errorf("%w; nothing was written", e.failed.err())
	}
	return nil
}

// plan names the shards, and says which are there: those with a row of every picture. Those of other
// pictures or another trunk are an error.
func (e *embedShards) plan() error {
	there := map[string]bool{}
	store, root, err := e.data.addresses.Open(e.shards)
	if err != nil {
		return err
	}
	found, err := store.ReadDir(root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a bucket has no empty folders
		return err
	}
	for _, f := range found {
		if filepath.Ext(f.Name()) == shards.Suffix {
			there[f.Name()] = true
		}
	}
	for lo := 0; lo < len(e.rows); lo += e.shardRows {
		hi := min(lo+e.shardRows, len(e.rows))
		name, err := e.name(lo, hi)
		if err != nil {
			return err
		}
		e.names = append(e.names, name)
		if there[name] {
			delete(there, name)
			whole, err := e.whole(source.File{Path: source.Join(root, name), Store: store}, hi-lo)
			if err != nil {
				return err
			}
			if whole {
				e.done.Kept++
				e.done.Shards++
				e.done.Images += hi - lo
				continue
			}
		}
		for i := lo; i < hi; i++ {
			e.todo = append(e.todo, i)
		}
	}
	for name := range there {
		return fmt.Errorf("embed: --shards: %s is not of these pictures, weights and settings: a head would be trained on "+
			"it, too; remove it or name another folder", source.Join(e.shards, name))
	}
	return nil
}

// name is made from all that a shard's rows depend on: the pictures' names, labels, sizes and times stand
// for their bytes.
func (e *embedShards) name(lo, hi int) (string, error) {
	h := sha256.New()
	key, err := json.Marshal(e.key)
	if err != nil {
		return "", err
	}
	_, _ = fmt.Fprintf(h, "%s %t\x00", key, e.multi) // a hash takes everything
	for _, r := range e.rows[lo:hi] {
		size, changed := int64(-1), time.Time{}
		store := r.Store
		if store == nil {
			store = source.Disk{}
		}
		if info, err := store.Stat(r.Path); err == nil { // else reading it says why
			size, changed = info.Size(), info.ModTime()
		}
		_, _ = fmt.Fprintf(h, "%q %q %d %t %d %d\x00", r.Path, r.Labels, r.Part, r.Given, size, changed.UnixNano())
	}
	return fmt.Sprintf("bottlenecks-%05d-%x%s", lo/e.shardRows, h.Sum(nil)[:8], shards.Suffix), nil
}

// whole says whether a shard has so many rows and is sound.
func (e *embedShards) whole(shard source.File, rows int) (bool, error) {
	f, size, err := shard.OpenAt()
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }() // only read
	s, err := shards.Open(shard.Path, f, size)
	if err != nil {
		return false, nil //nolint:nilerr // it is written again
	}
	_, err = s.Index()
	return err == nil && s.Rows == rows, nil
}

// read returns a picture's bytes and notes their digest.
func (e *embedShards) read(i int) ([]byte, error) {
	data, err := e.rows[i].Read(e.cfg.Limits)
	if err == nil {
		sum := sha256.Sum256(data)
		e.mu.Lock()
		e.sums[i] = sum
		e.mu.Unlock()
	}
	return data, err
}

// embed computes what is missing, shard by shard.
func (e *embedShards) embed(ctx context.Context) error {
	if len(e.todo) == 0 {
		return nil
	}
	w, err := shards.NewWriter(e.key, e.multi)
	if err != nil {
		return err
	}
	bar := e.progress("computing features", "pictures", len(e.todo))
	defer bar.done()
	got, err := train.EmbedEach(ctx, len(e.todo), e.weights, e.cfg,
		func(k int) ([]byte, error) { return e.read(e.todo[k]) },
		func(k int, row []float32, err error) error {
			bar.add(1)
			i := e.todo[k]
			if err == nil {
				err = e.add(w, i, row)
			}
			e.mu.Lock()
			delete(e.sums, i)
			e.mu.Unlock()
			p := prediction{}
			if err != nil {
				p.Row = answer.Row{Image: e.rows[i].Path, Error: answer.OneLine(err)}
				if err := e.list([]string{p.Image, e.rows[i].Cell(), p.Error}); err != nil {
					return err
				}
			}
			e.failed.count(p)
			if k+1 < len(e.todo) && e.todo[k+1]/e.shardRows == i/e.shardRows || w.Len() == 0 {
				return nil
			}
			e.done.Images += w.Len()
			e.done.Shards++
			defer w.Reset()
			return e.writeFile(source.Join(e.shards, e.names[i/e.shardRows]), w.Encode)
		})
	e.done.Cached = got.Cached
	return err
}

// add puts a row into the shard.
func (e *embedShards) add(w *shards.Writer, i int, row []float32) error {
	r := &e.rows[i]
	e.mu.Lock()
	sum := e.sums[i]
	e.mu.Unlock()
	return w.Add(shards.Row{Features: row, Sum: sum, Path: r.Path, Labels: r.Labels, Part: r.Part, Given: r.Given})
}

// say says what was written.
func (e *embedShards) say(out io.Writer) error {
	if e.asJSON {
		return printJSON(out, e.done)
	}
	e.sayWrapped("wrote %s: %d x %d float16 in %d shards, %d of them kept; %d rows from the cache; pictures without a "+
		"row are listed in %s", e.done.Output, e.done.Images, e.done.Features, e.done.Shards, e.done.Kept, e.done.Cached,
		e.done.List)
	return nil
}
