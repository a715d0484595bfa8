package main

import (
	"bytes"
	"encoding/json"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
)

// explained is a line of `predict --explain --json`.
type explained struct {
	Image       string                 `json:"image"`
	Predictions []inception.Prediction `json:"predictions"`
	Explanation *explanation           `json:"explanation"`
	Error       string                 `json:"error"`
}

// TestPredictExplain: --explain changes no prediction and adds maps that add up; --explain-dir
// writes a PNG a picture.
func TestPredictExplain(t *testing.T) {
	dir := t.TempDir()
	pictures := filepath.Join(dir, "pictures")
	for i := range 2 {
		for class := range 2 {
			path := filepath.Join(pictures, draw.Label(class), "same"+string(rune('a'+i))+".png")
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := png.Encode(&b, draw.Picture(class, i, 1)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	w, err := inception.Random(inception.RandomConfig{Width: 0.1, Seed: 1, Classes: 3, Size: 139})
	if err != nil {
		t.Fatal(err)
	}
	m, err := inception.ModelFromWeights(w)
	if err != nil {
		t.Fatal(err)
	}
	model := filepath.Join(dir, "model")
	if err := m.Save(model, inception.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	one, two := filepath.Join(pictures, draw.Label(0), "samea.png"), filepath.Join(pictures, draw.Label(1), "samea.png")
	lines := func(args ...string) []explained {
		t.Helper()
		var out, errs bytes.Buffer
		a := &app{stdout: &out, stderr: &errs, getenv: func(string) string { return "" }}
		if code := run(t.Context(), a,
			append([]string{"predict", model, one, two, "--json", "--top", "2"}, args...)); code != exitDone {
			t.Fatalf("exit %d: %s%s", code, &errs, &out)
		}
		var all []explained
		for _, text := range strings.Split(strings.TrimSpace(out.String()), "\n") {
			var line explained
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatalf("%v in %q", err, text)
			}
			all = append(all, line)
		}
		return all
	}
	maps := filepath.Join(dir, "maps")
	plain, with := lines(), lines("--explain-dir", maps)
	for i, line := range with {
		if plain[i].Explanation != nil || line.Explanation == nil {
			t.Fatalf("picture %d: an explanation is given unasked, or not given: %+v", i, line)
		}
		if len(line.Explanation.Maps) != 2 {
			t.Fatalf("picture %d: got %d maps, want 2", i, len(line.Explanation.Maps))
		}
		for k, x := range line.Explanation.Maps {
			if line.Predictions[k] != plain[i].Predictions[k] || x.Label != line.Predictions[k].Label {
				t.Errorf("picture %d: prediction %d is %v, without --explain %v, its map is of %s", i, k, line.Predictions[k],
					plain[i].Predictions[k], x.Label)
			}
			sum, n := 0.0, 0
			for _, row := range x.Cells {
				for _, v := range row {
					sum, n = sum+float64(v), n+1
				}
			}
			if d := sum/float64(n) + x.Bias - x.Logit; !(math.Abs(d) <= 1e-4*(1+math.Abs(x.Logit))) {
				t.Errorf("picture %d: the map of %s is off from its logit by %g", i, x.Label, d)
			}
		}
		file, err := os.Open(line.Explanation.Picture)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(file)
		file.Close()
		if g := line.Explanation.Grid; err != nil || img.Bounds().Dx() != g.Width || img.Bounds().Dy() != g.Height {
			t.Errorf("picture %d: %v, want a PNG of %dx%d pixels", i, err, g.Width, g.Height)
		}
	}
	if with[0].Explanation.Picture == with[1].Explanation.Picture {
		t.Error("two pictures of one name were written to one file")
	}
	entries, err := os.ReadDir(maps)
	if err != nil || len(entries) != 2 {
		t.Errorf("got %d files in the folder (%v), want the 2 PNGs", len(entries), err)
	}
}
