package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"

	"github.com/c236555e/rehead/dataset/bucket"
	"github.com/c236555e/rehead/dataset/bucket/s3"
	"github.com/c236555e/rehead/dataset/cache"
	"github.com/c236555e/rehead/dataset/source"
)

// cloud opens addresses of buckets for the whole process, in the commands' context and with what
// their cache knows of objects.
type cloud struct {
	mu      sync.Mutex
	ctx     context.Context
	dir     string // of the cache; "" for none
	digests *cache.Store
	opened  string // the folder that digests lie in
}

// buckets are those that addresses lead to.
var buckets = cloud{ctx: context.Background()}

var follow = sync.OnceValue(func() error { return source.Register("s3", buckets.open) })

// digestsFormat is of what a cache keeps of objects: the SHA-256 of their bytes.
var digestsFormat = cache.Format{Name: "cache of objects", Magic: "REHEADOB", Version: 1, Suffix: ".objects",
	Length: sha256.Size}

// within has requests end with ctx.
func (c *cloud) within(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ctx = ctx
}

// remember names the folder of the cache, "" for none.
func (c *cloud) remember(dir string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dir = dir
}

// known are the digests that the cache has; nil without one. A file that cannot be opened is none:
// the objects are fetched then.
func (c *cloud) known() bucket.Digests {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dir == "" {
		return nil
	}
	if c.digests == nil || c.opened != c.dir {
		s, err := cache.OpenStore(c.dir, digestsFormat)
		if err != nil {
			return nil
		}
		c.digests, c.opened = s, c.dir
	}
	return c.digests
}

// client speaks to the service that the environment names, in AWS's variables.
func client() (*s3.Client, error) {
	cfg, err := s3.Environment(os.Getenv)
	if err != nil {
		return nil, err
	}
	return s3.New(cfg)
}

// open follows an address.
func (c *cloud) open(address string) (source.Store, string, error) {
	s, err := c.store()
	if err != nil {
		return nil, "", err
	}
	return s, source.Clean(address), nil
}

func (c *cloud) store() (*bucket.Store, error) {
	speak, err := client()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	ctx := c.ctx
	c.mu.Unlock()
	return bucket.NewStore(ctx, bucket.Config{Open: speak.Bucket, Digests: c.known})
}

// here is a path on this machine for what a path or address names: see bucket.Store.Local. done removes
// what is temporary of it.
func (a *app) here(address string) (local string, done func() error, err error) {
	if !source.Openable(address) {
		return address, func() error { return nil }, nil
	}
	s, err := buckets.store()
	if err != nil {
		return "", nil, err
	}
	cache, err := a.cacheRoot()
	if err == nil {
		cache = filepath.Join(cache, "fetched")
	}
	return s.Local(address, cache, func() { a.note("fetching %s", address) })
}

// outside is an output that is to lie at an address: it is written on this machine first, in a
// temporary folder.
type outside struct {
	address string
	local   string // where to write it; the address itself where that is a path
	temp    string // "" for a path
}

// outsideOf begins an output. discard removes what is left on this machine.
func outsideOf(address string) (*outside, error) {
	if !source.Openable(address) {
		return &outside{address: address, local: address}, nil
	}
	bucketName, key, err := bucket.Split(address)
	if err == nil && key == "" {
		err = fmt.Errorf("%s: names a bucket, want such as s3://%s/NAME", address, bucketName)
	}
	if err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp("", "rehead-*")
	if err != nil {
		return nil, err
	}
	return &outside{source.Clean(address), filepath.Join(temp, path.Base(source.Clean(address))), temp}, nil
}

func (o *outside) discard() error {
	if o.temp == "" {
		return nil
	}
	return os.RemoveAll(o.temp)
}

// free is an error where there is an object of this name below the address already.
func (o *outside) free(name string) error {
	if o.temp == "" {
		return nil
	}
	s, err := buckets.store()
	if err != nil {
		return err
	}
	_, err = s.Stat(o.address + "/" + name)
	switch {
	case err == nil:
		return fmt.Errorf("%s: has a %s: choose another --output, or replace it object by object with --force", o.address,
			name)
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
	speak, err := client()
	if err != nil {
		return err
	}
	name, key, err := bucket.Split(o.address)
	if err != nil {
		return err
	}
	b, err := speak.Bucket(name)
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
