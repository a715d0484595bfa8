package train

import (
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/numeric"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train/head"
)

// TestRunFeatures: one cache serves every choice; with it and without it the model is the same; the
// model answers as the training did, and evaluate measures the same.
func TestRunFeatures(t *testing.T) {
	dir, w := drawn(t, 8), narrow(t)
	cached := EmbedConfig{CacheDir: filepath.Join(t.TempDir(), "cache")}
	n := classes * 8
	for i, c := range []struct {
		features string
		values   int // at width 1
	}{{"all", 8992}, {"auto", 0}, {"mixed_6e,Mixed_7c,quarters,deviation", 5 * (768 + 2048)}, {"last", 0}} {
		cfg := Config{Features: c.features, EmbedConfig: cached}
		got := mustRun(t, dir, w, cfg)
		if want := map[bool]int{true: n}[i == 0]; got.Embedded != want {
			t.Errorf("%s: got %d pictures embedded, want %d", c.features, got.Embedded, want)
		}
		cfg.CacheDir = ""
		bare := mustRun(t, dir, w, cfg)
		if !reflect.DeepEqual(got.Model.Head, bare.Model.Head) || !got.Model.Reads.Equal(bare.Model.Reads) {
			t.Errorf("%s: without a cache the head is another", c.features)
		}
		m := got.Model
		if (m.Reads == nil) != (c.features == "last") && c.features != "auto" {
			t.Errorf("%s: the head reads %v", c.features, m.Reads)
		}
		if c.values > 0 && m.Reads.Length(1) != c.values {
			t.Errorf("%s: got %d values, want %d", c.features, m.Reads.Length(1), c.values)
		}
		if e, err := Evaluate(t.Context(), m, scan(t, dir), EvaluateConfig{EmbedConfig: cached}); err != nil ||
			e.All.Accuracy != got.Metrics.All.Accuracy || e.Embedded != 0 {
			t.Errorf("%s: evaluate: got %+v, %v", c.features, e, err)
		}
		answers(t, got)
	}
}

// answers holds the classifier of a run's model to what the run measured, but for the float16 of its
// rows.
func answers(t *testing.T, r *Result) {
	t.Helper()
	c, err := inception.NewClassifier(r.Model, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Check(t.Context()); err != nil {
		t.Error(err)
	}
	for i := 0; i < len(r.Pictures); i += 7 {
		got, err := c.Classify(t.Context(), &inception.Input{Data: read(t, r.report.Items[i].Path)})
		if err != nil || got[0].Err != nil {
			t.Fatal(err, got[0].Err)
		}
		if d := numeric.Distance(got[0].Bottleneck, r.report.Rows[i]); !(d <= 1e-3) {
			t.Errorf("picture %d: the features are off by %.2g of their norm", i, d)
		}
	}
}

// TestRunFeaturesTogether: features go with what else a run can be asked for: views, a search for
// L2, int8, and a warm start from the model that they made.
func TestRunFeaturesTogether(t *testing.T) {
	dir, w := drawn(t, 6), narrow(t)
	cfg := Config{Features: "all,quarters", Views: 2, Augment: picture.Augment{Flip: true}, Folds: 2,
		Precision: nn.Int8, Options: head.Options{L2: -1}, Neighbours: 4,
		EmbedConfig: EmbedConfig{CacheDir: filepath.Join(t.TempDir(), "cache")}}
	first := mustRun(t, dir, w, cfg)
	answers(t, first)
	if x := first.Model.Neighbours; x == nil || len(x.Vectors) != 4*first.Model.Head.Features {
		t.Errorf("got neighbours %v", x)
	}
	cfg.WarmStart, cfg.Options = first.Model, head.Options{}
	again := mustRun(t, dir, w, cfg)
	if !again.Model.Reads.Equal(first.Model.Reads) || again.Embedded != 0 {
		t.Errorf("a warm start reads %v, %d embedded", again.Model.Reads, again.Embedded)
	}
	cfg.Features = FeaturesLast
	if _, err := Run(t.Context(), scan(t, dir), w, cfg); err == nil || !strings.Contains(err.Error(), "--features") {
		t.Errorf("a warm start of a head that reads other values: got %v", err)
	}
	if err := (Config{Features: "some"}).Validate(); err == nil || !strings.Contains(err.Error(), "auto or a list") {
		t.Errorf("got %v", err)
	}
}

// TestScaled: every statistic of every block has the same mean deviation behind its scale.
func TestScaled(t *testing.T) {
	dir, w := drawn(t, 8), narrow(t)
	got := mustRun(t, dir, w, Config{Features: "mixed_5c,mixed_7c,mean,quarters"})
	var training []int
	for i, it := range got.report.Items {
		if it.Split == 0 {
			training = append(training, i)
		}
	}
	for _, s := range got.Model.Reads.Spans(w.Width) {
		var sum float64
		for j := s.From; j < s.To; j++ {
			var column []float64
			for _, i := range training {
				column = append(column, float64(got.report.Rows[i][j]))
			}
			mean, square := 0.0, 0.0
			for _, v := range column {
				mean += v / float64(len(column))
			}
			for _, v := range column {
				square += (v - mean) * (v - mean) / float64(len(column))
			}
			sum += math.Sqrt(square) / float64(s.To-s.From)
		}
		if !(sum > 0.999 && sum < 1.001) {
			t.Errorf("%s of %s deviates by %g on average, want 1", s.Statistic, s.Block, sum)
		}
	}
	if slices.Contains(got.Model.Reads.Scales, 0) {
		t.Errorf("got scales %v", got.Model.Reads.Scales)
	}
}

// TestDefaultFeatures: what a head reads is chosen unless something else is asked for, in words or by
// asking for what others do.
func TestDefaultFeatures(t *testing.T) {
	reads := &inception.Model{Reads: inception.AllFeatures()}
	for want, cfgs := range map[string][]Config{
		FeaturesAuto: {{}, {Options: head.Options{Solver: head.LBFGS}}, {WarmStart: reads}, {Features: FeaturesAuto}},
		FeaturesLast: {{Features: FeaturesLast}, {Options: head.Options{Solver: head.Retrain}}, {WarmStart: &inception.Model{}}},
		FeaturesAll:  {{Features: FeaturesAll, Options: head.Options{Solver: head.SGD}}},
	} {
		for _, cfg := range cfgs {
			if got := cfg.FeaturesFor(mostForAuto); got != want {
				t.Errorf("%+v: got %q, want %q", cfg, got, want)
			}
		}
	}
	if got := (Config{}).FeaturesFor(mostForAuto + 1); got != FeaturesLast {
		t.Errorf("of more pictures: got %q", got)
	}
}

// TestFewToChooseWith: a picture of each label is enough for a run.
func TestFewToChooseWith(t *testing.T) {
	r := mustRun(t, drawn(t, 1), narrow(t), Config{Features: FeaturesAuto,
		Split: dataset.SplitConfig{Validation: -1, Test: -1}})
	if len(r.Model.Labels) != 3 || r.Metrics.Train.Images != 3 {
		t.Errorf("got labels %q of %d pictures", r.Model.Labels, r.Metrics.Train.Images)
	}
}
