package train

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/train/head"
)

// multiLabelShapes lists drawn pictures of any number of four shapes.
func multiLabelShapes(t testing.TB, n int) *dataset.Folder {
	t.Helper()
	dir := t.TempDir()
	if err := draw.MultiLabel(dir, 4, n, 3); err != nil {
		t.Fatal(err)
	}
	f, err := dataset.ReadManifest(filepath.Join(dir, "labels.csv"), dataset.ManifestConfig{MultiLabel: true})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestRunMultiLabel trains, searches for L2, saves, opens and evaluates a model of pictures
// with any number of labels.
func TestRunMultiLabel(t *testing.T) {
	f, w := multiLabelShapes(t, 300), narrow(t)
	cache := t.TempDir()
	cfg := Config{Folds: 3, ClassWeights: ClassWeights{Balanced: true}, Neighbours: 8, Unknown: 0.1,
		Split: dataset.SplitConfig{Validation: 0.2, Test: 0.2}, Options: head.Options{L2: -1},
		EmbedConfig: EmbedConfig{CacheDir: cache}}
	res, err := Run(context.Background(), f, w, cfg)
	if err != nil {
		t.Fatal(err)
	}
	m := res.Metrics.MultiLabel
	if m == nil || !res.Model.MultiLabel() || len(res.Model.Thresholds) != 4 || res.Model.Unknown != nil ||
		res.Metrics.LabelErrors != nil {
		t.Fatalf("got metrics %+v, thresholds %v", m, res.Model.Thresholds)
	}
	var said Settings
	if err := json.Unmarshal(res.Model.Training, &said); err != nil || said.Features != FeaturesAuto || len(said.Tried) != 5 {
		t.Errorf("features %q, %d choices tried, %v; want five, as without words about it", said.Features, len(said.Tried), err)
	}
	// Of shapes that are there two times in five, answering none is right for a picture in eight,
	// and answering all has a micro F1 of 0.57, a mean AP of 0.4.
	if m.SubsetAccuracy < 0.2 || m.MicroF1 < 0.62 || m.MeanAP < 0.6 {
		t.Errorf("subset accuracy %.3f, micro F1 %.3f, mean AP %.3f: it has learnt nothing", m.SubsetAccuracy, m.MicroF1,
			m.MeanAP)
	}
	if len(res.Model.Neighbours.Pictures) != 8 {
		t.Errorf("%d training pictures are kept, want 8", len(res.Model.Neighbours.Pictures))
	}
	checkMultiLabelReport(t, res)
	dir := filepath.Join(t.TempDir(), "model")
	if err := res.Model.Save(dir, inception.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	opened, err := inception.OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Evaluate(context.Background(), opened, f,
		EvaluateConfig{Part: "test", EmbedConfig: EmbedConfig{CacheDir: cache}})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.MultiLabel, m) || got.Test.LogLoss != res.Metrics.Test.LogLoss {
		t.Errorf("evaluated: got %+v, trained %+v", got.MultiLabel, m)
	}
	one := *f
	one.MultiLabel = false
	// each a set of one label
	if _, err := Evaluate(context.Background(), opened, &one,
		EvaluateConfig{EmbedConfig: EmbedConfig{CacheDir: cache}}); err != nil {
		t.Errorf("one label a picture: %v", err)
	}
	if err := res.Metrics.RequireAccuracy(1.01); err == nil ||
		!strings.Contains(err.Error(), "whose every label is right") {
		t.Errorf("gate: got %v", err)
	}
}

func TestMultiLabelIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	f, w := multiLabelShapes(t, 300), narrow(t)
	if _, err := Run(context.Background(), f, w, Config{Options: head.Options{Solver: head.Retrain}}); !errors.Is(err,
		head.ErrRetrainMultiLabel) {
		t.Errorf("retrain: got %v", err)
	}
	all := *f
	all.Items = append([]dataset.Item(nil), f.Items...)
	for i := range all.Items {
		all.Items[i].Labels, all.Items[i].Label = []int{0, 1 + i%3}, 0
	}
	if _, err := Run(context.Background(), &all, w, Config{}); err == nil || !strings.Contains(err.Error(), `has the label "`+f.Labels[0]) {
		t.Errorf("a label that every picture has: got %v", err)
	}
	ordinary := mustRun(t, drawn(t, perClass), w, Config{})
	if _, err := Evaluate(context.Background(), ordinary.Model, f, EvaluateConfig{}); err == nil ||
		!strings.Contains(err.Error(), "the model answers one") {
		t.Errorf("a model of one label: got %v", err)
	}
}
