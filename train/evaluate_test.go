package train

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
)

// TestEvaluateOldModel: a model that was made before quotas keeps the split of its time.
func TestEvaluateOldModel(t *testing.T) {
	dir, cache := drawn(t, perClass), t.TempDir()
	m := mustRun(t, dir, narrow(t), Config{CacheDir: cache}).Model
	if m.Split.Rule != dataset.SplitRule {
		t.Errorf("a new model has rule %d, want %d", m.Split.Rule, dataset.SplitRule)
	}
	m.Split.Rule, m.Split.Near = 0, 0
	old := scan(t, dir)
	if err := old.Split(dataset.SplitConfig{Rule: 1}); err != nil {
		t.Fatal(err)
	}
	ev, err := Evaluate(t.Context(), m, scan(t, dir), EvaluateConfig{CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range ev.Pictures {
		if want := old.Items[i].Split.String(); p.Rel != old.Items[i].Rel || p.Part != want {
			t.Errorf("%s is in %s, want %s", p.Rel, p.Part, want)
		}
	}
}

func TestEvaluate(t *testing.T) {
	dir, w := drawn(t, perClass), narrow(t)
	cache := t.TempDir()
	res := mustRun(t, dir, w, Config{CacheDir: cache, Split: dataset.SplitConfig{Salt: "pepper"}})
	out := filepath.Join(t.TempDir(), "model")
	if err := res.Model.Save(out, inception.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	m, err := inception.OpenModel(out)
	if err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	folder := scan(t, moved)
	before := slices.Clone(folder.Items)
	all, err := Evaluate(context.Background(), m, folder, EvaluateConfig{CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(before, folder.Items) {
		t.Error("Evaluate changed the folder")
	}
	if all.Embedded != 0 || all.Train != res.Metrics.Train || all.Validation != res.Metrics.Validation ||
		all.Test != res.Metrics.Test || all.ConfusionPart != "all" {
		t.Errorf("all: got %+v\nwant %+v", all.Metrics, res.Metrics)
	}
	test, err := Evaluate(context.Background(), m, folder, EvaluateConfig{Part: "test"})
	if err != nil {
		t.Fatal(err)
	}
	embedded := res.Metrics.Test.Images
	if m.Split.Near != 0 { // nearly equal pictures are found by the bottlenecks of all
		embedded = res.Metrics.Images
	}
	if test.Embedded != embedded || test.Test != res.Metrics.Test || test.All != test.Test ||
		test.Train.Images != 0 || !reflect.DeepEqual(test.Confusion, res.Metrics.Confusion) {
		t.Errorf("test: got %+v\nwant %+v", test.Metrics, res.Metrics)
	}
	if data, err := json.Marshal(test); err != nil || !bytes.Contains(data, []byte(`"test_accuracy":`)) {
		t.Errorf("JSON: got %s, %v", data, err)
	}

	if err := os.RemoveAll(filepath.Join(moved, draw.Label(0))); err != nil { // labels are matched by name, not by place
		t.Fatal(err)
	}
	fewer, err := Evaluate(context.Background(), m, scan(t, moved), EvaluateConfig{CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Picture{}
	for _, p := range all.Pictures {
		want[p.Rel] = p
	}
	if len(fewer.Pictures) != 2*perClass {
		t.Errorf("got %d pictures, want %d", len(fewer.Pictures), 2*perClass)
	}
	for _, p := range fewer.Pictures {
		if !reflect.DeepEqual(p, want[p.Rel]) {
			t.Errorf("got %+v, want %+v", p, want[p.Rel])
		}
	}
	if err := os.Rename(filepath.Join(moved, draw.Label(1)), filepath.Join(moved, "gnu")); err != nil {
		t.Fatal(err)
	}
	if _, err := Evaluate(context.Background(), m, scan(t, moved), EvaluateConfig{}); err == nil || !strings.Contains(err.Error(), `label "gnu"`) {
		t.Errorf("an unknown label: got %v, want an error that names it", err)
	}
}

func TestEvaluateRefuses(t *testing.T) {
	dir, w := drawn(t, 4), narrow(t)
	m := mustRun(t, dir, w, Config{Split: dataset.SplitConfig{Validation: -1}}).Model
	headless := *m
	headless.Trunk = nil
	for _, c := range []struct {
		name, want string
		m          *inception.Model
		folder     *dataset.Folder
		cfg        EvaluateConfig
	}{
		{"no model", "no model", nil, scan(t, dir), EvaluateConfig{}},
		{"no trunk", "without its trunk", &headless, scan(t, dir), EvaluateConfig{}},
		{"part", `Part: got "tset"`, m, scan(t, dir), EvaluateConfig{Part: "tset"}},
		{"empty part", "no picture in the validation part", m, scan(t, dir), EvaluateConfig{Part: "validation"}},
		{"empty folder", "no picture in the all part", m, &dataset.Folder{Root: "x"}, EvaluateConfig{}},
		{"batch", "Batch", m, scan(t, dir), EvaluateConfig{Batch: -2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Evaluate(context.Background(), c.m, c.folder, c.cfg); err == nil ||
				!strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Evaluate(ctx, m, scan(t, dir), EvaluateConfig{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}
