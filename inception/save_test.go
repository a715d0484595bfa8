package inception

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// TestSaveReplaces: a model gives way to the next one, whole, by either way of saving; nothing else
// does.
func TestSaveReplaces(t *testing.T) {
	m := small(t)
	other := *m
	other.Seed, other.SelfTest = 1, nil
	root := t.TempDir()
	dir := filepath.Join(root, "m")
	if err := os.Mkdir(dir, 0o700); err != nil { // empty is fine
		t.Fatal(err)
	}
	mustSave(t, m, dir, SaveOptions{})
	mustSave(t, &other, dir, SaveOptions{NoTrunk: true})
	beside := contents(t, dir)
	if got := mustOpen(t, dir); got.Seed != 1 || got.Trunk != nil || len(beside) != 6 {
		t.Errorf("got seed %d, trunk %v and %d files", got.Seed, got.Trunk != nil, len(beside))
	}
	mustSave(t, m, dir, SaveOptions{})
	files, doc, err := other.prepare(SaveOptions{NoTrunk: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := saveInside(dir, files, doc); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(beside, contents(t, dir)) {
		t.Error("saved below the folder, the files differ from those saved beside it")
	}
	link := filepath.Join(root, "link")
	if err := os.Symlink(dir, link); err == nil {
		mustSave(t, m, link, SaveOptions{NoTrunk: true})
		if got := mustOpen(t, dir); got.Seed != m.Seed {
			t.Error("saving through a link did not reach the folder")
		}
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
	}
	if list, _ := os.ReadDir(root); len(list) != 1 {
		t.Errorf("%d entries stand around the model, want it alone", len(list))
	}
}

func TestSaveRefuses(t *testing.T) {
	m := small(t)
	for _, c := range []struct {
		name    string
		prepare func(dir string) error
		want    string
	}{
		{"a file", func(dir string) error { return os.WriteFile(dir, []byte("x"), 0o600) }, "a file of this name"},
		{"somebody's folder", func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "thesis.doc"), []byte("x"), 0o600))
		}, "thesis.doc"},
		{"somebody's labels", func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, labelsFile), []byte("x"), 0o600))
		}, "neither empty nor"},
		{"somebody's model.json", func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, modelJSONFile), []byte(`{"format":"keras"}`), 0o600))
		}, "not written by rehead"},
		{"a model with notes", func(dir string) error {
			return errors.Join(m.Save(dir, SaveOptions{NoTrunk: true}),
				os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("x"), 0o600))
		}, "notes.txt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			dir := filepath.Join(root, "m")
			if err := c.prepare(dir); err != nil {
				t.Fatal(err)
			}
			err := m.Save(dir, SaveOptions{})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("got %v, want an error with %q and the folder", err, c.want)
			}
			if list, _ := os.ReadDir(root); len(list) != 1 {
				t.Errorf("%d entries were left, want 1", len(list))
			}
		})
	}
	t.Run("the folder that the program works in", func(t *testing.T) {
		here := filepath.Join(t.TempDir(), "here")
		if err := os.Mkdir(here, 0o700); err != nil {
			t.Fatal(err)
		}
		t.Chdir(here)
		for _, dir := range []string{"", ".", "..", "./", "/", "../here", here, filepath.Dir(here)} {
			if err := m.Save(dir, SaveOptions{NoTrunk: true}); err == nil {
				t.Errorf("%q was taken", dir)
			}
			if err := CheckTarget(dir); err == nil {
				t.Errorf("%q passes the check", dir)
			}
		}
		if got, err := os.Getwd(); err != nil || got != here {
			t.Errorf("works in %s (%v), want %s", got, err, here)
		}
		if list, err := os.ReadDir("."); err != nil || len(list) != 0 {
			t.Errorf("%v (%v) were left", list, err)
		}
	})
	trunkless := *m
	trunkless.Trunk = nil
	dir := filepath.Join(t.TempDir(), "m")
	for name, err := range map[string]error{
		"no trunk":          trunkless.Save(dir, SaveOptions{}),
		"unknown data type": m.Save(dir, SaveOptions{DType: "f8"}),
		"no head":           (&Model{}).Save(dir, SaveOptions{}),
	} {
		if err == nil {
			t.Errorf("%s was saved", name)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was left behind: %v", err)
	}
}

// TestCheckTarget: what Save will do is known before, and leaves nothing.
func TestCheckTarget(t *testing.T) {
	root := t.TempDir()
	ok, link := filepath.Join(root, "empty"), filepath.Join(root, "link")
	if err := errors.Join(os.Mkdir(ok, 0o700), os.Symlink(ok, link)); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{ok, link, link + "/", filepath.Join(root, "new"), filepath.Join(root, "a", "b")} {
		if err := CheckTarget(dir); err != nil {
			t.Error(err)
		}
		if err := small(t).Save(dir, SaveOptions{NoTrunk: true}); err != nil {
			t.Error(err)
		}
	}
	if list, err := os.ReadDir(root); err != nil || len(list) != 4 {
		t.Errorf("%v stand there (%v), want empty, link, new and a", list, err)
	}
	// a folder that nobody can write to, not even root
	for _, dir := range []string{"/proc/model", "/proc/self/fd/a/model"} {
		if _, err := os.Stat("/proc/self"); err == nil && CheckTarget(dir) == nil {
			t.Errorf("%s passes the check", dir)
		}
	}
}

// TestSaveTogether: of many that save into one folder at once none fails, and one of the models is
// there, whole.
func TestSaveTogether(t *testing.T) {
	m := small(t)
	root := t.TempDir()
	for _, dir := range []string{"absent", "empty", "present"} {
		dir := filepath.Join(root, dir)
		if strings.HasSuffix(dir, "empty") {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
		} else if strings.HasSuffix(dir, "present") {
			mustSave(t, m, dir, SaveOptions{NoTrunk: true})
		}
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				mine := *m
				mine.Seed = uint64(i)
				if err := mine.Save(dir, SaveOptions{NoTrunk: true}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		mustOpen(t, dir)
	}
	if list, err := os.ReadDir(root); err != nil || len(list) != 3 {
		t.Errorf("%v stand there (%v), want three models", list, err)
	}
}
