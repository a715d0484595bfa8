package bucket

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/atomicfile"
)

// mostLocal bounds what Local fetches: a model has some ten files, and who names pictures by mistake is
// told before they come.
const mostLocal = 10_000

// Local is a path on this machine for what an address names. An object, or all below a prefix, is
// fetched into a folder of its own below cache, where the next call finds it as long as the objects are
// the same; with no cache, "", or one that cannot be written, into a temporary folder, which done
// removes. fetching is optional and called before anything is fetched.
func (s *Store) Local(address, cache string, fetching func()) (local string, done func() error, err error) {
	nothing := func() error { return nil }
	address = source.Clean(address)
	files, version, err := s.objects(address)
	if err != nil {
		return "", nothing, err
	}
	if cache != "" {
		where := sha256.Sum256([]byte(address))
		cache = filepath.Join(cache, hex.EncodeToString(where[:8]))
		if err := os.MkdirAll(cache, 0o755); err != nil {
			cache = ""
		}
	}
	base := path.Base(address)
	if cache != "" {
		dir := filepath.Join(cache, version)
		if _, err := os.Stat(dir); err == nil {
			return filepath.Join(dir, base), nothing, nil
		}
	}
	if fetching != nil {
		fetching()
	}
	if cache != "" {
		dir := filepath.Join(cache, version)
		return filepath.Join(dir, base), nothing, s.settle(files, dir, base)
	}
	temp, err := os.MkdirTemp("", "rehead-*")
	if err != nil {
		return "", nothing, err
	}
	if err := s.fetchAll(files, filepath.Join(temp, base)); err != nil {
		return "", nothing, errors.Join(err, os.RemoveAll(temp))
	}
	return filepath.Join(temp, base), func() error { return os.RemoveAll(temp) }, nil
}

// settle fetches files to base in a folder of the cache, which appears whole, and removes what the address
// named before and what killed processes left; what others are fetching stays.
func (s *Store) settle(files []named, dir, base string) error {
	cache := filepath.Dir(dir)
	atomicfile.Sweep(cache)
	temp, unlock, err := atomicfile.MakeFolder(cache)
	if err != nil {
		return err
	}
	err = s.fetchAll(files, filepath.Join(temp, base))
	lock := filepath.Join(temp, atomicfile.LockName)
	_ = os.Remove(lock) // while nobody can sweep the folder; Windows refuses that
	err = errors.Join(err, unlock())
	_ = os.Remove(lock)
	older, _ := os.ReadDir(cache)
	if err == nil {
		if err = os.Rename(temp, dir); err == nil {
			for _, e := range older {
				if !strings.HasPrefix(e.Name(), atomicfile.TempPrefix) && e.Name() != filepath.Base(dir) {
					_ = os.RemoveAll(filepath.Join(cache, e.Name()))
				}
			}
			return nil
		}
		if _, there := os.Stat(dir); there == nil { // another process was as quick
			err = nil
		}
	}
	return errors.Join(err, os.RemoveAll(temp))
}

// named is an object to be fetched.
type named struct {
	path, below string // its address, and its place below what was asked for, "" for that itself
}

// objects are those that an address names, and what changes whenever one of them does.
func (s *Store) objects(address string) (files []named, version string, err error) {
	sum := sha256.New()
	var walk func(at, below string) error
	walk = func(at, below string) error {
		info, err := s.Stat(at)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			if files = append(files, named{at, below}); len(files) > mostLocal {
				return fmt.Errorf("%s: names more than %d objects, want a model or a weight file", address, mostLocal)
			}
			v, err := s.Version(at)
			sum.Write(v[:])
			return err
		}
		entries, err := s.ReadDir(at)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !filepath.IsLocal(e.Name()) {
				return &fs.PathError{Op: "fetch", Path: at, Err: fmt.Errorf("%q is no name of a file", e.Name())}
			}
			if err := walk(at+"/"+e.Name(), filepath.Join(below, e.Name())); err != nil {
				return err
			}
		}
		return nil
	}
	err = walk(address, "")
	return files, hex.EncodeToString(sum.Sum(nil)[:16]), err
}

// fetchAll fetches objects to a path.
func (s *Store) fetchAll(files []named, to string) error {
	for _, f := range files {
		local := filepath.Join(to, f.below)
		if err := os.MkdirAll(filepath.Dir(local), 0o755); err != nil {
			return err
		}
		if err := s.FetchFile(f.path, local); err != nil {
			return fmt.Errorf("%s: fetch: %w", f.path, err)
		}
	}
	return nil
}
