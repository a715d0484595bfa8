package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/draw"
)

// TestPagesNameTests: every row of docs/pitfalls.md and of the layouts in docs/data.md names tests,
// and each of them exists in the folder that is named with it.
func TestPagesNameTests(t *testing.T) {
	root := filepath.Join("..", "..")
	have := map[string]bool{}
	defined := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		for _, m := range defined.FindAllSubmatch(text, -1) {
			have[filepath.ToSlash(folder)+"."+string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rowsNameTests(t, have, "pitfalls.md", 3, 30)
	rowsNameTests(t, have, "data.md", 4, 20)
}

// rowsNameTests looks for tests in one cell of the tables that have as many columns, of which there
// are some rows at least.
func rowsNameTests(t *testing.T, have map[string]bool, name string, cell, least int) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([\\w/]+\\.(?:Test|Fuzz)\\w+)`")
	rows := 0
	for line := range strings.Lines(string(page)) {
		tests := named.FindAllStringSubmatch(line, -1)
		for _, m := range tests {
			if !have[m[1]] {
				t.Errorf("there is no test %s", m[1])
			}
		}
		cells := strings.Split(line, "|")
		if !strings.HasPrefix(line, "| ") || len(cells) != cell+2 || strings.Contains(line, "held by") {
			continue
		}
		rows++
		if !named.MatchString(cells[cell]) {
			t.Errorf("%s: no test holds the row%s", name, cells[1])
		}
	}
	if rows < least {
		t.Errorf("%s: got %d rows, want at least %d", name, rows, least)
	}
}

// TestOutputsLeaveOtherFilesAlone: folders that a run writes to keep what somebody else put there.
func TestOutputsLeaveOtherFilesAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	dir := t.TempDir()
	pictures, trunk := filepath.Join(dir, "pictures"), narrow(t, dir)
	if err := draw.Folder(pictures, 2, 12, 1); err != nil {
		t.Fatal(err)
	}
	theirs := map[string][]string{}
	for _, folder := range []string{"plots", "events", "cache", "maps"} {
		for _, name := range []string{"thesis.txt", filepath.Join("deep", "down.txt")} {
			path := filepath.Join(dir, folder, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(path), 0o644); err != nil {
				t.Fatal(err)
			}
			theirs[folder] = append(theirs[folder], path)
		}
	}
	model := filepath.Join(dir, "model")
	must(t, nil, "train", pictures, "--weights", trunk, "-o", model, "--cache", filepath.Join(dir, "cache"),
		"--plots", filepath.Join(dir, "plots"), "--tensorboard", filepath.Join(dir, "events"), "--json")
	must(t, nil, "predict", model, filepath.Join(pictures, draw.Label(0), "0000.jpg"), "--explain-dir",
		filepath.Join(dir, "maps"), "--json")
	for folder, files := range theirs {
		entries, err := os.ReadDir(filepath.Join(dir, folder))
		if err != nil || len(entries) <= 2 {
			t.Errorf("%s: got %d entries, %v, want those of the run besides", folder, len(entries), err)
		}
		for _, path := range files {
			if text, err := os.ReadFile(path); err != nil || string(text) != path {
				t.Errorf("%s is not what it was: %q, %v", path, text, err)
			}
		}
	}
}
