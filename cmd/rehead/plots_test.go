package main

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/c236555e/rehead/internal/draw"
)

// checkPlots trains the world's model again with --plots.
func checkPlots(t *testing.T, w world) {
	plots, again := filepath.Join(w.dir, "deep", "plots"), filepath.Join(w.dir, "plotted")
	args := []string{"train", w.pictures, "--weights", w.trunk, "-o", again, "--cache", filepath.Join(w.dir, "cache"),
		"--no-report", "--json", "--plots"}
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
		if svg := found[name]; !bytes.HasPrefix(svg, []byte("<svg ")) || !bytes.HasSuffix(svg, []byte("</svg>")) ||
			!bytes.Contains(svg, []byte(draw.Label(2))) {
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
	if o := command(t, append(args, plots, "--plot-format", "gif")...); o.code != exitUsage {
		t.Errorf("--plot-format gif: got exit code %d: %s", o.code, o.stderr)
	}
}

// checkEvaluationReport measures the world's model with --report and --plots.
func checkEvaluationReport(t *testing.T, w world) {
	plots, report := filepath.Join(w.dir, "measured"), filepath.Join(w.dir, "measured.html")
	args := []string{"evaluate", w.model, w.pictures, "--cache", filepath.Join(w.dir, "cache"), "--json"}
	must(t, nil, append(args, "--report", report, "--plots", plots, "--plot-format", "both")...)
	html, err := os.ReadFile(report)
	if err != nil || !bytes.HasPrefix(html, []byte("<!DOCTYPE html>")) ||
		!bytes.HasSuffix(bytes.TrimSpace(html), []byte("</html>")) || !bytes.Contains(html, []byte(draw.Label(2))) {
		t.Errorf("got a report of %d bytes, %v", len(html), err)
	}
	for _, name := range []string{"reliability", "confusion", "labels", "map"} {
		svg, err := os.ReadFile(filepath.Join(plots, name+".svg"))
		if err != nil || !bytes.HasSuffix(svg, []byte("</svg>")) {
			t.Errorf("%s.svg: got %d bytes, %v", name, len(svg), err)
		}
		file, err := os.Open(filepath.Join(plots, name+".png"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := png.Decode(file); err != nil {
			t.Errorf("%s.png: %v", name, err)
		}
		file.Close()
	}
	if files, err := os.ReadDir(plots); err != nil || len(files) != 8 {
		t.Errorf("got %d files, %v, want the four plots twice and nothing besides", len(files), err)
	}
	fails(t, append(args, "--report", filepath.Join(w.dir, "none", "r.html")), "does not exist")
	fails(t, append(args, "--report", w.dir), "is a folder")
	for _, path := range []string{plots, report} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
}
