package train

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/train/internal/reporttest"
	"github.com/c236555e/rehead/train/metrics"
)

// TestEvaluateOldModel: a model that was made before quotas keeps the split of its time.
func TestEvaluateOldModel(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	dir, cache := drawn(t, perClass), t.TempDir()
	m := mustRun(t, dir, narrow(t), Config{EmbedConfig: EmbedConfig{CacheDir: cache}}).Model
	if m.Split.Rule != dataset.SplitRule {
		t.Errorf("a new model has rule %d, want %d", m.Split.Rule, dataset.SplitRule)
	}
	m.Split.Rule, m.Split.Near, m.Pictures = 0, 0, nil
	old := scan(t, dir)
	if err := old.Split(dataset.SplitConfig{Rule: 1}); err != nil {
		t.Fatal(err)
	}
	ev, err := Evaluate(t.Context(), m, scan(t, dir), EvaluateConfig{EmbedConfig: EmbedConfig{CacheDir: cache}})
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
	res := mustRun(t, dir, w, Config{Split: dataset.SplitConfig{Salt: "pepper"},
		EmbedConfig: EmbedConfig{CacheDir: cache}})
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
	all, err := Evaluate(context.Background(), m, folder, EvaluateConfig{EmbedConfig: EmbedConfig{CacheDir: cache}})
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
	if test.Embedded != res.Metrics.Test.Images || test.Test != res.Metrics.Test || test.All != test.Test ||
		test.Train.Images != 0 || !reflect.DeepEqual(test.Confusion, res.Metrics.Confusion) {
		t.Errorf("test: got %+v\nwant %+v", test.Metrics, res.Metrics)
	}
	if data, err := json.Marshal(test); err != nil || !bytes.Contains(data, []byte(`"test_accuracy":`)) {
		t.Errorf("JSON: got %s, %v", data, err)
	}

	if err := os.RemoveAll(filepath.Join(moved, draw.Label(0))); err != nil { // labels are matched by name, not by place
		t.Fatal(err)
	}
	fewer, err := Evaluate(context.Background(), m, scan(t, moved),
		EvaluateConfig{EmbedConfig: EmbedConfig{CacheDir: cache}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]metrics.Picture{}
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

// TestEvaluateOtherPictures: a model knows the pictures that it was made with, however they are
// called and split now; parts are told of those alone.
func TestEvaluateOtherPictures(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	dir, w := drawn(t, perClass), narrow(t)
	m := mustRun(t, dir, w, Config{}).Model
	other := filepath.Join(t.TempDir(), "other")
	if err := draw.Folder(other, 3, 9, 77); err != nil {
		t.Fatal(err)
	}
	v := mustEvaluate(t, m, other, "")
	if v.Recalled != "none" || v.Train.Images+v.Validation.Images+v.Test.Images != 0 || v.Seen.Images != 0 ||
		*v.Unseen != v.All || v.All.Images != 27 || v.Pictures[0].Part != "new" || v.PerClass[0].Train != 0 {
		t.Errorf("other pictures: got %+v", v.Metrics)
	}
	data, err := json.Marshal(v)
	if err != nil || !bytes.Contains(data, []byte(`"test_accuracy":null`)) ||
		!bytes.Contains(data, []byte(`"seen":{"images":0,"correct":0,"accuracy":null`)) {
		t.Errorf("JSON: got %s, %v", data, err)
	}
	var back metrics.Metrics
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, v.Metrics) {
		t.Errorf("read back: got %+v, %v", back, err)
	}
	if _, err := Evaluate(context.Background(), m, scan(t, other), EvaluateConfig{Part: "test"}); err == nil {
		t.Error("the test part of other pictures: got no error")
	}

	trained := mustEvaluate(t, m, dir, "")
	for i := 0; i < len(trained.Pictures); i += 3 { // a third of them come among the others
		p := trained.Pictures[i]
		data, err := os.ReadFile(p.Path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, data, other, p.Label, "renamed-"+filepath.Base(p.Path))
	}
	v = mustEvaluate(t, m, other, "")
	if v.Recalled != "some" || v.Train.Images != 0 || v.Seen.Images == 0 || v.Unseen.Images <= 27 ||
		v.Seen.Images+v.Unseen.Images != v.All.Images || v.Seen.Correct+v.Unseen.Correct != v.All.Correct {
		t.Errorf("mixed: got %+v, seen %+v, unseen %+v", v.Metrics, v.Seen, v.Unseen)
	}
	own := slices.DeleteFunc(slices.Clone(reporttest.Sections), func(s string) bool {
		return s == "learning" || s == "suspects"
	})
	reporttest.Wants(t, reporttest.ParseSections(t, mustHTML(t, v), own),
		"Some of these pictures were in the model's training", "unseen",
		fmt.Sprintf("%d", v.Unseen.Images))
	if trained.Recalled != "all" || trained.Seen.Images != trained.Train.Images+trained.Validation.Images ||
		*trained.Unseen != trained.Test {
		t.Errorf("the training's: got %+v, seen %+v, unseen %+v", trained.Metrics, trained.Seen, trained.Unseen)
	}
	if v := mustEvaluate(t, m, other, "test"); v.Recalled != "all" || v.Test != v.All || v.Test.Images == 0 {
		t.Errorf("the training's test pictures among others: got %+v", v.Metrics)
	}
}

// TestEvaluateForgetful: where a model does not remember its pictures, as older ones do not, parts
// are those of its split rule.
func TestEvaluateForgetful(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	dir, w := drawn(t, perClass), narrow(t)
	r := mustRun(t, dir, w, Config{})
	for _, d := range []*inception.PictureDigests{nil, {Images: inception.MaxPictureDigests + 1}} {
		forgetful := *r.Model
		forgetful.Pictures = d
		if v := mustEvaluate(t, &forgetful, dir, ""); v.Recalled != "unknown" || v.Seen != nil || v.Train != r.Metrics.Train {
			t.Errorf("a model that does not remember: got %+v", v.Metrics)
		}
	}
}

func mustEvaluate(t *testing.T, m *inception.Model, dir, part string) *Evaluation {
	t.Helper()
	v, err := Evaluate(context.Background(), m, scan(t, dir), EvaluateConfig{Part: part})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mustHTML(t *testing.T, v *Evaluation) []byte {
	t.Helper()
	html, err := written(v.Report(context.Background()))
	if err != nil {
		t.Fatal(err)
	}
	return html
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
		{"batch", "Batch", m, scan(t, dir), EvaluateConfig{EmbedConfig: EmbedConfig{Batch: -2}}},
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
