package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception"
)

// TestFeaturesCommandLine: a head that reads every block goes through every command: predict, serve,
// evaluate and inspect answer with it, the cache serves the next choice, and what cannot be is
// refused in words.
func TestFeaturesCommandLine(t *testing.T) {
	w := newWorld(t)
	model, cache := filepath.Join(w.dir, "deep"), filepath.Join(w.dir, "other")
	var trained map[string]any
	must(t, nil, "train", w.pictures, "--weights", w.trunk, "-o", filepath.Join(w.dir, "last"), "--cache", cache,
		"--features", "last")
	must(t, &trained, "train", w.pictures, "--weights", w.trunk, "-o", model, "--cache", cache, "--features", "all,quarters",
		"--json")
	if trained["embedded"] != 48.0 {
		t.Errorf("got %v embedded, want all 48: the cache has bottlenecks alone", trained["embedded"])
	}
	must(t, &trained, "train", w.pictures, "--weights", w.trunk, "-o", filepath.Join(w.dir, "auto"), "--cache", cache,
		"--json")
	if trained["embedded"] != 0.0 {
		t.Errorf("got %v embedded for another choice, want 0", trained["embedded"])
	}
	var chosen struct{ Training map[string]any }
	must(t, &chosen, "inspect", filepath.Join(w.dir, "auto"), "--json")
	if tried, ok := chosen.Training["features_search"].([]any); !ok || len(tried) != 5 || chosen.Training["features"] != "auto" {
		t.Errorf("without --features: got the settings %v, want five choices tried", chosen.Training)
	}
	var card struct {
		Features int
		Reads    inception.Features
		Training struct {
			Features string
		}
	}
	must(t, &card, "inspect", model, "--json")
	values := (&inception.Features{Blocks: inception.FeatureBlocks(), Statistics: []inception.Statistic{"quarters"}}).Length(
		0.25)
	if card.Features != values || len(card.Reads.Blocks) != 11 || card.Training.Features != "all,quarters" {
		t.Errorf("inspect: got %+v, want %d features of 11 blocks", card, values)
	}
	if o := must(t, nil, "inspect", model); !strings.Contains(o.stdout, "quarters of Mixed_5b to Mixed_7c") {
		t.Errorf("inspect does not say what the head reads:\n%s", o.stdout)
	}
	var scored map[string]any
	must(t, &scored, "evaluate", model, w.pictures, "--cache", cache, "--json")
	if scored["images"] != 48.0 {
		t.Errorf("evaluate: %v", scored)
	}
	checkServed(t, w, model, values)

	out := filepath.Join(w.dir, "deep.npy")
	var r map[string]any
	must(t, &r, "embed", w.pictures, "--weights", w.trunk, "--features", "all,quarters", "-o", out, "--json")
	if stat, err := os.Stat(out); err != nil || stat.Size() != int64(128+48*4*values) || r["features"] != float64(values) {
		t.Errorf("embed: %v, %v", r, err)
	}
	must(t, nil, "bench", "forward", "--weights", w.trunk, "--features", "mixed_7c,deviation", "--duration", "1ms")
	must(t, nil, "export", model, "-o", filepath.Join(w.dir, "m.onnx"))
	fails(t, []string{"export", model, "-o", filepath.Join(w.dir, "m.keras")}, "onnx")
	for _, args := range [][]string{
		{"embed", w.pictures, "--features", "auto", "-o", out}, {"bench", "forward", "--features", "nothing"},
	} {
		if o := command(t, args...); o.code != exitUsage || !strings.Contains(o.stderr, "features") {
			t.Errorf("%v: exit code %d, %s", args, o.code, o.stderr)
		}
	}
	fails(t, []string{"train", w.pictures, "--weights", w.trunk, "-o", filepath.Join(w.dir, "no"), "--cache", cache,
		"--features", "last", "--warm-start", model}, "--features")
}

// checkServed: serve's embedding has every value that the head reads, and its maps the finest block's
// cells.
func checkServed(t *testing.T, w world, model string, values int) {
	t.Helper()
	pictures, _, err := new(app).listPictures(t.Context(), []string{w.pictures})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(pictures[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	addr, stop := serveModel(t, model)
	defer stop()
	var answer struct {
		Embedding []float32
		Maps      []struct{ Cells [][]float32 }
	}
	if status := post(t, "http://"+addr+"/v1/explain?embedding=true", "image/jpeg", data, &answer); status != http.StatusOK {
		t.Fatalf("explain: status %d", status)
	}
	if len(answer.Embedding) != values {
		t.Errorf("got an embedding of %d values, want %d", len(answer.Embedding), values)
	}
	m, err := inception.OpenModel(model)
	if err != nil {
		t.Fatal(err)
	}
	if maps := answer.Maps; len(maps) == 0 || len(maps[0].Cells) != m.MapSide() || m.MapSide() < 4 {
		t.Errorf("got %d maps, want some with %d cells a side", len(maps), m.MapSide())
	}
}
