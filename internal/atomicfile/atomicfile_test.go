package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWriters puts files where there is none and where there is one, and fails to: what was there
// is left as it was, and nothing else is.
func TestWriters(t *testing.T) {
	full := errors.New("the disk is full")
	for _, w := range []struct {
		name  string
		write func(path string, write func(io.Writer) error) error
	}{
		{"Write", Write},
		{"Create", func(path string, write func(io.Writer) error) error {
			f, err := Create(path)
			if err != nil {
				return err
			}
			if err := write(f); err != nil {
				return errors.Join(err, f.Discard(), f.Discard())
			}
			return errors.Join(f.Commit(), f.Discard())
		}},
	} {
		for _, c := range []struct {
			name, before, after string
			fail                error
		}{
			{"new", "", "new", nil},
			{"replaced", "old", "new", nil},
			{"failed", "", "", full},
			{"kept", "old", "old", full},
		} {
			t.Run(w.name+"/"+c.name, func(t *testing.T) {
				dir := t.TempDir()
				path := filepath.Join(dir, "a file")
				if c.before != "" {
					if err := os.WriteFile(path, []byte(c.before), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				err := w.write(path, func(out io.Writer) error {
					_, err := io.WriteString(out, "new")
					if got, _ := os.ReadFile(path); string(got) != c.before {
						t.Errorf("%q was there before the file was whole", got)
					}
					return errors.Join(err, c.fail)
				})
				if !errors.Is(err, c.fail) {
					t.Fatalf("got %v, want %v", err, c.fail)
				}
				if got, _ := os.ReadFile(path); string(got) != c.after {
					t.Errorf("got %q, want %q", got, c.after)
				}
				if left, _ := os.ReadDir(dir); len(left) > 1 || c.after == "" && len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			})
		}
		t.Run(w.name+"/folder", func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "folder")
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
			err := w.write(path, func(io.Writer) error { return nil })
			if err == nil || !strings.Contains(err.Error(), "name a file") {
				t.Errorf("got %v, want an error that says that it is a folder", err)
			}
		})
	}
}

func TestWriteNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a file")
	write := func(out io.Writer) error {
		_, err := io.WriteString(out, strings.Repeat("x", 1<<19))
		return err
	}
	if err := WriteNew(path, write); err != nil {
		t.Fatal(err)
	}
	if err := WriteNew(path, write); !errors.Is(err, os.ErrExist) {
		t.Errorf("over a file: got %v, want %v", err, os.ErrExist)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 1<<19 {
		t.Errorf("got %v, %v", info, err)
	}
	if a, b := TempName("."), TempName("."); a == b || !strings.HasPrefix(a, TempPrefix) {
		t.Errorf("got the temporary names %s and %s", a, b)
	}
}

// TestSweep: what a killed process left goes; what somebody works on, and what is nobody's
// temporary file, stays.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	working, unlock, err := MakeFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	killed, release, err := MakeFolder(dir)
	if err == nil {
		err = release()
	}
	fresh, stale, other := TempName(dir), TempName(dir), filepath.Join(dir, "kept")
	for _, path := range []string{fresh, stale, other} {
		err = errors.Join(err, os.WriteFile(path, []byte("x"), 0o600))
	}
	past := time.Now().Add(-2 * time.Hour)
	if err := errors.Join(err, os.Chtimes(stale, past, past), os.Chtimes(other, past, past)); err != nil {
		t.Fatal(err)
	}
	Sweep(dir)
	for path, want := range map[string]bool{working: true, killed: false, fresh: true, stale: false, other: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: got %v, want it there: %t", path, err, want)
		}
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if Sweep(dir); len(must(os.ReadDir(dir))) != 2 {
		t.Error("what was unlocked is still there")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestKeepsDevices: a device is not a file to replace; as root that would take it away from all.
func TestKeepsDevices(t *testing.T) {
	link := filepath.Join(t.TempDir(), "null")
	if err := os.Symlink(os.DevNull, link); err != nil {
		t.Skip(err)
	}
	err := Write(link, func(w io.Writer) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "device") {
		t.Errorf("Write: got %v", err)
	}
	if _, err := Create(link); err == nil || !strings.Contains(err.Error(), "device") {
		t.Errorf("Create: got %v", err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", info, err)
	}
}
