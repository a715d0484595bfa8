package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/c236555e/rehead/dataset/bucket"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/atomicfile"
)

// pending is an output that appears at Commit, whole, or not at all.
type pending interface {
	io.Writer
	Commit() error
	Discard() error // after Commit it does nothing
}

// create begins a file, or an object where path is an address.
func (a *app) create(path string) (pending, error) {
	if !inBucket(path) {
		return atomicfile.Create(path)
	}
	b, key, err := a.cloud.bucketOf(path)
	if err != nil {
		return nil, err
	}
	up, err := b.Create(a.cloud.ctx, key)
	if err != nil {
		return nil, err
	}
	return pendingObject{up}, nil
}

// pendingObject is an object that is being written.
type pendingObject struct{ bucket.Upload }

// Discard implements pending.
func (o pendingObject) Discard() error { return o.Abort() }

// writeFile makes a file or an object, whole or not at all.
func (a *app) writeFile(path string, write func(io.Writer) error) error {
	if !inBucket(path) {
		return atomicfile.Write(path, write)
	}
	b, key, err := a.cloud.bucketOf(path)
	if err != nil {
		return err
	}
	return bucket.Write(a.cloud.ctx, b, key, write)
}

// checkOutput asks, before any work is done, that what path names can be written: that its folder is there,
// or its bucket, where uploads to it that a killed process left are ended by the way.
func (a *app) checkOutput(path string) error {
	if !inBucket(path) {
		return parentExists(path)
	}
	b, key, err := a.cloud.bucketOf(path)
	if err != nil {
		return err
	}
	up, err := b.Create(a.cloud.ctx, key)
	if err != nil {
		return err
	}
	return up.Abort()
}

// makeOutputs makes a folder for outputs, or asks that a bucket can take them.
func (a *app) makeOutputs(dir string) error {
	if source.Scheme(dir) == "" {
		return os.MkdirAll(dir, 0o777)
	}
	return a.checkOutput(dir)
}

// onDisk refuses an address where only a path will do, and says why.
func onDisk(what, path, why string) error {
	if source.Scheme(path) == "" {
		return nil
	}
	return usagef("%s: %s is an address, want a path on this machine: %s", what, path, why)
}

// outside is an output that is to lie at an address: it is written on this machine first, in a
// temporary folder.
type outside struct {
	cloud   *cloud
	address string
	local   string // where to write it; the address itself where that is a path
	temp    string // "" for a path
}

// outsideOf begins an output, which checkOutput has looked at. discard removes what is left on this machine.
func (a *app) outsideOf(address string) (*outside, error) {
	o := &outside{cloud: a.cloud, address: address, local: address}
	if err := a.checkOutput(address); err != nil {
		return nil, err
	}
	if !inBucket(address) {
		return o, nil
	}
	temp, err := os.MkdirTemp("", "rehead-*")
	if err != nil {
		return nil, err
	}
	o.address = source.Clean(address)
	o.local, o.temp = filepath.Join(temp, path.Base(o.address)), temp
	return o, nil
}

func (o *outside) discard() error {
	if o.temp == "" {
		return nil
	}
	return os.RemoveAll(o.temp)
}

// free is an error where there is an object of this name below the address already; way is what can be done.
func (o *outside) free(name, way string) error {
	if o.temp == "" {
		return nil
	}
	s, err := o.cloud.store()
	if err != nil {
		return err
	}
	_, err = s.Stat(o.address + "/" + name)
	switch {
	case err == nil:
		return fmt.Errorf("%s: has a %s: %s", o.address, name, way)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// commit writes to the bucket what was written here: the file or folder at local, and what lies
// beside it. Each object appears whole; last comes the one that the others belong to: what is called
// last, or else what was named.
func (o *outside) commit(ctx context.Context, last string) error {
	if o.temp == "" {
		return nil
	}
	b, key, err := o.cloud.bucketOf(o.address)
	if err != nil {
		return err
	}
	var files []string
	err = filepath.WalkDir(o.temp, func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files = append(files, p)
		}
		return err
	})
	if err != nil {
		return err
	}
	end := filepath.Join(o.local, last)
	rank := map[string]int{end: 1}
	slices.SortStableFunc(files, func(p, q string) int { return rank[p] - rank[q] })
	for _, p := range files {
		below, err := filepath.Rel(o.temp, p)
		if err != nil {
			return err
		}
		if err := putObject(ctx, b, path.Join(path.Dir(key), filepath.ToSlash(below)), p); err != nil {
			return err
		}
	}
	return nil
}

// putObject writes a file to a bucket.
func putObject(ctx context.Context, b bucket.Bucket, key, file string) error {
	return bucket.Write(ctx, b, key, func(w io.Writer) (err error) {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		_, err = io.Copy(w, f)
		return err
	})
}
