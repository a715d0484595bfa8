package filelock

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestLock goes through what two holders, in one process and in two, may do to each other.
func TestLock(t *testing.T) {
	path := os.Getenv("FILELOCK_TEST")
	if path != "" { // the other process
		if _, err := TryLock(path); !errors.Is(err, ErrHeld) {
			t.Fatalf("TryLock in another process: got %v, want %v", err, ErrHeld)
		}
		return
	}
	for _, name := range []string{"data", "set.lock"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			unlock, err := Lock(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := TryLock(path); !errors.Is(err, ErrHeld) {
				t.Fatalf("TryLock of what is locked: got %v, want %v", err, ErrHeld)
			}
			cmd := exec.Command(os.Args[0], "-test.run=^TestLock$")
			cmd.Env = append(os.Environ(), "FILELOCK_TEST="+path)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if name == "data" { // what is locked can be used
				if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
					t.Fatal(err)
				}
				if b, err := os.ReadFile(path); err != nil || string(b) != "x" {
					t.Fatalf("read %q, %v", b, err)
				}
			}
			waited := make(chan error, 1)
			go func() {
				unlock, err := Lock(path)
				if err == nil {
					err = unlock()
				}
				waited <- err
			}()
			select {
			case err := <-waited:
				t.Fatalf("Lock did not wait: %v", err)
			case <-time.After(20 * time.Millisecond):
			}
			if err := unlock(); err != nil {
				t.Fatal(err)
			}
			if err := <-waited; err != nil {
				t.Fatal(err)
			}
			unlock, err = TryLock(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(unlock(), unlock()); err != nil {
				t.Errorf("a second unlock: %v", err)
			}
		})
	}
	if _, err := Lock(filepath.Join(t.TempDir(), "no", "such")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in no folder: got %v, want %v", err, os.ErrNotExist)
	}
}
