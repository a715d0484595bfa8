//go:build amd64 || arm64

package cu

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ebitengine/purego"
)

// standIn compiles testdata/driver.c and returns the library, and the function
// that sets its number of GPUs, its version and the call that fails, -1 for none.
func standIn(t *testing.T, source string) (path string, set func(gpus, version, failing int32)) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "libcuda.so.1")
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("there is no gcc to compile the library with")
	}
	if out, err := exec.Command(gcc, "-shared", "-fPIC", "-Wall", "-Werror", "-o", path,
		source).CombinedOutput(); err != nil {
		t.Skipf("gcc cannot make a library here: %v\n%s", err, out)
	}
	lib, err := purego.Dlopen(path, purego.RTLD_NOW)
	if err != nil {
		t.Fatal(err)
	}
	fn, err := purego.Dlsym(lib, "stand_in")
	if err != nil {
		return path, nil
	}
	return path, func(gpus, version, failing int32) {
		purego.SyscallN(fn, uintptr(gpus), uintptr(version), uintptr(failing))
	}
}

func TestInfo(t *testing.T) {
	path, set := standIn(t, "testdata/driver.c")
	set(2, 12040, -1)
	d, err := Open(filepath.Join(t.TempDir(), "missing.so"), path)
	if err != nil {
		t.Fatal(err)
	}
	if d.Version() != "12.4" {
		t.Errorf("version: got %s, want 12.4", d.Version())
	}
	if n, err := d.Count(); err != nil || n != 2 {
		t.Errorf("count: got %d, %v, want 2", n, err)
	}
	info, err := d.Info(1)
	if want := (Info{1, "Stand-in 1", 9, 1, 132, 5e9}); err != nil || info != want {
		t.Errorf("info: got %+v, %v, want %+v", info, err, want)
	}
	for _, ordinal := range []int{-1, 2, 1 << 32} {
		if _, err := d.Info(ordinal); err == nil || !strings.Contains(err.Error(), "this machine has 2, want 0 to 1") {
			t.Errorf("GPU %d: got %v, want how many there are", ordinal, err)
		}
	}
	set(0, 12040, -1)
	if _, err := Open(path); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Info(0); err == nil || !strings.Contains(err.Error(), "finds no GPU; see that nvidia-smi") {
		t.Errorf("no GPU: got %v, want advice", err)
	}
}

func TestOldDriver(t *testing.T) {
	path, set := standIn(t, "testdata/driver.c")
	set(1, 11030, -1)
	if _, err := Open(path); err == nil ||
		!strings.Contains(err.Error(), "got CUDA 11.3, want 11.4 or later; update the NVIDIA driver") {
		t.Errorf("got %v, want both versions", err)
	}
	empty := filepath.Join(t.TempDir(), "empty.c")
	if err := os.WriteFile(empty, []byte("int cuInit(unsigned f) { return f; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path, _ = standIn(t, empty)
	if _, err := Open(path); err == nil ||
		!strings.Contains(err.Error(), "has no cuDriverGetVersion: the driver is too old") {
		t.Errorf("got %v, want the missing call", err)
	}
}

// TestEveryCallMayFail has each call that finds GPUs fail in its turn; cutest does it for the others.
func TestEveryCallMayFail(t *testing.T) {
	path, set := standIn(t, "testdata/driver.c")
	for c := range cuDevicePrimaryCtxRetain {
		if c == cuGetErrorName || c == cuGetErrorString {
			continue // asked only about failures of others
		}
		set(1, 12040, int32(c))
		d, err := Open(path)
		if err == nil {
			_, err = d.Info(0)
		}
		var failure *Error
		if !errors.As(err, &failure) || failure.Call != names[c] || failure.Result != 999 ||
			failure.Name != "CUDA_ERROR_UNKNOWN" || failure.Text != "unknown error" {
			t.Errorf("%s: got %v, want its failure in the driver's words", names[c], err)
		}
	}
	set(1, 12040, int32(cuGetErrorName))
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.word(cuGetErrorName, 1); !strings.Contains(got, "no word") {
		t.Errorf("a driver without words: got %q", got)
	}
}

func TestNoLibrary(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "libcuda.so.1")); err == nil ||
		!strings.Contains(err.Error(), "no NVIDIA driver was found") {
		t.Errorf("got %v, want that there is no driver", err)
	}
}
