package sagemaker

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, l Layout, text string, parts ...string) {
	t.Helper()
	path := l.Path(parts...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Contract 10: every client's spelling of the same values.
func TestHyperparametersInEverySpelling(t *testing.T) {
	l := Layout(t.TempDir())
	write(t, l, `{"raw":"sgd","quoted":"\"sgd\"","py":"True","js":"true","none":"None","null":"null","bare":0.5,"text":"0.5","jsontext":"\"0.5\"","path":"s3://b/k","zero":null,"list":"[1, 2]","empty":""}`,
		"input", "config", "hyperparameters.json")
	got, err := l.Hyperparameters()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"raw": "sgd", "quoted": "sgd", "py": "true", "js": "true", "bare": "0.5", "text": "0.5",
		"jsontext": "0.5", "path": "s3://b/k", "list": "[1, 2]", "empty": ""}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s: got %q, want %q", k, got[k], v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want the names of %v", got, want)
	}
}

// Contract 15: missing and empty files are no error.
func TestMissingAndEmptyFiles(t *testing.T) {
	l := Layout(t.TempDir())
	write(t, l, "", "input", "config", "hyperparameters.json")
	hyper, err1 := l.Hyperparameters()
	channels, err2 := l.Channels()
	hosts, err3 := l.Hosts()
	if err := errors.Join(err1, err2, err3); err != nil || len(hyper)+len(channels)+len(hosts.All) != 0 {
		t.Errorf("got %v, %v, %v, %v; want nothing and no error", hyper, channels, hosts, err)
	}
	write(t, l, "{", "input", "config", "resourceconfig.json")
	if _, err := l.Hosts(); err == nil || !strings.Contains(err.Error(), "resourceconfig.json") {
		t.Errorf("a broken file: got %v, want an error that names it", err)
	}
}

func TestChannels(t *testing.T) {
	l := Layout(t.TempDir())
	write(t, l, "x", "input", "data", "training", "a", "1.jpg")
	channels, err := l.Channels()
	if err != nil || channels["training"].Dir != l.Data("training") {
		t.Errorf("without a configuration: %v, %v", channels, err)
	}
	write(t, l, `{"train":{"TrainingInputMode":"FastFile"}}`, "input", "config", "inputdataconfig.json")
	if channels, err = l.Channels(); err != nil || len(channels) != 1 || channels["train"].Name != "train" {
		t.Errorf("FastFile: %v, %v", channels, err)
	}
	write(t, l, `{"train":{"TrainingInputMode":"Pipe","ContentType":"application/x-recordio","S3DistributionType":"ShardedByS3Key"},
		"test":{"TrainingInputMode":"Pipe","RecordWrapperType":"RecordIO"},"validation":{"TrainingInputMode":"Pipe","S3DistributionType":"FullyReplicated"}}`,
		"input", "config", "inputdataconfig.json")
	channels, err = l.Channels()
	if c := channels["train"]; err != nil || !c.Pipe() || !c.RecordIO() || !c.Sharded() {
		t.Errorf("RecordIO objects in Pipe mode: %+v, %v", c, err)
	}
	if c := channels["test"]; !c.Pipe() || !c.RecordIO() || c.Sharded() {
		t.Errorf("wrapped in Pipe mode: %+v", c)
	}
	if c := channels["validation"]; !c.Pipe() || c.RecordIO() || c.Sharded() {
		t.Errorf("plain Pipe mode: %+v", c)
	}
	write(t, l, `{"train":{"TrainingInputMode":"File","RecordWrapperType":"RecordIO"}}`, "input", "config", "inputdataconfig.json")
	if _, err := l.Channels(); err == nil || !strings.Contains(err.Error(), `"train"`) {
		t.Errorf("wrapped in File mode: got %v, want an error that names the channel", err)
	}
}

func TestApply(t *testing.T) {
	seen := map[string]string{}
	table := map[string]Setting{
		"seed":   {Set: func(v string) error { seen["seed"] = v; return nil }},
		"epochs": {Reason: "the head is solved to convergence"},
		"l2":     {Set: func(string) error { return errors.New("no number") }},
	}
	notes, err := Apply(map[string]string{"seed": "3", "epochs": "30", "_tuning_objective_metric": "x",
		"sagemaker_program": "y", "model_dir": "z"}, table)
	if err != nil || seen["seed"] != "3" || len(notes) != 1 || !strings.Contains(notes[0], "epochs=30") {
		t.Errorf("got %v, %v, %v", notes, seen, err)
	}
	if _, err := Apply(map[string]string{"sede": "3"}, table); err == nil || !strings.Contains(err.Error(), `did you mean "seed"`) {
		t.Errorf("an unknown name: got %v, want the nearest one", err)
	}
	if _, err := Apply(map[string]string{"l2": "x"}, table); err == nil || !strings.Contains(err.Error(), `"l2"`) {
		t.Errorf("a bad value: got %v, want an error that names it", err)
	}
}

// Contract 5: at most 1,024 characters, and the first reason stays.
func TestWriteFailure(t *testing.T) {
	l := Layout(t.TempDir())
	if err := l.WriteFailure(strings.Repeat("é", 2000)); err != nil {
		t.Fatal(err)
	}
	if err := l.WriteFailure("later"); err != nil { // of the same run
		t.Fatal(err)
	}
	got, err := os.ReadFile(l.Failure())
	if err != nil || string(got) != strings.Repeat("é", 1024) {
		t.Errorf("got %d bytes, %v; want the first 1,024 characters of the first reason", len(got), err)
	}
	if err := errors.Join(l.ClearFailure(), l.ClearFailure(), l.WriteFailure("next run")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(l.Failure()); err != nil || string(got) != "next run" {
		t.Errorf("a later run: got %q, %v", got, err)
	}
}
