package kernel

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestGenerated runs the generators and compares what they write with the
// assembly in the tree.
func TestGenerated(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the generators")
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command: ", err)
	}
	for dir, file := range map[string]string{"_generate": "kernel_amd64.s", "_generate_wino": "wino_amd64.s", "_generate_int8": "int8_amd64.s"} {
		list := exec.Command(tool, "list", "-deps", ".")
		list.Dir = dir
		list.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=")
		if out, err := list.CombinedOutput(); err != nil {
			t.Skipf("%s: its modules are not in the module cache: %s", dir, out)
		}
		fresh := filepath.Join(t.TempDir(), file)
		run := exec.Command(tool, "run", ".", "-out", fresh)
		run.Dir = dir
		run.Env = list.Env
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", dir, err, out)
		}
		got, want := readBody(t, fresh), readBody(t, file)
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what %s writes: run go generate", file, dir)
		}
	}
}

// readBody reads a file without its first line, which holds the command.
func readBody(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := bytes.Cut(data, []byte("\n"))
	return body
}
