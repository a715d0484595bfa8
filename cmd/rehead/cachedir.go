package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// cacheDir says where bottlenecks are kept; "" for nowhere.
func (a *app) cacheDir(flag string) (string, error) {
	switch flag {
	case "none":
		return "", nil
	case "":
		dir, err := a.cacheRoot()
		if err != nil {
			return "", fmt.Errorf("%w; name one with --cache, or --cache none", err)
		}
		return filepath.Join(dir, "bottlenecks"), nil
	}
	return flag, nil
}

// cacheRoot is the folder of all that can be made or fetched again.
func (a *app) cacheRoot() (string, error) {
	if dir := a.getenv("REHEAD_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: %w; name one in REHEAD_CACHE", err)
	}
	return filepath.Join(dir, "rehead"), nil
}
