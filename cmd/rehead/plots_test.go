package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/c236555e/rehead/dataset/draw"
)

// checkPlots trains the world's model again with --plots.
func checkPlots(t *testing.T, w world) {
	plots, again := filepath.Join(w.dir, "deep", "plots"), filepath.Join(w.dir, "plotted")
	args := []string{"train", w.pictures, "--weights", w.trunk, "-o", again, "--cache", filepath.Join(w.dir, "cache"), "--no-report", "--json", "--plots"}
	must(t, nil, append(args, plots)...)
	files, err := os.ReadDir(plots)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]byte{}
	for _, f := range files {
		if found[f.Name()], err = os.ReadFile(filepath.Join(plots, f.Name())); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"confusion.svg", "labels.svg", "map.svg"} {
		if svg := found[name]; !bytes.HasPrefix(svg, []byte("<svg ")) || !bytes.HasSuffix(svg, []byte("</svg>")) || !bytes.Contains(svg, []byte(draw.Label(2))) {
			t.Errorf("%s: got %d bytes, want a whole SVG with the label %s", name, len(svg), draw.Label(2))
		}
	}
	if len(found["loss.svg"]) == 0 || len(found["reliability.svg"]) == 0 || len(found) != 6 {
		t.Errorf("got %d files, want the six plots and nothing besides", len(found))
	}
	if err := os.RemoveAll(again); err != nil {
		t.Fatal(err)
	}
	fails(t, append(args, w.trunk), "--plots", w.trunk)
}
