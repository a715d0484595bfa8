package inception

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestPack(t *testing.T) {
	m := small(t)
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.tar.gz"), filepath.Join(dir, "b.tar.gz")
	for _, path := range []string{a, b} {
		if err := m.Pack(path, SaveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	first, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if string(first) != string(second) {
		t.Error("two archives of one model differ")
	}
	mustSave(t, m, filepath.Join(dir, "folder"), SaveOptions{})
	if packed, folder := mustOpen(t, a), mustOpen(t, filepath.Join(dir, "folder")); !reflect.DeepEqual(packed, folder) {
		t.Error("the archive holds another model than the folder")
	}
	if err := m.Pack(filepath.Join(dir, "folder"), SaveOptions{}); err == nil {
		t.Error("a folder was replaced by an archive")
	}
	m.Trunk = nil
	if err := m.Pack(filepath.Join(dir, "c.tar.gz"), SaveOptions{}); err == nil {
		t.Error("a model without its trunk was packed though that was not asked for")
	}
	if list, _ := os.ReadDir(dir); len(list) != 3 {
		t.Errorf("got %v, want two archives and a folder", list)
	}
}
