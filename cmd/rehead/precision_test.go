package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestInt8FromPicturesToAnswers trains an int8 model and uses it with every command, on a narrow
// trunk.
func TestInt8FromPicturesToAnswers(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	w := newWorld(t)
	model, cache := filepath.Join(w.dir, "int8"), filepath.Join(w.dir, "cache")
	var trained struct {
		Embedded, Cached int
		TestAccuracy     float64 `json:"test_accuracy"`
	}
	args := []string{"train", w.pictures, "--weights", w.trunk, "--precision", "int8", "--cache", cache, "--json", "-o"}
	must(t, &trained, append(args, model)...)
	if trained.Embedded != 48 || trained.Cached != 0 {
		t.Errorf("embedded %d, cached %d: want 48 and none of float32's", trained.Embedded, trained.Cached)
	}
	if trained.TestAccuracy < 0.6 {
		t.Errorf("test accuracy %v, want at least 0.6", trained.TestAccuracy)
	}
	must(t, &trained, append(args, filepath.Join(w.dir, "again"), "--warm-start", model)...)
	if trained.Embedded != 0 || trained.Cached != 48 {
		t.Errorf("again: embedded %d, cached %d: want 0 and 48", trained.Embedded, trained.Cached)
	}
	var card struct {
		Precision string
		Trunk     string `json:"trunk_digest"`
	}
	must(t, &card, "inspect", model, "--json")
	if card.Precision != "int8" {
		t.Errorf("inspect: precision %q, want int8", card.Precision)
	}
	var scored struct {
		TestAccuracy float64 `json:"test_accuracy"`
	}
	must(t, &scored, "evaluate", model, w.pictures, "--cache", "none", "--precision", "int8", "--json")
	if scored.TestAccuracy != trained.TestAccuracy {
		t.Errorf("evaluate: test accuracy %v, in training %v", scored.TestAccuracy, trained.TestAccuracy)
	}
	pictures, _, err := new(app).listPictures(t.Context(), []string{w.pictures})
	if err != nil {
		t.Fatal(err)
	}
	a, b := must(t, nil, "predict", model, pictures[0].Path, "--json"),
		must(t, nil, "predict", model, pictures[0].Path, "--json", "--kernel", "ref")
	if a.stdout != b.stdout || !strings.Contains(a.stdout, `"predictions"`) {
		t.Errorf("predict: %q with the best kernel, %q in plain Go", a.stdout, b.stdout)
	}
	var embedded struct{ Precision string }
	must(t, &embedded, "embed", w.pictures, "--weights", w.trunk, "--precision", "int8", "-o",
		filepath.Join(w.dir, "f.npy"), "--json")
	if embedded.Precision != "int8" {
		t.Errorf("embed: precision %q", embedded.Precision)
	}
	var bench struct {
		Precision string
		Profile   []struct{ Algorithm string }
	}
	must(t, &bench, "bench", "forward", "--weights", w.trunk, "--precision", "int8", "--duration", "1ms", "--profile",
		"--json")
	if bench.Precision != "int8" || len(bench.Profile) == 0 || !strings.HasPrefix(bench.Profile[1].Algorithm, "int8") {
		t.Errorf("bench: %+v", bench)
	}
	fails(t, []string{"predict", model, pictures[0].Path, "--precision", "float32"}, "trained on bottlenecks of int8")
	fails(t, []string{"predict", w.model, pictures[0].Path, "--precision", "int8"}, "trained on bottlenecks of float32")
	fails(t, []string{"train", w.pictures, "--weights", w.trunk, "--cache", cache, "-o", filepath.Join(w.dir, "no"),
		"--warm-start", model}, "precision")
	must(t, nil, "export", model, "-o", filepath.Join(w.dir, "m.onnx"))
	fails(t, []string{"export", model, "-o", filepath.Join(w.dir, "m.keras")}, "float32")
	if o := command(t, "embed", w.pictures, "-o", "f.npy", "--precision", "int4"); o.code != exitUsage ||
		!strings.Contains(o.stderr, "int4") {
		t.Errorf("--precision int4: exit code %d, %s", o.code, o.stderr)
	}
}
