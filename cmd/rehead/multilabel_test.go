package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
	"github.com/c236555e/rehead/internal/draw"
)

// TestMultiLabel goes from drawn pictures of any number of shapes to answers over HTTP.
func TestMultiLabel(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	dir := t.TempDir()
	trunk, pictures, model, cache := narrow(t, dir), filepath.Join(dir, "pictures"), filepath.Join(dir, "model"),
		filepath.Join(dir, "cache")
	list := filepath.Join(pictures, "labels.csv")
	if err := draw.MultiLabel(pictures, 4, 200, 3); err != nil {
		t.Fatal(err)
	}
	var trained struct {
		Test       float64 `json:"test_accuracy"`
		Report     any     `json:"report"`
		MultiLabel struct {
			Subset float64 `json:"subset_accuracy"`
			Micro  float64 `json:"micro_f1"`
		} `json:"multi_label"`
		PerClass []struct {
			Threshold *float64 `json:"threshold"`
		} `json:"per_class"`
	}
	args := []string{"train", list, "--weights", trunk, "-o", model, "--cache", cache}
	fails(t, args, "label: is empty")
	must(t, &trained, append(args, "--multi-label", "--l2", "auto", "--folds", "3", "--class-weights", "balanced",
		"--json")...)
	if trained.Test != trained.MultiLabel.Subset || trained.MultiLabel.Micro < 0.62 || trained.Report == nil ||
		len(trained.PerClass) != 4 || trained.PerClass[3].Threshold == nil {
		t.Errorf("train --json: got %+v", trained)
	}
	var evaluated struct {
		MultiLabel struct {
			Micro float64 `json:"micro_f1"`
		} `json:"multi_label"`
	}
	must(t, &evaluated, "evaluate", model, list, "--part", "test", "--cache", cache, "--json")
	if evaluated.MultiLabel.Micro != trained.MultiLabel.Micro {
		t.Errorf("evaluate: micro F1 %v, in training %v", evaluated.MultiLabel.Micro, trained.MultiLabel.Micro)
	}
	fails(t, []string{"evaluate", model, list, "--cache", cache, "--min-accuracy", "1"}, "whose every label is right")
	measured := filepath.Join(filepath.Dir(model), "measured.html")
	must(t, nil, "evaluate", model, list, "--part", "test", "--cache", cache, "--json", "--report", measured)
	for _, path := range []string{filepath.Join(model, "report.html"), measured} {
		if html, err := os.ReadFile(path); err != nil || !strings.Contains(string(html), `<section id="several"`) {
			t.Errorf("%s: got %d bytes, %v, want a report with its section on several labels", path, len(html), err)
		}
	}
	var card struct {
		MultiLabel bool      `json:"multi_label"`
		Thresholds []float64 `json:"thresholds"`
	}
	must(t, &card, "inspect", model, "--json")
	if !card.MultiLabel || len(card.Thresholds) != 4 {
		t.Fatalf("inspect: got %+v", card)
	}

	t.Run("predict and serve give the labels", func(t *testing.T) { givesLabels(t, model, list, card.Thresholds) })
	onnx := filepath.Join(dir, "m.onnx")
	must(t, nil, "export", model, "-o", onnx)
	data, err := os.ReadFile(onnx)
	if err != nil || !strings.Contains(string(data), "Sigmoid") || !strings.Contains(string(data), "thresholds") {
		t.Errorf("export: no sigmoid or thresholds in the file, %v", err)
	}
	var checked struct {
		Trainable bool `json:"trainable"`
	}
	if must(t, &checked, "doctor", list, "--multi-label", "--weights", trunk, "--cache", cache,
		"--json"); !checked.Trainable {
		t.Error("doctor: it cannot be trained on")
	}
}

// givesLabels holds predict and serve to the thresholds, and to each other.
func givesLabels(t *testing.T, model, list string, thresholds []float64) {
	var predicted, served struct {
		Labels      []string `json:"labels"`
		Predictions []struct {
			Label       string  `json:"label"`
			Probability float64 `json:"probability"`
		} `json:"predictions"`
	}
	var card modelCard
	must(t, &card, "inspect", model, "--json")
	addr, stop := serveModel(t, model)
	sizes := map[int]bool{}
	for i := range 12 {
		picture := filepath.Join(filepath.Dir(list), fmt.Sprintf("%04d.jpg", i))
		data, err := os.ReadFile(picture)
		if err != nil {
			t.Fatal(err)
		}
		served.Labels, served.Predictions, predicted.Labels, predicted.Predictions = nil, nil, nil, nil
		must(t, &predicted, "predict", model, picture, "--json")
		if status := post(t, "http://"+addr+"/invocations", "image/jpeg", data, &served); status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
		want := []string{}
		for _, p := range predicted.Predictions {
			if p.Probability >= thresholds[slices.Index(card.Labels, p.Label)] {
				want = append(want, p.Label)
			}
		}
		if predicted.Labels == nil || !slices.Equal(predicted.Labels, want) || !slices.Equal(served.Labels, want) ||
			!slices.Equal(served.Predictions, predicted.Predictions) {
			t.Errorf("%s: predict %+v, serve %+v, want the labels %v", picture, predicted, served, want)
		}
		sizes[len(want)] = true
	}
	if len(sizes) < 3 {
		t.Errorf("pictures get these numbers of labels: %v, want several", sizes)
	}
	if o := stop(); o.code != exitDone {
		t.Errorf("serve ended with code %d: %s", o.code, o.stderr)
	}
}

// TestMultiLabelJob trains a SageMaker job on a .lst file of yes and no for each class, as
// the built-in image classification has it.
func TestMultiLabelJob(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	l := layout.Tree(t.TempDir())
	if err := draw.MultiLabel(l.Data("train"), 3, 60, 3); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(filepath.Join(l.Data("train"), "labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil || file.Close() != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i, row := range rows[1:] {
		fmt.Fprintf(&b, "%d", i)
		for class := range 3 {
			has := 0
			if slices.Contains(strings.Split(row[1], "|"), draw.Label(class)) {
				has = 1
			}
			fmt.Fprintf(&b, "\t%d", has)
		}
		fmt.Fprintf(&b, "\t%s\n", row[0])
	}
	if err := os.Remove(file.Name()); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{l.Data("train_lst"), l.Data("weights"), l.Path("input", "config"), l.Model()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	narrow(t, l.Data("weights"))
	hyper, err := json.Marshal(map[string]string{"multi_label": "1", "num_classes": "3"})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		filepath.Join(l.Data("train_lst"), "train.lst"):   b.String(),
		l.Path("input", "config", "hyperparameters.json"): string(hyper),
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if o := inContainer(t, string(l), "train"); o.code != exitDone || !strings.Contains(o.stderr, "validation:accuracy=") {
		t.Fatalf("code %d: %s", o.code, o.stderr)
	}
	var card modelCard
	must(t, &card, "inspect", l.Model(), "--json")
	if !card.MultiLabel || !slices.Equal(card.Labels, []string{"0", "1", "2"}) {
		t.Errorf("got %+v", card)
	}
}
