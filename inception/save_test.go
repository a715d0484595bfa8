package inception

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
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
	if got := mustOpen(t, dir); got.Seed != 1 || got.Trunk != nil || len(beside) != 5 {
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
