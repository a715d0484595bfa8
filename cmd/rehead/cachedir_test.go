package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestCacheDir: without a place for a cache there is none, unless somebody named one.
func TestCacheDir(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, home, env, flag string
		want                  string
		said, fails           bool
	}{
		{name: "no home", said: true},
		{name: "a home that cannot be written", home: file, said: true},
		{name: "a cache that cannot be made", env: file, fails: true},
		{name: "none", flag: "none"},
		{name: "named", flag: "x", want: "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData"} {
				t.Setenv(name, c.home)
			}
			var said strings.Builder
			a := &app{stdout: io.Discard, stderr: &said, getenv: func(name string) string {
				return map[string]string{"REHEAD_CACHE": c.env}[name]
			}}
			got, err := a.cacheDir(c.flag)
			if (err != nil) != c.fails || !c.fails && got != c.want ||
				strings.Contains(said.String(), "--cache none") != c.said {
				t.Errorf("got %q, %v, and was told %q", got, err, said.String())
			}
		})
	}
}

// TestClassWeights: a byte order mark is no part of the JSON; a label twice, and a file that never
// ends, are refused.
func TestClassWeights(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weights.json")
	if err := os.WriteFile(file, []byte("\xef\xbb\xbf{\"a\": 2}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := classWeights(file); err != nil || got.Of["a"] != 2 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, text := range []string{`{"a": 1, "a": 2}`, `{"a": "b"}`, "/dev/zero"} {
		if _, err := classWeights(text); err == nil || strings.Contains(err.Error(), "runtime error") {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

// TestFullDisk: who has no room for a cache hears how to do without.
func TestFullDisk(t *testing.T) {
	full := fmt.Errorf("train: cache: %w", &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC})
	if err := aboutFull(full, "there"); !errors.Is(err, full) || !strings.Contains(err.Error(), "--cache none") {
		t.Errorf("got %v", err)
	}
	if err := aboutFull(full, ""); err != full { //nolint:errorlint // the very same
		t.Errorf("without a cache: got %v", err)
	}
}
