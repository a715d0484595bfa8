package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/c236555e/rehead/cmd/rehead-beam/internal/blobs"
	"github.com/c236555e/rehead/dataset/bucket"
	"github.com/c236555e/rehead/dataset/bucket/s3"
	"github.com/c236555e/rehead/dataset/source"
)

// clouds are the services that addresses lead to: what opens a bucket by its name, by scheme.
// Credentials are those of the process that opens it, a worker's own.
var clouds = map[string]func(ctx context.Context, name string) (bucket.Bucket, error){
	"s3": openS3, "gs": blobs.Google, "azblob": blobs.Azure,
}

// follow has addresses of these schemes opened in the whole process.
var follow = sync.OnceValue(func() error {
	for scheme := range clouds {
		err := source.Register(scheme, func(address string) (source.Store, string, error) {
			s, err := newStore(context.Background(), scheme)
			return s, source.Clean(address), err
		})
		if err != nil {
			return err
		}
	}
	return nil
})

// newStore is a store of the buckets of a service, whose requests end with ctx.
func newStore(ctx context.Context, scheme string) (*bucket.Store, error) {
	atOnce := 0 // the usual
	if scheme == "azblob" {
		atOnce = blobs.AzureAtOnce
	}
	return bucket.NewStore(ctx, bucket.Config{Scheme: scheme, AtOnce: atOnce,
		Open: func(name string) (bucket.Bucket, error) { return clouds[scheme](ctx, name) }})
}

// s3Clients are those of this process, for the connections that they keep open.
var s3Clients struct {
	sync.Mutex
	of map[s3.Config]*s3.Client
}

func openS3(_ context.Context, name string) (bucket.Bucket, error) {
	cfg, err := s3.Environment(os.Getenv)
	if err != nil {
		return nil, err
	}
	s3Clients.Lock()
	defer s3Clients.Unlock()
	client := s3Clients.of[cfg]
	if client == nil {
		if client, err = s3.New(cfg); err != nil {
			return nil, err
		}
		if s3Clients.of == nil {
			s3Clients.of = map[s3.Config]*s3.Client{}
		}
		s3Clients.of[cfg] = client
	}
	return client.Bucket(name)
}

// followed is an error for an address that leads nowhere.
func followed(flag, path string) error {
	if source.Scheme(path) == "" || source.Openable(path) {
		return nil
	}
	return fmt.Errorf("--%s: got %s, want a path or an address that begins with %s", flag, path,
		strings.Join(slices.Sorted(maps.Keys(clouds)), "://, ")+"://")
}

// here is a path on this machine for what a path or address names: what lies in a bucket is fetched into
// the cache, or where there is none into a temporary folder, which done removes.
func here(ctx context.Context, address string) (local string, done func() error, err error) {
	if !source.Openable(address) {
		return address, func() error { return nil }, nil
	}
	s, err := newStore(ctx, source.Scheme(address))
	if err != nil {
		return "", nil, err
	}
	cache := cacheFolder()
	if cache != "" {
		cache = filepath.Join(cache, "fetched")
	}
	return s.Local(address, cache, nil)
}

// cacheFolder is where `rehead` keeps what can be made or fetched again; "" for none.
func cacheFolder() string {
	if dir := os.Getenv("REHEAD_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "rehead")
}
