package examples_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/draw"
)

// here is the folder of the programs, which run in another.
var here string

func TestMain(m *testing.M) { os.Exit(inFolder(m)) }

func inFolder(m *testing.M) int {
	dir, err := os.MkdirTemp("", "examples")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if here, err = os.Getwd(); err != nil {
		log.Fatal(err)
	}
	if err := draw.Folder(filepath.Join(dir, "photos"), 3, 8, 1); err != nil {
		log.Fatal(err)
	}
	if err := os.Chdir(dir); err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.Chdir(here) }()
	if err := os.Rename(filepath.Join("photos", draw.Label(0), "0000.jpg"), "new.jpg"); err != nil {
		log.Fatal(err)
	}
	return m.Run()
}

// lines counts those of a program that are neither empty nor a comment alone.
func lines(text string) (n int) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			n++
		}
	}
	return n
}

// TestLines: the page tells how long each program is.
func TestLines(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(here, "..", "docs", "library.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(here, "*_test.go"))
	if err != nil || len(files) < 2 {
		t.Fatalf("got %d files, %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if name == "main_test.go" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		row := regexp.MustCompile(`\[[^\]]*\]\(\.\./examples/` + regexp.QuoteMeta(name) + `\) \| (\d+) \|`).FindSubmatch(page)
		if row == nil || string(row[1]) != fmt.Sprint(lines(string(text))) {
			t.Errorf("docs/library.md says %q of %s, want a row with %d lines", row, name, lines(string(text)))
		}
	}
}
