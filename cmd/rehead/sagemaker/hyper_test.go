package sagemaker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzHyperparameters: whatever the file holds is an error that names it, or plain settings under names without hyphens.
func FuzzHyperparameters(f *testing.F) {
	for _, text := range []string{`{"a":"1","b-c":"\"sgd\"","d":null}`, `{"a":"\"\\\"x\\\"\""}`, `{"a-b":"1","a_b":"2"}`, `[]`, `{"a":{"b":1}}`, ""} {
		f.Add([]byte(text))
	}
	l := Layout(f.TempDir())
	path := l.Path("input", "config", "hyperparameters.json")
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		values, err := l.Hyperparameters()
		if err != nil && !strings.Contains(err.Error(), "hyperparameters.json") {
			t.Errorf("got %v, want an error that names the file", err)
		}
		for name, value := range values {
			if strings.Contains(name, "-") || value == "None" || value == "True" {
				t.Errorf("got %q=%q", name, value)
			}
		}
	})
}

// A name may be written as its flag is, but once.
func TestHyphens(t *testing.T) {
	l := Layout(t.TempDir())
	write(t, l, `{"label-smoothing":"0.1"}`, "input", "config", "hyperparameters.json")
	if got, err := l.Hyperparameters(); err != nil || got["label_smoothing"] != "0.1" {
		t.Errorf("got %v, %v", got, err)
	}
	write(t, l, `{"label-smoothing":"0.1","label_smoothing":"0.2"}`, "input", "config", "hyperparameters.json")
	if _, err := l.Hyperparameters(); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a name in both spellings: got %v, want an error", err)
	}
}
