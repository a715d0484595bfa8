package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/c236555e/rehead/inception"
)

func TestExport(t *testing.T) {
	dir := t.TempDir()
	w, err := inception.Random(inception.RandomConfig{Width: 0.1, Size: 96, Classes: 2})
	if err != nil {
		t.Fatal(err)
	}
	m, err := inception.ModelFromWeights(w)
	if err != nil {
		t.Fatal(err)
	}
	m.Labels = []string{"daisy", "rose"}
	folder, lean := filepath.Join(dir, "m"), filepath.Join(dir, "lean")
	if err := m.Save(folder, inception.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := m.Save(lean, inception.SaveOptions{NoTrunk: true}); err != nil {
		t.Fatal(err)
	}
	trunk := filepath.Join(dir, "trunk.safetensors")
	if err := w.Write(trunk, "f32"); err != nil {
		t.Fatal(err)
	}

	packed, graph := filepath.Join(dir, "model.tar.gz"), filepath.Join(dir, "model.onnx")
	var card modelCard
	must(t, nil, "export", folder, "-o", packed, "--dtype", "f16")
	must(t, &card, "inspect", packed, "--json")
	if len(card.Labels) != 2 || !card.HasTrunk {
		t.Errorf("inspect says %+v of the packed model", card)
	}
	var e exported
	must(t, &e, "export", lean, "--weights", trunk, "-o", graph, "--json")
	if info, err := os.Stat(graph); err != nil || info.Size() != e.Bytes || e.Format != "onnx" {
		t.Errorf("export --json says %+v, the file is %v, %v", e, info, err)
	}
	for _, name := range []string{"model.keras", "model.tflite"} {
		must(t, &e, "export", folder, "-o", filepath.Join(dir, name), "--json")
		must(t, &card, "inspect", filepath.Join(dir, name), "--json")
		if len(card.Labels) != 2 || card.Labels[1] != "rose" || "."+e.Format != filepath.Ext(name) {
			t.Errorf("%s: inspect says %+v, export %+v", name, card, e)
		}
	}
	must(t, &e, "export", folder, "-o", filepath.Join(dir, "trunk.onnx"), "--trunk-only", "--json")
	fails(t, []string{"predict", filepath.Join(dir, "trunk.onnx"), "x.png"}, "no classifier")
	fails(t, []string{"export", folder, "-o", filepath.Join(dir, "x.safetensors"), "--names", "keras"}, ".keras")
	fails(t, []string{"export", lean, "-o", filepath.Join(dir, "x.onnx")}, "trunk")
	fails(t, []string{"export", folder, "-o", filepath.Join(dir, "none", "x.onnx")}, "none")
	for _, args := range [][]string{
		{"export", folder}, {"export", folder, "-o", "m.pb"}, {"export", folder, "-o", graph, "--no-trunk"},
		{"export", folder, "-o", graph, "--format", "h5"}, {"export", folder, "-o", "x.safetensors"},
		{"export", folder, "-o", graph, "--names", "keras"}, {"export", folder, "-o", "x.keras", "--precision", "int8"},
		{"export", folder, "-o", "x.safetensors", "--names", "timm"}, {"export", folder, "-o", graph, "--calibrate", "d"},
		{"export", folder, "-o", packed, "--trunk-only"}, {"export", folder, "-o", graph, "--precision", "int8"},
	} {
		if o := command(t, args...); o.code != exitUsage {
			t.Errorf("%v: exit code %d, want %d", args, o.code, exitUsage)
		}
	}
}
