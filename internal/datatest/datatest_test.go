package datatest

import (
	"os"
	"path/filepath"
	"testing"
)

// TestShared: what is there is found below the folder that the variable names, and what is missing
// skips the test.
func TestShared(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("REHEAD_SHARED", dir)
	want := filepath.Join(dir, "data", "x")
	if err := os.MkdirAll(want, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := Shared(t, "data", "x"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	skipped := false
	t.Run("missing", func(t *testing.T) {
		defer func() { skipped = t.Skipped() }()
		Shared(t, "data", "y")
	})
	if !skipped {
		t.Error("a missing folder did not skip the test")
	}
}

func TestRoot(t *testing.T) {
	if _, err := os.Stat(filepath.Join(Root(t), "internal", "datatest", "datatest_test.go")); err != nil {
		t.Error(err)
	}
}
