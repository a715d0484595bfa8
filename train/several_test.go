package train

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
)

// severalShapes lists drawn pictures of any number of four shapes.
func severalShapes(t testing.TB, n int) *dataset.Folder {
	t.Helper()
	dir := t.TempDir()
	if err := draw.Several(dir, 4, n, 3); err != nil {
		t.Fatal(err)
	}
	f, err := dataset.ReadManifest(filepath.Join(dir, "labels.csv"), dataset.ManifestConfig{MultiLabel: true})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestRunOfSeveralLabels trains, searches for L2, saves, opens and evaluates a model of pictures
// with any number of labels.
func TestRunOfSeveralLabels(t *testing.T) {
	f, w := severalShapes(t, 240), narrow(t)
	cache := t.TempDir()
	cfg := Config{L2: -1, Folds: 3, CacheDir: cache, ClassWeights: ClassWeights{Balanced: true}, Neighbours: 8,
		Unknown: 0.1, Split: dataset.SplitConfig{Validation: 0.2, Test: 0.2}}
	res, err := Run(context.Background(), f, w, cfg)
	if err != nil {
		t.Fatal(err)
	}
	m := res.Metrics.MultiLabel
	if m == nil || !res.Model.MultiLabel() || len(res.Model.Thresholds) != 4 || res.Model.Unknown != nil ||
		res.Metrics.LabelErrors != nil {
		t.Fatalf("got metrics %+v, thresholds %v", m, res.Model.Thresholds)
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
	checkReportOfSeveral(t, res)
	dir := filepath.Join(t.TempDir(), "model")
	if err := res.Model.Save(dir, inception.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	opened, err := inception.OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Evaluate(context.Background(), opened, f, EvaluateConfig{Part: "test", CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.MultiLabel, m) || got.Test.LogLoss != res.Metrics.Test.LogLoss {
		t.Errorf("evaluated: got %+v, trained %+v", got.MultiLabel, m)
	}
	one := *f
	one.MultiLabel = false
	// each a set of one label
	if _, err := Evaluate(context.Background(), opened, &one, EvaluateConfig{CacheDir: cache}); err != nil {
		t.Errorf("one label a picture: %v", err)
	}
	if err := res.Metrics.Reach(1.01); err == nil || !strings.Contains(err.Error(), "whose every label is right") {
		t.Errorf("gate: got %v", err)
	}
}

func TestSeveralLabelsAreRefused(t *testing.T) {
	f, w := severalShapes(t, 30), narrow(t)
	if _, err := Run(context.Background(), f, w, Config{Solver: Retrain}); !errors.Is(err, errSeveralRetrain) {
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

// TestSeveralGoesOn: a run of sigmoids that is stopped over and over ends with the same head.
func TestSeveralGoesOn(t *testing.T) {
	ex, valid := several(51, 200), several(52, 60)
	ex.Sets[3] = []int{} // none is an answer too
	cfg := FitConfig{Solver: Adam, Descent: Descent{Epochs: 10}, Validation: &valid}
	want := mustFit(t, ex, cfg)
	cfg.Checkpoints = Checkpoints{Dir: t.TempDir(), Every: time.Nanosecond}
	for stops := 0; ; stops++ {
		ctx, cancel := context.WithCancel(context.Background())
		events := 0
		cfg.Progress = func(e Event) {
			if math.IsNaN(e.ValidationLoss) && e.Done > 0 {
				t.Errorf("epoch %d has no validation loss", e.Done)
			}
			if events++; events > 1+3*stops {
				cancel()
			}
		}
		got, err := FitHead(ctx, ex, cfg)
		cancel()
		if err == nil {
			if stops == 0 || !reflect.DeepEqual(got, want) {
				t.Errorf("after %d stops the head is another", stops)
			}
			return
		}
		if !errors.Is(err, context.Canceled) || stops > 100 {
			t.Fatal(err)
		}
	}
}

func TestThresholds(t *testing.T) {
	sets := [][]int{{0, 1}, {0}, {1}, {}, {}}
	probabilities := [][3]float64{{0.9, 0.2, 0.1}, {0.8, 0.1, 0.9}, {0.3, 0.15, 0.5}, {0.2, 0.05, 0.5}, {0.7, 0.02, 0.5}}
	// times that, label 0 is right from between 0.8 and 0.7 on, label 1 from between 0.15 and 0.1,
	// label 2 is nobody's.
	for times, want := range map[int][]float64{2: {0.5, 0.5, 0.5}, 3: {0.75, 0.125, 0.5}} {
		ex := Examples{Classes: 3, Labels: make([]int, 5*times)}
		var logits []float64
		for range times {
			ex.Sets = append(ex.Sets, sets...)
			for _, p := range probabilities {
				logits = append(logits, logit(p[0]), logit(p[1]), logit(p[2]))
			}
		}
		got := fitThresholds(logits, ex, 1)
		for l := range want {
			if !near(got[l], want[l], 1e-12, 0) {
				t.Errorf("%d times, label %d: got %g, want %g", times, l, got[l], want[l])
			}
		}
	}
}
