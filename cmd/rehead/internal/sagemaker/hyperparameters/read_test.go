package hyperparameters

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout/layouttest"
)

// Contract 10: every client's spelling of the same values.
func TestHyperparametersInEverySpelling(t *testing.T) {
	l := layout.Tree(t.TempDir())
	layouttest.Config(t, l, "hyperparameters.json", `{
		"raw":"sgd","quoted":"\"sgd\"","py":"True","js":"true","none":"None","null":"null","bare":0.5,"text":"0.5",
		"jsontext":"\"0.5\"","path":"s3://b/k","zero":null,"list":"[1, 2]","empty":"",
		"words":"[\"flip\", \"crop=0.1\"]","array":["flip",true,0.5],"none of it":"[]","nested":"[[1],2]",
		"comma":"[\"a,b\"]","object":"{\"a\": 1}","gap":"[null]"}`)
	got, err := Read(l)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"raw": "sgd", "quoted": "sgd", "py": "true", "js": "true", "bare": "0.5", "text": "0.5",
		"jsontext": "0.5", "path": "s3://b/k", "list": "1,2", "empty": "", "words": "flip,crop=0.1", "array": "flip,true,0.5", "none of it": "",
		"nested": "[[1],2]", "comma": `["a,b"]`, "object": `{"a": 1}`, "gap": "[null]"}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s: got %q, want %q", k, got[k], v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want the names of %v", got, want)
	}
}

// Contract 15: a missing and an empty file are not errors.
func TestMissingAndEmptyFiles(t *testing.T) {
	l := layout.Tree(t.TempDir())
	if got, err := Read(l); err != nil || len(got) != 0 {
		t.Errorf("missing: got %v, %v; want nothing and no error", got, err)
	}
	layouttest.Config(t, l, "hyperparameters.json", "")
	if got, err := Read(l); err != nil || len(got) != 0 {
		t.Errorf("empty: got %v, %v; want nothing and no error", got, err)
	}
}

// FuzzHyperparameters: any file is an error that names it, or plain settings under names without
// hyphens.
func FuzzHyperparameters(f *testing.F) {
	for _, text := range []string{`{"a":"1","b-c":"\"sgd\"","d":null}`, `{"a":"\"\\\"x\\\"\""}`,
		`{"a-b":"1","a_b":"2"}`, `[]`, `{"a":{"b":1}}`, ""} {
		f.Add([]byte(text))
	}
	l := layout.Tree(f.TempDir())
	path := l.Path("input", "config", "hyperparameters.json")
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		values, err := Read(l)
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
	l := layout.Tree(t.TempDir())
	layouttest.Config(t, l, "hyperparameters.json", `{"label-smoothing":"0.1"}`)
	if got, err := Read(l); err != nil || got["label_smoothing"] != "0.1" {
		t.Errorf("got %v, %v", got, err)
	}
	layouttest.Config(t, l, "hyperparameters.json", `{"label-smoothing":"0.1","label_smoothing":"0.2"}`)
	if _, err := Read(l); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a name in both spellings: got %v, want an error", err)
	}
}

// What is not an object of settings, and a setting that comes twice, are told in words.
func TestRegression_HyperparametersInWords(t *testing.T) {
	for text, want := range map[string]string{
		`["a"]`:                   `want a JSON object of settings, such as {"seed": "7"}`,
		`"seed"`:                  `want a JSON object of settings`,
		`{"seed":"1","seed":"2"}`: `"seed" is given twice`,
	} {
		l := layout.Tree(t.TempDir())
		layouttest.Config(t, l, "hyperparameters.json", text)
		if got, err := Read(l); err == nil || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), "hyperparameters.json") {
			t.Errorf("%s: got %v, %v, want %q", text, got, err, want)
		}
	}
	l := layout.Tree(t.TempDir())
	layouttest.Config(t, l, "hyperparameters.json", "\ufeff{\"seed\":\"1\"}")
	if got, err := Read(l); err != nil || got["seed"] != "1" {
		t.Errorf("with a byte order mark: got %v, %v", got, err)
	}
	layouttest.Config(t, l, "hyperparameters.json", "null")
	if got, err := Read(l); err != nil || len(got) != 0 {
		t.Errorf("null: got %v, %v, want no settings", got, err)
	}
}
