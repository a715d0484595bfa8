package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/nn"
)

// TestPrecisionFromPicturesToAnswers trains models of int8 and of bfloat16 and uses them with every
// command, on a narrow trunk.
func TestPrecisionFromPicturesToAnswers(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	for _, precision := range []string{"int8", "bfloat16"} {
		t.Run(precision, func(t *testing.T) { fromPicturesToAnswers(t, precision) })
	}
}

func fromPicturesToAnswers(t *testing.T, precision string) {
	w := newWorld(t)
	model, cache := filepath.Join(w.dir, precision), filepath.Join(w.dir, "cache")
	var trained struct {
		Embedded, Cached int
		TestAccuracy     float64 `json:"test_accuracy"`
	}
	args := []string{"train", w.pictures, "--weights", w.trunk, "--precision", precision, "--cache", cache,
		"--features", "last", "--json", "-o"} // which every file can hold
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
	if card.Precision != precision {
		t.Errorf("inspect: precision %q, want %s", card.Precision, precision)
	}
	var scored struct {
		TestAccuracy float64 `json:"test_accuracy"`
	}
	must(t, &scored, "evaluate", model, w.pictures, "--cache", "none", "--precision", precision, "--json")
	if scored.TestAccuracy != trained.TestAccuracy {
		t.Errorf("evaluate: test accuracy %v, in training %v", scored.TestAccuracy, trained.TestAccuracy)
	}
	pictures, _, err := new(app).listPictures(t.Context(), []string{w.pictures})
	if err != nil {
		t.Fatal(err)
	}
	a, b := must(t, nil, "predict", model, pictures[0].Path, "--json"),
		must(t, nil, "predict", model, pictures[0].Path, "--json", "--kernel", "ref")
	if precision == "int8" && a.stdout != b.stdout || !strings.Contains(a.stdout, `"predictions"`) {
		t.Errorf("predict: %q with the best kernel, %q in plain Go", a.stdout, b.stdout)
	}
	for _, k := range nn.Kernels() {
		c := must(t, nil, "predict", model, pictures[0].Path, "--json", "--kernel", k)
		own := []string{"amx", "bf16"}
		other := k == "ref" || slices.Contains(own, k) || slices.Contains(own, nn.Kernels()[0]) // in rounding
		if (precision == "int8" || !other) && a.stdout != c.stdout {
			t.Errorf("predict: %q with %s, %q with %s", a.stdout, nn.Kernels()[0], c.stdout, k)
		}
	}
	var embedded struct{ Precision string }
	must(t, &embedded, "embed", w.pictures, "--weights", w.trunk, "--precision", precision, "-o",
		filepath.Join(w.dir, "f.npy"), "--json")
	if embedded.Precision != precision {
		t.Errorf("embed: precision %q", embedded.Precision)
	}
	var bench struct {
		Precision string
		Profile   []struct{ Algorithm string }
	}
	must(t, &bench, "bench", "forward", "--weights", w.trunk, "--precision", precision, "--duration", "1ms", "--profile",
		"--json")
	if bench.Precision != precision || len(bench.Profile) == 0 {
		t.Errorf("bench: %+v", bench)
	}
	for _, other := range []string{"float32", "bfloat16"} {
		o := must(t, nil, "predict", model, pictures[0].Path, "--json", "--precision", other)
		if noted := strings.Contains(o.stderr, "was trained on bottlenecks of "+precision); noted != (other != precision) {
			t.Errorf("predict a model of %s with %s: said %q", precision, other, o.stderr)
		}
	}
	fails(t, []string{"predict", w.model, pictures[0].Path, "--precision", "int8"}, "train with int8")
	fails(t, []string{"train", w.pictures, "--weights", w.trunk, "--cache", cache, "-o", filepath.Join(w.dir, "no"),
		"--warm-start", model}, "precision")
	must(t, nil, "export", model, "-o", filepath.Join(w.dir, "m.onnx"))
	if precision == "int8" {
		fails(t, []string{"export", model, "-o", filepath.Join(w.dir, "m.keras")}, "float32")
	} else {
		must(t, nil, "export", model, "-o", filepath.Join(w.dir, "m.keras"))
		o := command(t, "export", model, "-o", filepath.Join(w.dir, "n.onnx"), "--precision", "bfloat16")
		if o.code != exitUsage || !strings.Contains(o.stderr, "narrows") {
			t.Errorf("export --precision bfloat16: exit code %d, %s", o.code, o.stderr)
		}
	}
	if o := command(t, "embed", w.pictures, "-o", "f.npy", "--precision", "int4"); o.code != exitUsage ||
		!strings.Contains(o.stderr, "int4") {
		t.Errorf("--precision int4: exit code %d, %s", o.code, o.stderr)
	}
}
