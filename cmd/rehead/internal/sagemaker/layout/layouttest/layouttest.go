// Package layouttest fills a job's folders in tests.
package layouttest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
)

// Write writes a file below the base.
func Write(t *testing.T, tree layout.Tree, text string, parts ...string) {
	t.Helper()
	path := tree.Path(parts...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Config writes a configuration file.
func Config(t *testing.T, tree layout.Tree, file, text string) {
	t.Helper()
	Write(t, tree, text, "input", "config", file)
}
