package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/draw"
)

// TestReportAgain: the report of a model is written again without its pictures and its trunk, and several
// get an index.
func TestReportAgain(t *testing.T) {
	dir := t.TempDir()
	pictures := filepath.Join(dir, "shapes")
	if err := draw.Folder(pictures, 3, 12, 1); err != nil {
		t.Fatal(err)
	}
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	args := []string{"train", pictures, "--weights", narrow(t, dir), "--cache", filepath.Join(dir, "cache"), "--no-trunk", "-o"}
	must(t, nil, append(args, one)...)
	must(t, nil, append(args, two, "--no-report")...)
	if err := os.RemoveAll(pictures); err != nil {
		t.Fatal(err)
	}
	read := func(path ...string) string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(path...))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	again := filepath.Join(dir, "again.html")
	must(t, nil, "report", one, "-o", again)
	own, made := read(one, "report.html"), read(again)
	if !strings.Contains(own, "<h1>shapes</h1>") || !strings.Contains(made, "<h1>one</h1>") {
		t.Error("the reports are not named after the data, and after the model")
	}
	body := regexp.MustCompile(`(?s)<main>.*</main>`)
	if body.FindString(own) != body.FindString(made) || !strings.Contains(made, "data:image/jpeg;base64,") {
		t.Error("the report that was written again is another one")
	}
	today := (&app{getenv: func(string) string { return "1700000000" }}).today()
	if today != "2023-11-14" {
		t.Errorf("got the day %s of SOURCE_DATE_EPOCH, want 2023-11-14", today)
	}
	out := filepath.Join(dir, "reports")
	must(t, nil, "report", one, two, one, "-o", out)
	index := read(out, "index.html")
	for _, want := range []string{`href="one.html"`, `href="two.html"`, `href="one-2.html"`, "3 runs", "shapes"} {
		if !strings.Contains(index, want) {
			t.Errorf("the index does not have %s", want)
		}
	}
	if !strings.Contains(read(out, "two.html"), "keeps its metrics alone") {
		t.Error("the report of a model without one does not say so")
	}
	if files, err := os.ReadDir(out); err != nil || len(files) != 4 {
		t.Errorf("got %d files, %v, want three reports and an index", len(files), err)
	}
	fails(t, []string{"report", one, "-o", filepath.Join(dir, "none", "r.html")}, "does not exist")
	fails(t, []string{"report", pictures}, "shapes")
	damaged := bytes.Repeat([]byte{1}, 100)
	if err := os.WriteFile(filepath.Join(one, "report.json.gz"), damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, []string{"report", one}, "report.json.gz")
}
