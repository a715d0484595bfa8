package asmtest

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// root is the top of the repository.
const root = "../.."

// assembly lists the assembly files of the repository whose names end as given.
func assembly(t *testing.T, suffix string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, suffix) {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d files *%s: %v", len(files), suffix, err)
	}
	return files
}

// TestGenerated runs the generator for each file, which must be what it writes, but for the first
// line, which holds the command.
func TestGenerated(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the generator")
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command: ", err)
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(tool, args...)
		cmd.Dir = filepath.Join(root, "internal", "_generate")
		cmd.Env = append(cmd.Environ(), "GOPROXY=off", "GOFLAGS=")
		return cmd
	}
	if out, err := command("list", "-deps", ".").CombinedOutput(); err != nil {
		t.Skipf("the generator's modules are not in the module cache: %s", out)
	}
	generator := filepath.Join(t.TempDir(), "generator")
	if out, err := command("build", "-o", generator, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, file := range assembly(t, ".s") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			fresh := filepath.Join(t.TempDir(), filepath.Base(file))
			if out, err := exec.Command(generator, fresh).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if !bytes.Equal(body(t, fresh), body(t, file)) {
				t.Errorf("%s is not what the generator writes: run go generate", file)
			}
		})
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
