package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// checkEvents trains the world's model again with --tensorboard.
func checkEvents(t *testing.T, w world) {
	events, again := filepath.Join(w.dir, "events", "run"), filepath.Join(w.dir, "watched")
	args := []string{"train", w.pictures, "--weights", w.trunk, "-o", again, "--cache", filepath.Join(w.dir, "cache"),
		"--json", "--tensorboard"}
	must(t, nil, append(args, events)...)
	for _, name := range []string{"head.safetensors", "model.json", "metrics.json", "report.html"} {
		one, err := os.ReadFile(filepath.Join(w.model, name))
		if err != nil {
			t.Fatal(err)
		}
		if two, err := os.ReadFile(filepath.Join(again, name)); err != nil || !bytes.Equal(one, two) {
			t.Errorf("%s differs with --tensorboard (%v)", name, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(events, "events.out.tfevents.*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("got the files %q (%v), want one", files, err)
	}
	file, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"train/loss", "validation/loss", "train/accuracy", "validation/accuracy",
		"final/train_accuracy", "final/validation_log_loss", "final/ece", "head/weights", "head/biases"} {
		if !bytes.Contains(file, []byte(tag)) {
			t.Errorf("the events have nothing called %s", tag)
		}
	}
	tag := []byte("final/test_accuracy") // then the key of simple_value and its four bytes
	_, rest, _ := bytes.Cut(file, tag)
	if len(rest) < 5 || rest[0] != 2<<3|5 {
		t.Fatalf("%s has no value", tag)
	}
	if got, want := math.Float32frombits(uint32(rest[1])|uint32(rest[2])<<8|uint32(rest[3])<<16|uint32(rest[4])<<24),
		w.trained["test_accuracy"].(float64); got != float32(want) {
		t.Errorf("%s: got %g, want %g", tag, got, want)
	}
	if err := os.RemoveAll(again); err != nil {
		t.Fatal(err)
	}
	fails(t, append(args, w.trunk), "tensorboard", w.trunk)
	if _, err := os.Stat(again); !os.IsNotExist(err) {
		t.Errorf("a run whose events have no folder left a model: %v", err)
	}
}
