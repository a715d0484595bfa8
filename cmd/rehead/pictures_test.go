package main

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/draw"
)

// TestPredictPictures answers for a folder, a list and stdin, in each format.
func TestPredictPictures(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	dir := t.TempDir()
	trunk, photos, model := narrow(t, dir), filepath.Join(dir, "photos"), filepath.Join(dir, "model")
	if err := draw.Folder(photos, 2, 8, 5); err != nil {
		t.Fatal(err)
	}
	must(t, nil, "train", photos, "--weights", trunk, "-o", model, "--cache", "none", "--no-report")
	files, err := filepath.Glob(filepath.Join(photos, "*", "*"))
	if err != nil || len(files) != 16 {
		t.Fatalf("got %d files, %v", len(files), err)
	}
	list, words := filepath.Join(dir, "list.txt"), filepath.Join(photos, "notes.md")
	for path, text := range map[string]string{list: "\ufeff" + strings.Join(files[:3], "\r\n") + "\n\n", words: "words"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	packed := zipOf(t, photos)
	one, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	label := filepath.Base(filepath.Dir(files[0]))
	run := func(stdin io.Reader, args ...string) (string, string, int) {
		var stdout, stderr bytes.Buffer
		a := &app{stdin: stdin, stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }}
		code := run(t.Context(), a, append([]string{"predict", model}, args...))
		return stdout.String(), stderr.String(), code
	}
	for _, test := range []struct {
		name  string
		stdin []byte
		args  []string
		want  int
		first string
	}{
		{"a folder", nil, []string{photos}, 16, files[0]},
		{"a list", nil, []string{list}, 3, files[0]},
		{"a picture at stdin", one, []string{"-"}, 1, "-"},
		{"a list at stdin", []byte(files[1] + "\n" + files[0]), []string{"-"}, 2, files[1]},
		{"an archive", nil, []string{packed}, 16, packed + "!/" + label + "/0000.jpg"},
		{"a folder of an archive", nil, []string{packed + "!/" + label}, 8, packed + "!/" + label + "/0000.jpg"},
		{"a picture of an archive", nil, []string{packed + "!/" + label + "/0003.jpg"}, 1, packed + "!/" + label + "/0003.jpg"},
		{"all of them", one, []string{files[2], list, "-", filepath.Dir(files[0])}, 1 + 3 + 1 + 8, files[2]},
	} {
		out, said, code := run(bytes.NewReader(test.stdin), append(test.args, "--json")...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		var p prediction
		if err := json.Unmarshal([]byte(lines[0]), &p); err != nil || code != exitDone || len(lines) != test.want ||
			p.Image != test.first || len(p.Predictions) != 2 {
			t.Errorf("%s: code %d, %d lines, first %+v, %v: %s", test.name, code, len(lines), p, err, said)
		}
		if left := strings.Contains(said, "notes.md"); left != (test.name == "a folder" || test.name == "an archive") {
			t.Errorf("%s: said %q", test.name, said)
		}
	}

	broken := filepath.Join(photos, "broken.png")
	if err := os.WriteFile(broken, []byte("\x89PNG\r\n\x1a\nno more"), 0o644); err != nil {
		t.Fatal(err)
	}
	table := filepath.Join(dir, "answers.csv")
	if _, said, code := run(nil, photos, "-o", table); code != exitFailed || !strings.Contains(said, "broken.png") {
		t.Errorf("a broken picture: code %d, %s", code, said)
	}
	f, err := os.Open(table)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read from
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) != 1+17 ||
		fmt.Sprint(rows[0]) != "[image label probability label_2 probability_2 unknown error]" {
		t.Fatalf("got %d rows, %v: %q", len(rows), err, rows)
	}
	if rows[1][0] != broken || rows[1][1] != "" || rows[1][6] == "" || rows[2][1] == "" || rows[2][6] != "" {
		t.Errorf("got %q and %q", rows[1], rows[2])
	}
	if out, _, code := run(nil, files[0], "--format", "table", "-o", "-"); code != exitDone ||
		!strings.Contains(out, " %  ") {
		t.Errorf("a table: code %d, %q", code, out)
	}
	for _, test := range []struct {
		stdin string
		args  []string
		want  string
	}{
		{"PK\x03\x04 and more", []string{"-"}, "archive (zip) through a pipe"},
		{"", []string{"-"}, "empty"}, {"\x00\x01", []string{"-"}, "-: "}, {"", []string{t.TempDir()}, "no picture found"},
		{"", []string{files[0], "--format", "xml"}, `"xml"`}, {"", []string{files[0], "--json", "--format", "csv"}, "one of them"},
		{"", []string{files[0], "--explain", "--format", "csv"}, "--explain"},
		{"", []string{files[0], "-o", filepath.Join(dir, "nowhere", "a.csv")}, "nowhere"},
	} {
		if _, said, code := run(strings.NewReader(test.stdin), test.args...); code == exitDone ||
			!strings.Contains(said, test.want) {
			t.Errorf("%q: code %d, %q, want it to say %q", test.args, code, said, test.want)
		}
	}
}

// zipOf packs a folder.
func zipOf(t *testing.T, dir string) string {
	t.Helper()
	f, err := os.Create(dir + ".zip")
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(f)
	if err := errors.Join(w.AddFS(os.DirFS(dir)), w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}
