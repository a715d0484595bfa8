package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/c236555e/rehead/dataset/bucket"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/serve"
)

// How often --watch looks at a model: one on disk, and one in a bucket, where each look is a request.
const (
	lookHere  = time.Second
	lookThere = 5 * time.Second
)

// follower tells of changes of a model in a bucket for `serve --watch`.
type follower struct {
	*app
	log *slog.Logger

	here string // the listing that was fetched last
	seen string // the last one that is another
}

// begin is the fingerprint of a model that is about to be opened.
func (f *follower) begin(path string) string {
	if !inBucket(path) {
		return serve.Fingerprint(path)
	}
	now, err := f.cloud.listed(path)
	if err != nil {
		return "" // opening it says why
	}
	f.here = now
	return now
}

// fingerprint is of a model on disk serve.Fingerprint, and of one in a bucket its listing, once that was the
// same in two looks and all was fetched: what cannot be fetched now is tried again at the next look. It is
// called by one goroutine at a time.
func (f *follower) fingerprint(path string) string {
	if !inBucket(path) {
		return serve.Fingerprint(path)
	}
	now, err := f.cloud.listed(path)
	switch {
	case err != nil:
		f.log.Warn("the model's bucket cannot be listed", "model", path, "error", err)
		return ""
	case now == f.here:
		return now
	case now != f.seen:
		f.seen = now
		return ""
	}
	_, done, err := f.app.here(path)
	if err == nil {
		err = done()
	}
	if err != nil {
		f.log.Warn("the changed model cannot be fetched", "model", path, "error", err)
		return ""
	}
	f.here = now
	return now
}

// mostListed bounds how many objects of an address are looked at: a model has some ten.
const mostListed = 10_000

// listed sums up what an address names: keys, ETags and lengths, by one request where they are few.
func (c *cloud) listed(address string) (string, error) {
	b, key, err := c.bucketOf(address)
	if err != nil {
		return "", err
	}
	sum, n := sha256.New(), 0
	add := func(o bucket.Object) {
		_, _ = fmt.Fprintf(sum, "%q %q %d\n", o.Key, o.ETag, o.Size) // a hash takes everything
		n++
	}
	for page := ""; ; {
		got, err := b.List(c.ctx, key+"/", page)
		if err != nil {
			return "", err
		}
		for _, o := range got.Objects {
			add(o)
		}
		if page = got.Next; page == "" || n > mostListed {
			break
		}
	}
	if n == 0 { // an archive or a weight file
		o, err := b.Head(c.ctx, key)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s: %w", source.Clean(address), err)
		}
		if err != nil {
			return "", err
		}
		add(o)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
