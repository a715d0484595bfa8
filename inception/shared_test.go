package inception

import (
	"os"
	"path/filepath"
	"testing"
)

// shared finds a file or folder of the real data, which lies outside the project: in the folder that REHEAD_SHARED
// names, else in ../shared beside the project. Without it the test is skipped.
func shared(t testing.TB, elem ...string) string {
	t.Helper()
	root := os.Getenv("REHEAD_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "shared")
	}
	path := filepath.Join(append([]string{root}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("needs %s: set REHEAD_SHARED to the folder that holds it", path)
	}
	return path
}
