package raster

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestGenerated runs the generator and compares what it writes with the
// assembly in the tree, but for the first line, which holds the command.
func TestGenerated(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the generator")
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command: ", err)
	}
	env := append(os.Environ(), "GOPROXY=off", "GOFLAGS=")
	list := exec.Command(tool, "list", "-deps", ".")
	list.Dir, list.Env = "_generate", env
	if out, err := list.CombinedOutput(); err != nil {
		t.Skipf("the generator's modules are not in the module cache: %s", out)
	}
	fresh := filepath.Join(t.TempDir(), "fresh.s")
	run := exec.Command(tool, "run", ".", "-out", fresh)
	run.Dir, run.Env = "_generate", env
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var bodies [2][]byte
	for i, path := range []string{fresh, "raster_amd64.s"} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, bodies[i], _ = bytes.Cut(data, []byte("\n"))
	}
	if !bytes.Equal(bodies[0], bodies[1]) {
		t.Error("raster_amd64.s is not what _generate writes: run go generate")
	}
}
