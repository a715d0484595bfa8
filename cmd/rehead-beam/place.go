package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/c236555e/rehead/dataset/bucket"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/internal/atomicfile"
)

// What lies in the output folder. Names that begin with "_" are passed over by who reads a folder of
// Parquet.
const (
	partPrefix  = "part-"
	workFolder  = "_work"             // lists and records
	deadFile    = "_dead-letters.csv" // pictures without a row, and why
	summaryFile = "_summary.json"
)

// place is what all workers write to. Files that are not there are fs.ErrNotExist.
type place interface {
	// make makes it, and removes what killed processes left there long ago.
	make() error
	// write writes a file, which appears whole or not at all.
	write(name string, write func(io.Writer) error) error
	read(name string) ([]byte, error)
	// readRange reads n bytes from off on of a file that is never written anew.
	readRange(name string, off int64, n int) ([]byte, error)
	size(name string) (int64, error)
	// shards lists the files directly in it whose names begin with partPrefix.
	shards() ([]string, error)
	remove(name string) error
}

// place is the job's.
func (j *Job) place(ctx context.Context) (place, error) {
	if !source.Openable(j.Out) {
		return folder{j.Out}, nil
	}
	name, key, err := bucket.Split(j.Out)
	if err != nil {
		return nil, fmt.Errorf("--output: %w", err)
	}
	b, err := clouds[source.Scheme(j.Out)](ctx, name)
	if err != nil {
		return nil, fmt.Errorf("--output: %w", err)
	}
	return &prefix{ctx: ctx, b: b, key: key}, nil
}

// folder is a place on a file system that all workers share.
type folder struct{ dir string }

func (p folder) path(name string) string { return filepath.Join(p.dir, name) }

func (p folder) make() error {
	for _, dir := range []string{p.dir, p.path(workFolder)} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return fmt.Errorf("--output: %w", err)
		}
		atomicfile.Sweep(dir)
	}
	return nil
}

func (p folder) write(name string, write func(io.Writer) error) error {
	return atomicfile.Write(p.path(name), write)
}

func (p folder) read(name string) ([]byte, error) { return os.ReadFile(p.path(name)) }

func (p folder) readRange(name string, off int64, n int) (data []byte, err error) {
	f, err := os.Open(p.path(name))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	data = make([]byte, n)
	_, err = io.ReadFull(io.NewSectionReader(f, off, int64(n)), data)
	return data, err
}

func (p folder) size(name string) (int64, error) {
	info, err := os.Stat(p.path(name))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (p folder) shards() (names []string, err error) {
	list, err := os.ReadDir(p.dir)
	for _, e := range list {
		if e.Type().IsRegular() && strings.HasPrefix(e.Name(), partPrefix) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

func (p folder) remove(name string) error { return os.Remove(p.path(name)) }

// prefix is a place in a bucket. Its objects appear whole, and an upload that a killed worker left is
// ended by the next that writes the same.
type prefix struct {
	ctx context.Context
	b   bucket.Bucket
	key string // "" for the whole bucket
}

func (p *prefix) at(name string) string { return path.Join(p.key, name) }

// below is the beginning of keys.
func (p *prefix) below(name string) string {
	if p.key == "" {
		return name
	}
	return p.key + "/" + name
}

// about says what an error is of.
func (p *prefix) about(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s/%s: %w", p.b.Place(), p.at(name), err)
}

// make asks whether the bucket is there, before anything is computed.
func (p *prefix) make() error {
	if _, err := p.b.List(p.ctx, p.below(workFolder+"/"), ""); err != nil {
		return fmt.Errorf("--output: %w", p.about("", err))
	}
	return nil
}

func (p *prefix) write(name string, write func(io.Writer) error) error {
	return bucket.Write(p.ctx, p.b, p.at(name), write)
}

func (p *prefix) read(name string) ([]byte, error) {
	o, err := p.b.Head(p.ctx, p.at(name))
	if err != nil {
		return nil, p.about(name, err)
	}
	return bucket.Fetch(p.ctx, p.b, o)
}

func (p *prefix) readRange(name string, off int64, n int) (data []byte, err error) {
	end := off + int64(n)
	r := bucket.OpenRange(p.ctx, p.b, bucket.Object{Key: p.at(name), Size: end}, off, int64(n))
	data = make([]byte, n)
	_, err = io.ReadFull(r, data)
	return data, errors.Join(err, r.Close())
}

func (p *prefix) size(name string) (int64, error) {
	o, err := p.b.Head(p.ctx, p.at(name))
	return o.Size, p.about(name, err)
}

func (p *prefix) shards() (names []string, err error) {
	for page := ""; ; {
		got, err := p.b.List(p.ctx, p.below(partPrefix), page)
		if err != nil {
			return nil, p.about(partPrefix, err)
		}
		for _, o := range got.Objects {
			if dir, name := path.Split(o.Key); dir == p.below("") {
				names = append(names, name)
			}
		}
		if page = got.Next; page == "" {
			return names, nil
		}
	}
}

func (p *prefix) remove(name string) error {
	r, ok := p.b.(bucket.Remover)
	if !ok {
		return p.about(name, errors.New("this service's objects cannot be removed from here"))
	}
	return p.about(name, r.Remove(p.ctx, p.at(name)))
}
