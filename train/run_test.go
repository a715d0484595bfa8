package train

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/metrics"
)

const (
	classes  = 3
	perClass = 20 // so few that a note says so
)

// drawn writes a small folder of drawn pictures.
func drawn(t testing.TB, perClass int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shapes")
	if err := draw.Folder(dir, classes, perClass, 1); err != nil {
		t.Fatal(err)
	}
	return dir
}

func scan(t testing.TB, dir string) *dataset.Folder {
	t.Helper()
	f, err := dataset.Scan(dir, dataset.ScanConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// narrow makes up a small trunk.
func narrow(t testing.TB) *inception.Weights {
	t.Helper()
	w, err := inception.Random(inception.RandomConfig{Width: 0.125, Size: 75, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// mustRun trains; on the last block unless cfg says what else, which is what most tests are about.
func mustRun(t testing.TB, dir string, w *inception.Weights, cfg Config) *Result {
	t.Helper()
	cfg.Features = cmp.Or(cfg.Features, FeaturesLast)
	res, err := Run(context.Background(), scan(t, dir), w, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// write puts a file into a folder.
func write(t testing.TB, data []byte, elem ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(elem...), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, elem ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// tree returns every file below dir.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		files[rel] = string(read(t, path))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestRun(t *testing.T) {
	dir, w := drawn(t, perClass), narrow(t)
	cfg := Config{ToolVersion: "test", Options: head.Options{Seed: 5},
		EmbedConfig: EmbedConfig{CacheDir: filepath.Join(t.TempDir(), "cache")}}
	var events []Event
	cfg.Progress = func(e Event) { events = append(events, e) }
	first := mustRun(t, dir, w, cfg)
	n := classes * perClass
	if first.Embedded != n || first.Cached != 0 || len(first.Problems) != 0 || len(first.Pictures) != n ||
		first.Metrics.Images != n {
		t.Errorf("got %d embedded, %d cached, %d problems, %d pictures, %d images; want %d, 0, 0, %d, %d",
			first.Embedded, first.Cached, len(first.Problems), len(first.Pictures), first.Metrics.Images, n, n, n)
	}
	m := first.Metrics
	if m.Train.Accuracy < 0.95 || m.All.Accuracy < 0.7 || m.Train.Images+m.Validation.Images+m.Test.Images != n ||
		m.Test.Images < classes {
		t.Errorf("got %+v", m)
	}
	if !first.Fit.Converged || first.Fit.L2 != head.DefaultL2(classes) {
		t.Errorf("fit: got converged %t, L2 %g", first.Fit.Converged, first.Fit.L2)
	}
	checkEvents(t, events)
	checkModel(t, first, w)

	cfg.Progress = nil
	second := mustRun(t, dir, w, cfg)
	if second.Embedded != 0 || second.Cached != n {
		t.Errorf("second run: got %d embedded, %d cached, want 0, %d", second.Embedded, second.Cached, n)
	}
	cfg.CacheDir, cfg.Engine.Threads, cfg.Batch = "", 1, 3
	moved := filepath.Join(t.TempDir(), filepath.Base(dir)) // the model knows its data's name
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	third := mustRun(t, moved, w, cfg)
	var saved []map[string]string
	for i, r := range []*Result{first, second, third} {
		out := filepath.Join(t.TempDir(), fmt.Sprint("model", i))
		if err := r.Model.Save(out, inception.SaveOptions{}); err != nil {
			t.Fatal(err)
		}
		saved = append(saved, tree(t, out))
	}
	for name, data := range saved[0] {
		if saved[1][name] != data {
			t.Errorf("%s: the cached run gives other bytes", name)
		}
		if saved[2][name] != data {
			t.Errorf("%s: the run in a moved folder, without cache, on one thread and in other batches gives other bytes", name)
		}
	}
	if len(saved[0]) < 3 || len(saved[0]) != len(saved[1]) || len(saved[0]) != len(saved[2]) {
		t.Errorf("got %d, %d and %d files", len(saved[0]), len(saved[1]), len(saved[2]))
	}
}

func checkEvents(t *testing.T, events []Event) {
	t.Helper()
	var phases []Phase
	last := map[Phase]Event{}
	for _, e := range events {
		if len(phases) == 0 || phases[len(phases)-1] != e.Phase {
			phases = append(phases, e.Phase)
		}
		if e.Done < last[e.Phase].Done {
			t.Errorf("%s went from %d back to %d", e.Phase, last[e.Phase].Done, e.Done)
		}
		last[e.Phase] = e
	}
	if want := []Phase{PhaseHash, PhaseCheck, PhaseEmbed, PhaseFit, PhaseMeasure}; !reflect.DeepEqual(phases, want) {
		t.Errorf("phases: got %v, want %v", phases, want)
	}
	for _, p := range []Phase{PhaseHash, PhaseEmbed, PhaseMeasure} {
		if e := last[p]; e.Done != classes*perClass || e.Total != e.Done {
			t.Errorf("%s ended at %d of %d, want %d", p, e.Done, e.Total, classes*perClass)
		}
	}
}

func checkModel(t *testing.T, r *Result, w *inception.Weights) {
	t.Helper()
	m := r.Model
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	if m.Seed != 5 || m.ToolVersion != "test" || m.TrunkDigest != w.Digest || m.Recipe != w.Recipe ||
		m.Split.Validation != 0.1 || m.Split.Test != 0.1 {
		t.Errorf("model: got %+v", m)
	}
	var s Settings
	if err := json.Unmarshal(m.Training, &s); err != nil {
		t.Fatal(err)
	}
	if s.L2 != head.DefaultL2(classes) || s.Scaling != head.ScaleHalf || !s.Converged || s.Solver != "lbfgs" ||
		s.Iterations != r.Fit.Iterations || s.Tolerance != head.DefaultTolerance {
		t.Errorf("settings: got %+v", s)
	}
	var back metrics.Metrics
	if err := json.Unmarshal(m.Metrics, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, r.Metrics) {
		t.Errorf("the model's metrics are not the result's: %+v", back)
	}
	c, err := inception.NewClassifier(m, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, p := range r.Pictures[:5] {
		got, err := c.Classify(context.Background(), &inception.Input{Data: read(t, p.Path)})
		if err != nil || got[0].Err != nil {
			t.Fatal(err, got[0].Err)
		}
		if top := got[0].Predictions[0]; top.Label != p.Predicted || top.Probability != p.Probability {
			t.Errorf("%s: training says %s %v, the classifier %s %v", p.Rel, p.Predicted, p.Probability, top.Label,
				top.Probability)
		}
	}
}

func TestRunEmbedsOnlyWhatIsNew(t *testing.T) {
	dir, w := drawn(t, 10), narrow(t)
	cfg := Config{EmbedConfig: EmbedConfig{CacheDir: t.TempDir()}}
	mustRun(t, dir, w, cfg)
	label := draw.Label(0)
	write(t, read(t, dir, label, "0000.jpg"), dir, label, "again.jpg") // the same bytes under another name
	if err := os.Remove(filepath.Join(dir, label, "0001.jpg")); err != nil {
		t.Fatal(err)
	}
	write(t, read(t, dir, label, "0002.jpg"), dir, label, "0001.jpg") // another picture under a known name
	more := filepath.Join(t.TempDir(), "more")
	if err := draw.Folder(more, classes, 2, 99); err != nil {
		t.Fatal(err)
	}
	write(t, read(t, more, label, "0000.jpg"), dir, label, "new.jpg")
	write(t, read(t, more, label, "0001.jpg"), dir, label, "new2.jpg")
	res := mustRun(t, dir, w, cfg)
	if res.Embedded != 2 || res.Cached != 3*10+1 || res.Metrics.Duplicates != 2 {
		t.Errorf("got %d embedded, %d cached, %d duplicates; want 2, 31, 2", res.Embedded, res.Cached, res.Metrics.Duplicates)
	}
	parts := map[string]string{}
	for _, p := range res.Pictures {
		parts[p.Rel] = p.Part
	}
	if a, b := parts[label+"/0000.jpg"], parts[label+"/again.jpg"]; a != b {
		t.Errorf("equal pictures came to lie in %s and %s", a, b)
	}
}

func TestRunQuarantines(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	dir, w := drawn(t, 10), narrow(t)
	label := draw.Label(1)
	good := read(t, dir, label, "0003.jpg")
	write(t, good[:len(good)/3], dir, label, "cut.jpg")
	write(t, good[:len(good)/3], dir, label, "cut2.jpg") // a duplicate, and just as bad
	res := mustRun(t, dir, w, Config{})
	if res.Metrics.Quarantined != 2 || len(res.Problems) != 2 || res.Metrics.Images != 30 || res.Metrics.Duplicates != 0 {
		t.Fatalf("got %d quarantined, %d problems, %d images, %d duplicates", res.Metrics.Quarantined, len(res.Problems),
			res.Metrics.Images, res.Metrics.Duplicates)
	}
	for i, p := range res.Problems {
		if want := []string{"cut.jpg", "cut2.jpg"}[i]; filepath.Base(p.Path) != want || p.Reason == "" {
			t.Errorf("problem %d: got %+v, want %s and a reason", i, p, want)
		}
	}
	for _, limit := range []int{-1, 1} {
		_, err := Run(context.Background(), scan(t, dir), w, Config{EmbedConfig: EmbedConfig{MaxBad: limit}})
		if err == nil || !strings.Contains(err.Error(), "cut.jpg") || !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("at most %d bad: got %v, want an error that names cut.jpg", limit, err)
		}
	}
	for i := range 10 {
		name := fmt.Sprintf("%04d.jpg", i)
		if i%5 == 4 {
			name = fmt.Sprintf("%04d.png", i)
		}
		data := read(t, dir, label, name)
		write(t, data[:len(data)/3], dir, label, name)
	}
	_, err := Run(context.Background(), scan(t, dir), w, Config{EmbedConfig: EmbedConfig{MaxBad: 100}})
	if err == nil || !strings.Contains(err.Error(), label) || !strings.Contains(err.Error(), "12 unreadable") {
		t.Errorf("a label without a readable picture: got %v, want an error that names %s", err, label)
	}
}

func TestRunRefuses(t *testing.T) {
	w := narrow(t)
	one := func(labels ...string) *dataset.Folder {
		f := &dataset.Folder{Root: "some/where", Labels: labels}
		for i, l := range labels {
			f.Items = append(f.Items, dataset.Item{Path: "missing/" + l, Rel: l + "/a.jpg", Label: i})
		}
		return f
	}
	for _, c := range []struct {
		name, want string
		folder     *dataset.Folder
		cfg        Config
	}{
		{"no folder", "no folder", nil, Config{}},
		{"no picture", "some/where: got no picture", one(), Config{}},
		{"no readable picture", "1 files were left out, the first is x.jpg: broken",
			&dataset.Folder{Root: "r", Problems: []source.Problem{{Path: "x.jpg", Reason: "broken"}}}, Config{}},
		{"one label", `one label only ("daisy")`, one("daisy"), Config{}},
		{"label out of range", "got label 7", &dataset.Folder{Labels: []string{"a", "b"}, Items: []dataset.Item{{Label: 7}}},
			Config{}},
		{"files gone", "2 of 2 pictures cannot be read", one("a", "b"), Config{EmbedConfig: EmbedConfig{MaxBad: 1}}},
		{"split", "split", one("a", "b"), Config{Split: dataset.SplitConfig{Test: 2}}},
		{"batch", "Batch", one("a", "b"), Config{EmbedConfig: EmbedConfig{Batch: -1}}},
		{"tolerance", "Tolerance", one("a", "b"), Config{Options: head.Options{Tolerance: -1}}},
		{"device", "device", scan(t, drawn(t, 3)), Config{EmbedConfig: EmbedConfig{Engine: nn.Config{Device: "abacus"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Run(context.Background(), c.folder, w, c.cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestRunChecksBeforeItEmbeds(t *testing.T) {
	dir := drawn(t, 3)
	first := draw.Label(0)
	for _, l := range []string{draw.Label(1), draw.Label(2)} { // pictures that every label has can only be trained on
		for _, n := range []string{"0000.jpg", "0001.jpg", "0002.jpg"} {
			write(t, read(t, dir, first, n), dir, l, n)
		}
	}
	res, err := Run(context.Background(), scan(t, dir), narrow(t), Config{})
	if err != nil {
		t.Fatal(err)
	}
	if notes := strings.Join(res.Notes, "\n"); !strings.Contains(notes, "validation") ||
		!strings.Contains(notes, "test") || !strings.Contains(notes, "fewer than 20") {
		t.Errorf("got notes %q, want one about each part and one about the few pictures", notes)
	}
	if res.Model.Temperature != 1 || res.Metrics.ConfusionPart != "train" || res.Embedded != 3 {
		t.Errorf("got temperature %g, confusion of %s, %d embedded", res.Model.Temperature, res.Metrics.ConfusionPart,
			res.Embedded)
	}
	// Legacy has no floors: with nearly everything held out, some label is left without a training
	// picture.
	embedded := false
	_, err = Run(context.Background(), scan(t, dir), narrow(t), Config{
		Split:       dataset.SplitConfig{Validation: 0.45, Test: 0.54, Legacy: true},
		EmbedConfig: EmbedConfig{Progress: func(e Event) { embedded = embedded || e.Phase == PhaseEmbed }}})
	if err == nil || !strings.Contains(err.Error(), "no picture to train on") || embedded {
		t.Errorf("got %v (embedded %t), want an error before any embedding", err, embedded)
	}
}

func TestRunCancelledKeepsTheCache(t *testing.T) {
	dir, w := drawn(t, perClass), narrow(t)
	cache := t.TempDir()
	for _, phase := range []Phase{PhaseHash, PhaseEmbed, PhaseFit} {
		ctx, cancel := context.WithCancel(context.Background())
		_, err := Run(ctx, scan(t, dir), w, Config{EmbedConfig: EmbedConfig{CacheDir: cache, Progress: func(e Event) {
			if e.Phase == phase {
				cancel()
			}
		}}})
		cancel()
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "stopped") {
			t.Errorf("%s: got %v, want context.Canceled", phase, err)
		}
	}
	res := mustRun(t, dir, w, Config{EmbedConfig: EmbedConfig{CacheDir: cache}})
	// the run that was stopped in PhaseFit had embedded everything
	if res.Embedded != 0 || res.Cached != classes*perClass {
		t.Errorf("got %d embedded, %d cached, want 0, %d", res.Embedded, res.Cached, classes*perClass)
	}
}

func TestRunSearch(t *testing.T) {
	res := mustRun(t, drawn(t, 10), narrow(t), Config{Options: head.Options{L2: -1}})
	var s Settings
	if err := json.Unmarshal(res.Model.Training, &s); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Search); n < 3 || n > 12 || s.Folds != DefaultFolds || s.L2 != res.Fit.L2 ||
		!slices.ContainsFunc(s.Search, func(c head.Choice) bool {
			return c.L2 == s.L2
		}) {
		t.Errorf("got %+v", s)
	}
}
