package inception

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/c236555e/rehead/internal/atomicfile"
)

// TestRegression_SavingInPlaceIsKilled stops the way of saving that mount points need after each of
// its steps: the folder opens as the old model or as the new one, and the next saving ends there too.
func TestRegression_SavingInPlaceIsKilled(t *testing.T) {
	m, older := small(t), *small(t)
	older.Seed, older.Report = 1, nil
	lean := SaveOptions{NoTrunk: true}
	files, doc, err := m.prepare(lean)
	if err != nil {
		t.Fatal(err)
	}
	all := append([]string{modelJSONFile}, modelFiles()...)
	for step := range 2*len(all) + 1 {
		dir := filepath.Join(t.TempDir(), "m")
		mustSave(t, &older, dir, lean)
		temp := filepath.Join(dir, atomicfile.TempPrefix+"0000abcd")
		if err := os.Mkdir(temp, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := writeAll(temp, files, doc); err != nil {
			t.Fatal(err)
		}
		for i, name := range all { // gone
			if i < step {
				_ = os.Remove(filepath.Join(dir, name))
			}
		}
		for i, name := range append(modelFiles(), modelJSONFile) { // come
			if len(all)+i < step {
				_ = duplicate(filepath.Join(temp, name), filepath.Join(dir, name))
			}
		}
		want := m.Seed
		if step == 0 {
			want = older.Seed
		}
		if got := mustOpen(t, dir); got.Seed != want {
			t.Errorf("after step %d: got the model of seed %d, want that of %d", step, got.Seed, want)
		}
		if err := CheckTarget(dir); err != nil {
			t.Errorf("after step %d: %v", step, err)
		}
		if err := settle(dir); err != nil {
			t.Errorf("after step %d: %v", step, err)
		}
		if got := mustOpen(t, dir); got.Seed != want {
			t.Errorf("settled after step %d: got the model of seed %d, want that of %d", step, got.Seed, want)
		}
		mustSave(t, &older, dir, lean)
		if got, list := mustOpen(t, dir), contents(t, dir); got.Seed != older.Seed || len(list) != 5 {
			t.Errorf("saved again after step %d: seed %d, %d files", step, got.Seed, len(list))
		}
	}
}

// A folder in which a process was killed before any file had its name counts as empty.
func TestRegression_OnlyUnfinishedIsEmpty(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	temp := filepath.Join(dir, atomicfile.TempPrefix+"0000abcd")
	if err := os.MkdirAll(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{atomicfile.LockName, modelJSONFile, headFile} { // the first bytes of each
		if err := os.WriteFile(filepath.Join(temp, name), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := OpenModel(dir); err == nil {
		t.Error("it was opened as a model")
	}
	mustSave(t, small(t), dir, SaveOptions{NoTrunk: true})
	if list := contents(t, dir); len(list) != 6 {
		t.Errorf("got %d files, want those of a model alone", len(list))
	}
}
