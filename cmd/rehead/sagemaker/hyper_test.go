package sagemaker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzHyperparameters: whatever the file holds is an error that names it, or plain settings under
// names without hyphens.
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

// What is no object of settings, and a setting that comes twice, are told in words.
func TestRegression_HyperparametersInWords(t *testing.T) {
	for text, want := range map[string]string{
		`["a"]`:                   `want a JSON object of settings, such as {"seed": "7"}`,
		`"seed"`:                  `want a JSON object of settings`,
		`{"seed":"1","seed":"2"}`: `"seed" is given twice`,
	} {
		l := Layout(t.TempDir())
		write(t, l, text, "input", "config", "hyperparameters.json")
		if got, err := l.Hyperparameters(); err == nil || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), "hyperparameters.json") {
			t.Errorf("%s: got %v, %v, want %q", text, got, err, want)
		}
	}
	l := Layout(t.TempDir())
	write(t, l, "\ufeff{\"seed\":\"1\"}", "input", "config", "hyperparameters.json")
	if got, err := l.Hyperparameters(); err != nil || got["seed"] != "1" {
		t.Errorf("with a byte order mark: got %v, %v", got, err)
	}
	write(t, l, "null", "input", "config", "hyperparameters.json")
	if got, err := l.Hyperparameters(); err != nil || len(got) != 0 {
		t.Errorf("null: got %v, %v, want no settings", got, err)
	}
}

// Names that every job refuses are neither proposed nor listed.
func TestRegression_RefusedNamesAreNotProposed(t *testing.T) {
	set := func(string) error { return nil }
	table := map[string]Setting{"output": {Set: set, Refuse: true}, "other": {Set: set}}
	_, err := Apply(map[string]string{"outputs": "x"}, table)
	if err == nil || strings.Contains(err.Error(), `"output"`) || !strings.HasSuffix(err.Error(), "Known are other") {
		t.Errorf("got %v", err)
	}
}

// A host that is none of its job's trains nothing, however many there are.
func TestRegression_HostsHoldThisOne(t *testing.T) {
	for text, ok := range map[string]bool{
		`{"current_host":"b","hosts":["a"]}`: false, `{"current_host":"b","hosts":["a","c"]}`: false, `{"hosts":["a","c"]}`: false,
		`{"current_host":"a","hosts":["a"]}`: true, `{"current_host":"a"}`: true, `{"hosts":["a"]}`: true, `{}`: true,
	} {
		l := Layout(t.TempDir())
		write(t, l, text, "input", "config", "resourceconfig.json")
		if got, err := l.Hosts(); (err == nil) != ok {
			t.Errorf("%s: got %+v, %v, want it to work: %v", text, got, err, ok)
		}
	}
	l := Layout(t.TempDir())
	write(t, l, `{"hosts":"a"}`, "input", "config", "resourceconfig.json")
	if _, err := l.Hosts(); err == nil || strings.Contains(err.Error(), "Go ") || !strings.Contains(err.Error(), `"hosts"`) {
		t.Errorf("got %v, want the field and no Go type", err)
	}
}
