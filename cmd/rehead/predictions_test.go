package main

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// tableIn reads a CSV file.
func tableIn(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read from
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// checkPredictions: the rows of an evaluation add up to its accuracy and log loss.
func checkPredictions(t *testing.T, w world) {
	var m map[string]any
	file, cache := filepath.Join(w.dir, "predictions.csv"), filepath.Join(w.dir, "cache")
	must(t, &m, "evaluate", w.model, w.pictures, "--predictions", file, "--cache", cache, "--json")
	rows, right, loss := tableIn(t, file), 0.0, 0.0
	for _, r := range rows[1:] {
		l, err := strconv.ParseFloat(r[6], 64)
		if loss += l; err != nil || (r[5] == "1") != (r[2] == r[3]) || r[2] != filepath.Base(filepath.Dir(r[0])) {
			t.Errorf("row %q: %v", r, err)
		}
		if r[5] == "1" {
			right++
		}
	}
	logLoss, _ := m["log_loss"].(float64)
	if n := float64(len(rows) - 1); n != 48 || fmt.Sprint(rows[0]) != "[path part label answer probability rank loss]" ||
		right/n != m["accuracy"] || !(math.Abs(loss/n-logLoss) <= 1e-6) {
		t.Errorf("got %d rows of %q, %v right, loss %v, want the accuracy and log loss of %v", len(rows)-1, rows[0], right,
			loss/n, m)
	}
	fails(t, []string{"evaluate", w.model, w.pictures, "--predictions", filepath.Join(w.dir, "nowhere", "p.csv")},
		"--predictions", "nowhere")
}

// checkEmbed: a row for each picture that can be read, listed with its label; those that cannot are
// listed with the reason.
func checkEmbed(t *testing.T, w world) {
	out, list := filepath.Join(w.dir, "features.npy"), filepath.Join(w.dir, "features.csv")
	embed := func(of string) []string {
		return []string{"embed", of, "--weights", w.trunk, "-o", out, "--cache", filepath.Join(w.dir, "cache"), "--json"}
	}
	var r map[string]any
	must(t, &r, embed(w.pictures)...)
	stat, err := os.Stat(out)
	if err != nil || r["images"] != 48.0 || r["missing"] != 0.0 || r["cached"] != 48.0 || r["list"] != list {
		t.Fatalf("got %v, %v", r, err)
	}
	if want := int64(128 + 48*4*int(r["features"].(float64))); stat.Size() != want {
		t.Errorf("features.npy has %d bytes, want %d", stat.Size(), want)
	}
	rows := tableIn(t, list)
	if len(rows) != 49 || fmt.Sprint(rows[0]) != "[row path label error]" {
		t.Fatalf("got %d lines and %q", len(rows), rows[0])
	}
	for i, r := range rows[1:] {
		if r[0] != strconv.Itoa(i) || r[2] != filepath.Base(filepath.Dir(r[1])) || r[3] != "" {
			t.Errorf("line %d of the list: %q", i, r)
		}
	}
	must(t, &r, embed(zipOf(t, w.pictures))...)
	if packed := tableIn(t, list); r["cached"] != 48.0 || len(packed) != 49 ||
		packed[1][1] != w.pictures+".zip!"+strings.TrimPrefix(filepath.ToSlash(rows[1][1]), filepath.ToSlash(w.pictures)) ||
		packed[48][2] != rows[48][2] {
		t.Errorf("an archive: got %v, %q, want the pictures of the folder", r, packed)
	}

	manifest := filepath.Join(w.dir, "some.csv")
	broken := filepath.Join(w.dir, "broken.png")
	text := fmt.Sprintf("image,label\n%s,one\n%s,two\n%s,two\n", rows[7][1], broken, rows[3][1])
	for path, data := range map[string]string{broken: "\x89PNG\r\n\x1a\nno more", manifest: text} {
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if o := command(t, embed(manifest)...); o.code != exitFailed || !strings.Contains(o.stderr, "broken.png") ||
		!strings.Contains(o.stdout, `"images":2,`) || !strings.Contains(o.stdout, `"missing":1`) {
		t.Errorf("a broken picture: code %d, %s%s", o.code, o.stdout, o.stderr)
	}
	got, reason := tableIn(t, list), "" // sorted by path
	if len(got) == 4 {
		reason, got[1][3] = got[1][3], ""
	}
	want := [][]string{rows[0], {"", broken, "two", ""}, {"0", rows[3][1], "two", ""}, {"1", rows[7][1], "one", ""}}
	if fmt.Sprint(got) != fmt.Sprint(want) || !strings.Contains(reason, "truncated") {
		t.Errorf("got %q for %q, want %q", got, reason, want)
	}
}
