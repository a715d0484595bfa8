// Package datatest finds, for tests, what lies outside the project: the real pictures, weights and
// other implementations that some of them are measured against.
package datatest

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Root returns the folder of the module that is being tested, where go.mod is.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd() // go test runs a test in its package's folder
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if !errors.Is(err, fs.ErrNotExist) || up == dir {
			t.Fatalf("no go.mod in or above the test's folder: %v", err)
		}
		dir = up
	}
}

// Folder returns where the data outside the project is, if it is anywhere: the folder that
// REHEAD_SHARED names, else ../shared beside the module.
func Folder(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("REHEAD_SHARED"); dir != "" {
		return dir
	}
	return filepath.Join(filepath.Dir(Root(t)), "shared")
}

// Shared returns the path of a file or folder below Folder. Where it is missing the test is
// skipped.
func Shared(t testing.TB, elem ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{Folder(t)}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("needs data from outside the project (REHEAD_SHARED names its folder): %v", err)
	}
	return path
}

// python is Debian's, which has the modules that the comparisons use when they are installed at
// all.
const python = "/usr/bin/python3"

// Python runs a script and fails the test with what it printed when it fails. Where Python or one
// of the comma-separated modules is missing, the test is skipped.
func Python(t testing.TB, modules string, args ...string) {
	t.Helper()
	if err := exec.Command(python, "-c", "import "+modules).Run(); err != nil {
		t.Skipf("%s cannot import %s: %v", python, modules, err)
	}
	if out, err := exec.Command(python, append([]string{"-B"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}
