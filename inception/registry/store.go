package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/internal/files"
	"github.com/c236555e/rehead/internal/atomicfile"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/internal/strictjson"
	"github.com/c236555e/rehead/nn"
)

// Store is a folder of pulled weights: sets/NAME.json says what was pulled,
// weights/SHA256.safetensors holds it converted, partial/ holds downloads that are not finished.
type Store struct{ Dir string }

// Pulled is what the store knows about a set.
type Pulled struct {
	Entry
	From       string    `json:"from"`        // where the file was taken from
	FileSHA256 string    `json:"file_sha256"` // of the file as it came
	Weights    string    `json:"weights"`     // SHA-256 of the converted file, and its name in the store
	Digest     string    `json:"digest"`      // inception.Weights.Digest
	DType      string    `json:"dtype"`       // "f32" or "f16"
	At         time.Time `json:"at"`
	Expected   []float32 `json:"expected"` // bottleneck of the self-test's picture
}

var errNoFolder = errors.New("registry: the store has no folder: set REHEAD_CACHE")

// format is the version of a set's JSON.
const format = "rehead-set/1"

type setFile struct {
	Format string `json:"format"`
	Pulled
}

func (s Store) setPath(name string) string { return filepath.Join(s.Dir, "sets", name+".json") }
func (s Store) weightsPath(sum string) string {
	return filepath.Join(s.Dir, "weights", sum+".safetensors")
}
func (s Store) partialPath(name string) string { return filepath.Join(s.Dir, "partial", name) }

// Path is the converted file of a pulled set; "" of none.
func (s Store) Path(p *Pulled) string {
	if p == nil {
		return ""
	}
	return s.weightsPath(p.Weights)
}

// Lookup returns what was pulled under a name; the error of a name that was not wraps
// fs.ErrNotExist.
func (s Store) Lookup(name string) (*Pulled, error) {
	if _, err := Find(name); err != nil {
		return nil, err
	}
	if s.Dir == "" {
		return nil, errNoFolder
	}
	path := s.setPath(name)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("registry: %s is not here yet: run rehead weights pull %s: %w", name, name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	p, err := parseSet(b)
	if err == nil && p.Name != name {
		err = fmt.Errorf("it is about %q", p.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("registry: %s is damaged (%w): run rehead weights pull %s again", path, err, name)
	}
	return p, nil
}

// maxSet bounds a set's JSON; a bottleneck of 2048 numbers takes some 40 KB of it.
const maxSet = 1 << 20

// parseSet reads and checks a set's JSON.
func parseSet(b []byte) (*Pulled, error) {
	if len(b) > maxSet {
		return nil, fmt.Errorf("%d bytes, want at most %d", len(b), maxSet)
	}
	var f setFile
	if err := strictjson.Unmarshal(b, &f); err != nil {
		return nil, err
	}
	switch {
	case f.Format != format:
		return nil, fmt.Errorf("format %q, want %q", f.Format, format)
	case !files.IsSHA256(f.Weights) || !files.IsSHA256(f.Digest):
		return nil, fmt.Errorf("weights %q and digest %q, want two SHA-256 in lower-case hexadecimal", f.Weights, f.Digest)
	case f.DType != "f32" && f.DType != "f16":
		return nil, fmt.Errorf("dtype %q, want f32 or f16", f.DType)
	}
	return &f.Pulled, f.Recipe.Validate()
}

// Pulls lists the pulled sets in the order of Entries.
func (s Store) Pulls() ([]*Pulled, error) {
	var out []*Pulled
	for _, e := range Entries() {
		p, err := s.Lookup(e.Name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// Report is what Verify found out.
type Report struct {
	Name     string  `json:"name"`
	File     string  `json:"file"`
	SHA256   string  `json:"sha256"`
	Digest   string  `json:"digest"`
	Distance float64 `json:"distance"` // of the self-test's bottleneck from the stored one, relative
}

// tolerance of the self-test: another processor's kernels round differently, by about 1e-5 over the
// whole network.
const tolerance = 1e-4

// Verify hashes a pulled set again and runs its self-test: the picture drawn at the time of pulling
// must still give the bottleneck it gave then.
func (s Store) Verify(ctx context.Context, name string) (*Report, error) {
	p, err := s.Lookup(name)
	if err != nil {
		return nil, err
	}
	path := s.Path(p)
	sum, err := hashFile(path)
	if err != nil {
		return nil, fmt.Errorf("registry: %s: %w (pull it again)", name, err)
	}
	if sum != p.Weights {
		return nil, fmt.Errorf("registry: %s: %s has changed on disk: SHA-256 is %.12s, want %.12s; pull it again", name,
			path, sum, p.Weights)
	}
	w, err := s.Resolve(name)
	if err != nil {
		return nil, err
	}
	got, err := selfTest(ctx, w)
	if err != nil {
		return nil, fmt.Errorf("registry: %s: self-test: %w", name, err)
	}
	r := &Report{Name: name, File: path, SHA256: sum, Digest: w.Digest, Distance: numeric.Distance(got, p.Expected)}
	if !(r.Distance <= tolerance) {
		return r, fmt.Errorf("registry: %s: self-test: the bottleneck differs by %.2g from the one stored when it was "+
			"pulled, want at most %g: this build or machine computes something else", name, r.Distance, tolerance)
	}
	return r, nil
}

// selfTest is the bottleneck of a picture that needs no file.
func selfTest(ctx context.Context, w *inception.Weights) ([]float32, error) {
	t, err := inception.NewTrunk(w, nn.Config{})
	if err != nil {
		return nil, err
	}
	n := t.Size()
	pixels := make([]float32, 0, 3*n*n)
	for c := range 3 {
		for y := range n {
			for x := range n {
				pixels = append(pixels, float32((x*x+3*y*(c+1)+7*x*y)%251)/125-1)
			}
		}
	}
	out := make([]float32, t.Features())
	err = t.Embed(ctx, 1, pixels, out)
	return out, errors.Join(err, t.Close())
}

func hashFile(path string) (string, error) {
	f, _, err := files.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // only read from
	return files.SHA256(f)
}

// put writes a file whole or not at all.
func put(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}
