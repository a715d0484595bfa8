package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	first := func(names ...string) string {
		for _, n := range names {
			if v := os.Getenv(n); v != "" {
				return v
			}
		}
		return ""
	}
	return s3.New(s3.Config{Endpoint: first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
		Region: first("AWS_REGION", "AWS_DEFAULT_REGION"), CABundle: first("AWS_CA_BUNDLE"),
		NoMetadata: first("AWS_EC2_METADATA_DISABLED") == "true" && first("AWS_WEB_IDENTITY_TOKEN_FILE",
			"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI") == ""})
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

// here is a path on this machine for what a path or address names: an object or all below a prefix
// is fetched into a folder of its own in the cache, which the next run finds, or where there is no
// cache into a temporary one. done removes that.
func (a *app) here(address string) (local string, done func() error, err error) {
	nothing := func() error { return nil }
	if !source.Openable(address) {
		return address, nothing, nil
	}
	s, err := buckets.store()
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
		where := sha256.Sum256([]byte(source.Clean(address)))
		root = filepath.Join(root, "fetched", hex.EncodeToString(where[:8]))
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
	temp, err := os.MkdirTemp(root, ".rehead-tmp-*")
	if err != nil {
		return "", nothing, err
	}
	if err := fetchAll(s, files, filepath.Join(temp, base)); err != nil {
		return "", nothing, errors.Join(err, os.RemoveAll(temp))
	}
	older, _ := os.ReadDir(root)
	if err := os.Rename(temp, dir); err != nil {
		if _, there := os.Stat(dir); there != nil { // else another process was as quick
			return "", nothing, errors.Join(err, os.RemoveAll(temp))
		}
		return filepath.Join(dir, base), nothing, os.RemoveAll(temp)
	}
	for _, e := range older { // of what the address named before
		if e.Name() != filepath.Base(temp) && e.Name() != version {
			_ = os.RemoveAll(filepath.Join(root, e.Name()))
		}
	}
	return filepath.Join(dir, base), nothing, nil
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
func putObject(ctx context.Context, b bucket.Bucket, key, file string) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	up, err := b.Create(ctx, key)
	if err != nil {
		return err
	}
	if _, err := io.Copy(up, f); err != nil {
		return errors.Join(err, up.Abort())
	}
	return up.Commit()
}
