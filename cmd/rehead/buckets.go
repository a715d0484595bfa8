package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/c236555e/rehead/dataset/bucket"
	"github.com/c236555e/rehead/dataset/bucket/s3"
	"github.com/c236555e/rehead/dataset/cache"
	"github.com/c236555e/rehead/dataset/source"
)

// cloud opens addresses of buckets, in the context of a command and with what its cache knows of
// objects. The nil one opens none.
type cloud struct {
	ctx context.Context

	speak func() (*s3.Client, error) // to the service that the environment names

	mu      sync.Mutex
	dir     string // of the cache; "" for none
	digests *cache.Store
	opened  string // the folder that digests lie in
}

// newCloud returns a cloud whose requests end with ctx.
func newCloud(ctx context.Context) *cloud {
	return &cloud{ctx: ctx, speak: sync.OnceValues(func() (*s3.Client, error) {
		cfg, err := s3.Environment(os.Getenv)
		if err != nil {
			return nil, err
		}
		return s3.New(cfg)
	})}
}

// inBucket tells addresses of buckets.
func inBucket(path string) bool { return source.Scheme(path) == "s3" }

// addresses are those that it opens.
func (c *cloud) addresses() source.Addresses {
	if c == nil {
		return source.Addresses{}
	}
	return source.Addresses{"s3": func(address string) (source.Store, string, error) {
		s, err := c.store()
		if err != nil {
			return nil, "", err
		}
		return s, source.Clean(address), nil
	}}
}

// digestsFormat is of what a cache keeps of objects: the SHA-256 of their bytes.
var digestsFormat = cache.Format{Name: "cache of objects", Magic: "REHEADOB", Version: 1, Suffix: ".objects",
	Length: sha256.Size}

// remember names the folder of the cache, "" for none.
func (c *cloud) remember(dir string) {
	if c == nil {
		return
	}
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

// store opens what lies in buckets now: what is listed stays in it as it was.
func (c *cloud) store() (*bucket.Store, error) {
	if c == nil {
		return nil, errors.New("there is nothing that opens buckets")
	}
	speak, err := c.speak()
	if err != nil {
		return nil, err
	}
	return bucket.NewStore(c.ctx, bucket.Config{Open: speak.Bucket, Digests: c.known})
}

// bucketOf is the bucket that an address leads to, and the key there.
func (c *cloud) bucketOf(address string) (b bucket.Bucket, key string, err error) {
	if c == nil {
		return nil, "", errors.New("there is nothing that opens buckets")
	}
	name, key, err := bucket.Split(address)
	if err == nil && key == "" {
		err = fmt.Errorf("%s: names a bucket, want such as s3://%s/NAME", address, name)
	}
	if err != nil {
		return nil, "", err
	}
	speak, err := c.speak()
	if err != nil {
		return nil, "", err
	}
	b, err = speak.Bucket(name)
	return b, key, err
}

// here is a path on this machine for what a path or address names: see bucket.Store.Local. done removes
// what is temporary of it.
func (a *app) here(address string) (local string, done func() error, err error) {
	if !inBucket(address) {
		return address, func() error { return nil }, nil
	}
	s, err := a.cloud.store()
	if err != nil {
		return "", nil, err
	}
	if err := onlyOne(s, source.Clean(address)); err != nil {
		return "", nil, err
	}
	cache, err := a.cacheRoot()
	if err == nil {
		cache = filepath.Join(cache, "fetched")
	}
	return s.Local(address, cache, func() { a.note("fetching %s", address) })
}

// withFile hands on a path on this machine for the file that a path or address names.
func (a *app) withFile(address string, read func(local string) error) (err error) {
	local, done, err := a.here(address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if err = read(local); err != nil && local != address {
		err = fmt.Errorf("%s: %w", address, err)
	}
	return err
}

// onlyOne refuses a prefix that models lie below, before all of them are fetched.
func onlyOne(s *bucket.Store, address string) error {
	info, err := s.Stat(address)
	if err != nil || !info.IsDir() {
		return nil //nolint:nilerr // who fetches it says what is wrong
	}
	entries, err := s.ReadDir(address)
	if err != nil {
		return nil //nolint:nilerr // likewise
	}
	var models []string
	for _, e := range entries {
		if e.Name() == "model.json" {
			return nil
		}
		if _, err := s.Stat(address + "/" + e.Name() + "/model.json"); err == nil && e.IsDir() {
			models = append(models, e.Name())
		}
	}
	if len(models) == 0 {
		return nil
	}
	return fmt.Errorf("%s: holds models (%s): name one of them, such as %s/%s", address, strings.Join(models, ", "),
		address, models[0])
}
