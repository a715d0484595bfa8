package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/c236555e/rehead/inception/convert"
	"github.com/c236555e/rehead/internal/atomicfile"
	"github.com/c236555e/rehead/internal/filelock"
)

// PullConfig changes how a set is pulled; the zero value takes it from its publisher.
type PullConfig struct {
	// mirror: a URL or a folder that holds the file under its published name, or the URL or path of
	// the file itself
	From     string
	DType    string                      // of the stored weights: "f32" (also "") or "f16"
	Progress func(done, total int64)     // called at most a few times a second, and at the end; total is 0 when unknown
	Client   *http.Client                // nil: one that honours proxies and never goes from HTTPS to HTTP
	Retries  int                         // times an interrupted download is taken up again; 0 means 5, negative none
	Wait     func(try int) time.Duration // before each; nil: 1, 2, 4, ... seconds

	Retrying func(err error, pause time.Duration) // called before such a pause with what went wrong; may be nil
}

// Pull fetches, checks, converts and stores the set called name. A set that is there already is
// fetched again only when its stored file is missing or damaged. A pull that was interrupted, by
// ctx or the network, is taken up by the next; a file with another size or digest than the entry
// states, or other classes, is refused and thrown away.
func (s Store) Pull(ctx context.Context, name string, cfg PullConfig) (*Pulled, error) {
	e, err := Find(name)
	if err != nil {
		return nil, err
	}
	return s.pullEntry(ctx, e, cfg)
}

// pullEntry is Pull for an entry that the caller describes.
func (s Store) pullEntry(ctx context.Context, e Entry, cfg PullConfig) (*Pulled, error) {
	if s.Dir == "" {
		return nil, errNoFolder
	}
	if cfg.DType == "" {
		cfg.DType = "f32"
	}
	if p, err := s.Lookup(e.Name); err == nil && p.DType == cfg.DType {
		if sum, err := hashFile(s.Path(p)); err == nil && sum == p.Weights {
			return p, nil
		}
	}
	if err := os.MkdirAll(s.partialPath(""), 0o755); err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	locked := s.partialPath(e.Name + ".lock")
	unlock, err := filelock.TryLock(locked)
	if errors.Is(err, filelock.ErrHeld) {
		err = fmt.Errorf("%s is in use: another rehead is pulling the same set", locked)
	}
	if err != nil {
		return nil, fmt.Errorf("registry: pull %s: %w", e.Name, err)
	}
	defer unlock() //nolint:errcheck // the process that ends gives it back all the same
	file, from, done, err := s.fetch(ctx, e, cfg)
	if err != nil {
		return nil, fmt.Errorf("registry: pull %s: %w", e.Name, err)
	}
	sum, err := check(file, e)
	if err != nil {
		done() // a file with the wrong contents is useless to a later attempt
		return nil, fmt.Errorf("registry: pull %s from %s: %w", e.Name, from, err)
	}
	p, err := s.keep(ctx, e, cfg, file)
	if err != nil {
		return nil, fmt.Errorf("registry: pull %s: %w", e.Name, err)
	}
	p.From, p.FileSHA256, p.At = from, sum, time.Now().UTC().Truncate(time.Second)
	b, err := json.MarshalIndent(setFile{format, *p}, "", " ")
	if err == nil {
		err = put(s.setPath(e.Name), append(b, '\n'))
	}
	if err != nil {
		return nil, fmt.Errorf("registry: pull %s: %w", e.Name, err)
	}
	done()
	return p, nil
}

// check compares a file's size and digest with what its publisher states.
func check(file string, e Entry) (string, error) {
	st, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if e.Size > 0 && st.Size() != e.Size {
		return "", fmt.Errorf("got %d bytes, want %d: the file is not the published one", st.Size(), e.Size)
	}
	sum, err := hashFile(file)
	if err == nil && !strings.HasPrefix(sum, strings.ToLower(e.SHA256)) {
		err = fmt.Errorf("got SHA-256 %s, want %s: the file was changed on its way, or the mirror holds another",
			sum[:max(len(e.SHA256), 12)], e.SHA256)
	}
	return sum, err
}

// keep converts a checked file and stores the result under its own digest.
func (s Store) keep(ctx context.Context, e Entry, cfg PullConfig, file string) (*Pulled, error) {
	w, err := convert.Load(file, convert.Options{Flavor: e.Flavor})
	if err != nil {
		return nil, err
	}
	if w.Classes != e.Classes && e.Classes > 0 {
		return nil, fmt.Errorf("has %d classes, want %d: it is not the published network", w.Classes, e.Classes)
	}
	w.Recipe, w.Source = e.Recipe, e.URL
	if cfg.DType == "f16" { // what is stored is what is tested and named
		if w, err = w.Halved(); err != nil {
			return nil, err
		}
	}
	expected, err := selfTest(ctx, w)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(s.Dir, "weights"), 0o755); err != nil {
		return nil, err
	}
	temp := atomicfile.TempName(filepath.Join(s.Dir, "weights"))
	defer os.Remove(temp) //nolint:errcheck // gone already once it was renamed
	if err := w.Write(temp, cfg.DType); err != nil {
		return nil, err
	}
	sum, err := hashFile(temp)
	if err != nil {
		return nil, err
	}
	p := &Pulled{Entry: e, Weights: sum, Digest: w.Digest, DType: cfg.DType, Expected: expected}
	return p, os.Rename(temp, s.weightsPath(sum))
}

// fetch brings the file to the disk and returns its path, where it came from, and what to call when
// it is not needed any more.
func (s Store) fetch(ctx context.Context, e Entry, cfg PullConfig) (file, from string, done func(), err error) {
	from = e.URL
	if cfg.From != "" {
		u, err := url.Parse(cfg.From)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" {
			return local(cfg.From, e)
		}
		if from = cfg.From; !strings.HasSuffix(u.Path, "/"+e.File) {
			from = strings.TrimSuffix(from, "/") + "/" + e.File
		}
	}
	d := &download{url: from, part: s.partialPath(e.Name + "-" + e.File + ".part"), size: e.Size, cfg: cfg}
	if err := d.run(ctx); err != nil {
		return "", "", nil, err
	}
	return d.part, from, d.drop, nil
}

// local finds the file in a folder, or takes the path of the file itself.
func local(from string, e Entry) (string, string, func(), error) {
	st, err := os.Stat(from)
	if err == nil && st.IsDir() {
		from = filepath.Join(from, e.File)
		st, err = os.Stat(from)
	}
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", from)
	}
	if err != nil {
		return "", "", nil, fmt.Errorf("mirror: %w (want a URL, or a folder that holds %s)", err, e.File)
	}
	return from, from, func() {}, nil
}
