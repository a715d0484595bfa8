package main

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

	"github.com/c236555e/rehead/dataset/bucket"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/atomicfile"
)

// here is a path on this machine for what a path or address names: an object or all below a prefix
// is fetched into a folder of its own in the cache, which the next run finds, or where there is no
// cache into a temporary one. done removes that.
func (a *app) here(address string) (local string, done func() error, err error) {
	nothing := func() error { return nil }
	if !inBucket(address) {
		return address, nothing, nil
	}
	s, err := a.cloud.store()
	if err != nil {
		return "", nothing, err
	}
	files, version, err := objects(s, source.Clean(address))
	if err != nil {
		return "", nothing, err
	}
	base := path.Base(source.Clean(address))
	root, err := a.cacheRoot()
	if err == nil {
		root = filepath.Join(root, "fetched", placeOf(address))
		err = os.MkdirAll(root, 0o755)
	}
	if err != nil { // without a cache
		dir, err := os.MkdirTemp("", "rehead-*")
		if err != nil {
			return "", nothing, err
		}
		done = func() error { return os.RemoveAll(dir) }
		if err := fetchAll(s, files, filepath.Join(dir, base)); err != nil {
			return "", nothing, errors.Join(err, done())
		}
		return filepath.Join(dir, base), done, nil
	}
	dir := filepath.Join(root, version)
	if _, err := os.Stat(dir); err == nil {
		return filepath.Join(dir, base), nothing, nil
	}
	a.note("fetching %s", address)
	return filepath.Join(dir, base), nothing, fetchInto(s, files, dir, base)
}

// fetchInto fetches objects into dir, which appears whole, and removes what lies beside it: what the
// address named before, and what killed processes left.
func fetchInto(s *bucket.Store, files []object, dir, base string) error {
	root := filepath.Dir(dir)
	atomicfile.Sweep(root)
	temp, unlock, err := atomicfile.MakeFolder(root)
	if err != nil {
		return err
	}
	err = fetchAll(s, files, filepath.Join(temp, base))
	err = errors.Join(err, os.Remove(filepath.Join(temp, atomicfile.LockName)), unlock())
	older, _ := os.ReadDir(root)
	if err == nil {
		err = os.Rename(temp, dir)
	}
	if err != nil {
		if _, there := os.Stat(dir); there == nil { // another process was as quick
			err = nil
		}
		return errors.Join(err, os.RemoveAll(temp))
	}
	for _, e := range older {
		if !strings.HasPrefix(e.Name(), atomicfile.TempPrefix) && e.Name() != filepath.Base(dir) {
			_ = os.RemoveAll(filepath.Join(root, e.Name()))
		}
	}
	return nil
}

// placeOf is the name of the folder that the cache has for an address.
func placeOf(address string) string {
	where := sha256.Sum256([]byte(source.Clean(address)))
	return hex.EncodeToString(where[:8])
}

// object is one to be fetched.
type object struct {
	path, below string // its address, and its place below what was asked for, "" for that itself
}

// mostFetched bounds what an address of a model may name.
const mostFetched = 10_000

// objects are those that an address names, and what changes whenever one of them does.
func objects(s *bucket.Store, address string) (files []object, version string, err error) {
	sum := sha256.New()
	var walk func(at, below string) error
	walk = func(at, below string) error {
		info, err := s.Stat(at)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			if files = append(files, object{at, below}); len(files) > mostFetched {
				return fmt.Errorf("%s: names more than %d objects, want a model or a weight file", address, mostFetched)
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
func fetchAll(s *bucket.Store, files []object, to string) error {
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
