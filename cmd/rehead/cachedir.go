package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// cacheDir is the folder that bottlenecks are kept in; "" means none: where --cache says so,
// or where there is no place for one and neither flag nor environment names one.
func (a *app) cacheDir(flag string) (dir string, err error) {
	defer func() { a.cloud.remember(dir) }()
	if err := onDisk("--cache", flag, onlyHere); err != nil {
		return "", err
	}
	switch flag {
	case "none":
		return "", nil
	case "":
		dir, err = a.cacheRoot()
		if dir = filepath.Join(dir, "bottlenecks"); err == nil {
			err = os.MkdirAll(dir, 0o755)
		}
		if err != nil && a.getenv("REHEAD_CACHE") == "" { // nobody asked for one
			a.note("going on without a cache: %v; name one with --cache, or --cache none", err)
			return "", nil
		}
		return dir, err
	}
	return flag, nil
}

// onlyHere is why a cache cannot be in a bucket.
const onlyHere = "a cache is read and written record by record"

// cacheRoot is the folder of all that can be made or fetched again.
func (a *app) cacheRoot() (string, error) {
	if dir := a.getenv("REHEAD_CACHE"); dir != "" {
		return dir, onDisk("REHEAD_CACHE", dir, onlyHere)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: %w; name one in REHEAD_CACHE", err)
	}
	return filepath.Join(dir, "rehead"), nil
}

// aboutFull adds to the error of a full disk what can be done without a cache.
func aboutFull(err error, cacheDir string) error {
	if cacheDir == "" || !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return fmt.Errorf("%w; the cache is in %s: make room there, name another with --cache, or go on without: --cache none",
		err, cacheDir)
}
