package main

import (
	"testing"

	"github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/internal/opentest"
)

// TestRefusalOpensOnce: weights without a classifier are read once until predict refuses them.
func TestRefusalOpensOnce(t *testing.T) {
	w, err := embedded.Weights()
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/trunk.safetensors"
	if err := w.Write(path, ""); err != nil {
		t.Fatal(err)
	}
	opened := opentest.Count(t, path, func() {
		fails(t, []string{"predict", path, "x.jpg"}, path, "has no classifier: use it as the trunk of rehead train")
	})
	if opened != 1 {
		t.Errorf("the file was opened %d times, want once", opened)
	}
}
