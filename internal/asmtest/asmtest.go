// Package asmtest holds the assembly in the tree to the generators that write it. Tests use it,
// nothing else.
package asmtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Generated runs the generator in folder dir, with arguments as go generate does, and fails t where
// file is not what it writes, but for the first line, which holds the command. It skips t where
// that would have to fetch modules, without a go command and in short runs: it compiles the
// generator.
func Generated(t *testing.T, file, dir string, args ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("compiles the generator")
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command: ", err)
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(tool, args...) //nolint:gosec // a test's own arguments
		cmd.Dir = dir
		cmd.Env = append(cmd.Environ(), "GOPROXY=off", "GOFLAGS=")
		return cmd
	}
	if out, err := command("list", "-deps", ".").CombinedOutput(); err != nil {
		t.Skipf("%s: its modules are not in the module cache: %s", dir, out)
	}
	fresh := filepath.Join(t.TempDir(), "fresh.s")
	if out, err := command(append([]string{"run", ".", "-out", fresh}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", dir, err, out)
	}
	if !bytes.Equal(body(t, fresh), body(t, file)) {
		t.Errorf("%s is not what %s writes: run go generate", file, dir)
	}
}

// body reads a file without its first line.
func body(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(data, []byte("\n"))
	return rest
}
