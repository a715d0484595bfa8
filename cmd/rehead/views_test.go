package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/draw"
)

// TestViews: train keeps in the model how many views answers are the mean of; predict and evaluate take
// that number, or the flag's, and the picture alone where the flag is 1.
func TestViews(t *testing.T) {
	dir := t.TempDir()
	pictures, model := filepath.Join(dir, "pictures"), filepath.Join(dir, "model")
	if err := draw.Folder(pictures, 3, 6, 1); err != nil {
		t.Fatal(err)
	}
	must(t, nil, "train", pictures, "--weights", narrow(t, dir), "-o", model, "--cache", "none", "--answer-views", "4",
		"--no-report")
	image := filepath.Join(pictures, draw.Label(0), "0000.jpg")
	said := map[string]prediction{}
	for _, views := range []string{"0", "1", "4"} {
		var p prediction
		must(t, &p, "predict", model, image, "--format", "json", "--views", views)
		said[views] = p
	}
	first := func(views string) float64 { return said[views].Predictions[0].Probability }
	if first("0") != first("4") || first("0") == first("1") {
		t.Errorf("got %v, %v and %v, want those of no flag and of 4 alike and that of 1 not", first("0"), first("4"), first("1"))
	}
	var several, alone struct {
		LogLoss float64 `json:"log_loss"`
	}
	must(t, &several, "evaluate", model, pictures, "--cache", "none", "--json")
	must(t, &alone, "evaluate", model, pictures, "--cache", "none", "--json", "--views", "1")
	if several == alone {
		t.Errorf("evaluations of 4 views and of one are the same: %+v", several)
	}
	o := command(t, "predict", model, image, "--views", "99")
	if o.code != exitUsage || !strings.Contains(o.stderr, "99") {
		t.Errorf("99 views: exit code %d, %s", o.code, o.stderr)
	}
}
