package matrix_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/npy"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/matrix"
)

// clouds are n rows of three labels, as far apart as distance says.
func clouds(n int, distance float32) matrix.Data {
	rng := rand.New(rand.NewPCG(3, 5))
	var d matrix.Data
	for i := range n {
		row := make([]float32, 6)
		for j := range row {
			row[j] = float32(rng.NormFloat64())
		}
		row[i%3] += distance
		d.Rows, d.Labels = append(d.Rows, row), append(d.Labels, []string{"rose", "daisy", "tulip"}[i%3])
	}
	return d
}

func fit(t testing.TB, d matrix.Data, cfg matrix.Config) *matrix.Result {
	t.Helper()
	r, err := matrix.Fit(t.Context(), d, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestFit: a head is searched for, calibrated and measured on rows that it has not seen, and answers as
// it was measured.
func TestFit(t *testing.T) {
	d := clouds(600, 2)
	searched := 0
	r := fit(t, d, matrix.Config{Options: head.Options{L2: -1}, Progress: func(e head.Event) {
		if e.Phase == head.PhaseSearch {
			searched++
		}
	}})
	if searched == 0 || len(r.Fit.Tried) < 2 || !r.Fit.Converged {
		t.Errorf("searched %d times, tried %v", searched, r.Fit.Tried)
	}
	m := r.Metrics
	if m.Test.Images != 60 || m.Validation.Images != 60 || !(m.Test.Accuracy > 0.8) || m.ConfusionPart != "test" ||
		m.Temperature != r.Classifier.Temperature() {
		t.Errorf("got %+v", m.Test)
	}
	c := r.Classifier
	if want := []string{"daisy", "rose", "tulip"}; !slices.Equal(c.Labels(), want) || c.MultiLabel() {
		t.Errorf("got the labels %v, want %v", c.Labels(), want)
	}
	answers, err := c.Classify(t.Context(), d.Rows)
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.Probabilities(t.Context(), d.Rows)
	if err != nil {
		t.Fatal(err)
	}
	right, loss, n := 0, 0.0, 0.0
	for i, a := range answers {
		best := a.Predictions[0]
		if p[i][best.Class] != best.Probability || c.Labels()[best.Class] != best.Label {
			t.Fatalf("row %d: got %v, probabilities %v", i, best, p[i])
		}
		if r.Parts[i] == dataset.Test {
			n++
			loss -= math.Log(p[i][slices.Index(c.Labels(), d.Labels[i])])
			if best.Label == d.Labels[i] {
				right++
			}
		}
	}
	if right != m.Test.Correct || !(math.Abs(loss/n-m.Test.LogLoss) < 1e-9) {
		t.Errorf("got %d right and a log loss of %g, measured %d and %g", right, loss/n, m.Test.Correct, m.Test.LogLoss)
	}
	again := fit(t, d, matrix.Config{Options: head.Options{L2: -1}, Threads: 1})
	if !slices.Equal(again.Classifier.Head().W, c.Head().W) || !slices.Equal(again.Parts, r.Parts) {
		t.Error("the same fit on one thread is another")
	}
}

// TestTemperature: where nothing was held out, the temperature comes from heads that were trained without
// a fold, and makes a head that is too sure of itself less so.
func TestTemperature(t *testing.T) {
	d := clouds(60, 0.7)
	d.Parts = make([]dataset.Split, len(d.Rows)) // all to train on
	r := fit(t, d, matrix.Config{Options: head.Options{L2: 1e-6}})
	if temperature := r.Classifier.Temperature(); !(temperature > 1.05) {
		t.Errorf("got temperature %g for a head that learned 60 rows by heart, want more than 1.05", temperature)
	}
	if r.Metrics.ConfusionPart != "train" || r.Metrics.Train.Images != 60 {
		t.Errorf("got %+v", r.Metrics.Train)
	}
}

// TestFitParts: parts, groups and weights are kept to.
func TestFitParts(t *testing.T) {
	d := clouds(300, 2)
	for i := range d.Rows {
		d.Groups = append(d.Groups, fmt.Sprint("person ", i/6))
		d.Weights = append(d.Weights, 1+float64(i%2))
	}
	r := fit(t, d, matrix.Config{Split: dataset.SplitConfig{Test: 0.3}, Balanced: true})
	for i, p := range r.Parts {
		if p != r.Parts[i/6*6] {
			t.Fatalf("row %d is in %s, others of its group in %s", i, p, r.Parts[i/6*6])
		}
	}
	if r.Metrics.Test.Weighted == nil {
		t.Error("weights were not measured with")
	}
	d.Parts = slices.Clone(r.Parts)
	d.Groups = nil
	if again := fit(t, d, matrix.Config{Balanced: true}); !slices.Equal(again.Parts, r.Parts) ||
		!slices.Equal(again.Classifier.Head().W, r.Classifier.Head().W) {
		t.Error("given parts give another head")
	}
}

// sets are rows of any number of three labels.
func sets(n int) matrix.Data {
	rng := rand.New(rand.NewPCG(3, 6))
	d := matrix.Data{}
	for range n {
		row, set := make([]float32, 5), []string{}
		for j := range row {
			row[j] = float32(rng.NormFloat64())
		}
		for j, label := range []string{"sky", "sea", "sand"} {
			if rng.IntN(2) == 0 {
				set = append(set, label)
				row[j] += 4
			}
		}
		d.Rows, d.Sets = append(d.Rows, row), append(d.Sets, set)
	}
	return d
}

// TestSaveOpen: what was saved answers as before, of both kinds of heads; equal ones have equal bytes.
func TestSaveOpen(t *testing.T) {
	for name, d := range map[string]matrix.Data{"one label": clouds(200, 2), "several": sets(200)} {
		r := fit(t, d, matrix.Config{})
		path := filepath.Join(t.TempDir(), "head.safetensors")
		if err := r.Classifier.Save(path); err != nil {
			t.Fatal(err)
		}
		c, err := matrix.Open(path)
		if err != nil {
			t.Fatal(name, err)
		}
		want, err := r.Classifier.Classify(t.Context(), d.Rows)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Classify(t.Context(), d.Rows)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if !slices.Equal(got[i].Predictions, want[i].Predictions) || !slices.Equal(got[i].Labels, want[i].Labels) {
				t.Fatalf("%s: row %d: got %v, want %v", name, i, got[i], want[i])
			}
		}
		if c.MultiLabel() != (d.Sets != nil) || c.Temperature() != r.Classifier.Temperature() {
			t.Errorf("%s: got temperature %g, want %g", name, c.Temperature(), r.Classifier.Temperature())
		}
		again := filepath.Join(t.TempDir(), "again")
		if err := c.Save(again); err != nil {
			t.Fatal(err)
		}
		a, errA := os.ReadFile(path)
		b, errB := os.ReadFile(again)
		if errA != nil || errB != nil || string(a) != string(b) {
			t.Errorf("%s: saved again: other bytes (%v, %v)", name, errA, errB)
		}
		measured, err := c.Measure(t.Context(), matrix.Data{Rows: d.Rows, Labels: d.Labels, Sets: d.Sets})
		if err != nil || measured.All != r.Metrics.All || measured.Recalled != "none" {
			t.Errorf("%s: measured %+v, %v, want %+v", name, measured.All, err, r.Metrics.All)
		}
	}
}

// TestSets: several labels a row have thresholds, and answers that may be empty.
func TestSets(t *testing.T) {
	d := sets(400)
	r := fit(t, d, matrix.Config{})
	if r.Metrics.MultiLabel == nil || !(r.Metrics.MultiLabel.SubsetAccuracy > 0.8) || r.Metrics.PerClass[0].Threshold == nil {
		t.Errorf("got %+v", r.Metrics.MultiLabel)
	}
	answers, err := r.Classifier.Classify(t.Context(), [][]float32{make([]float32, 5), {4, 4, 4, 0, 0}})
	if err != nil || len(answers[0].Labels) != 0 || len(answers[1].Labels) != 3 {
		t.Errorf("got %v, %v", answers, err)
	}
}

// TestModel: a classifier on bottlenecks becomes a model for pictures, one on other rows does not.
func TestModel(t *testing.T) {
	w, err := inception.Random(inception.RandomConfig{Width: 0.05, Size: 75})
	if err != nil {
		t.Fatal(err)
	}
	d := clouds(90, 3)
	if _, err := fit(t, d, matrix.Config{}).Classifier.Model(w); err == nil {
		t.Error("a head on six values was taken for one on bottlenecks")
	}
	for i, row := range d.Rows {
		d.Rows[i] = append(row, make([]float32, w.Features()-len(row))...)
	}
	c := fit(t, d, matrix.Config{}).Classifier
	m, err := c.Model(w)
	if err != nil {
		t.Fatal(err)
	}
	want, err := c.Classify(t.Context(), d.Rows[:1])
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Answer(d.Rows[0]); !slices.Equal(got.Predictions, want[0].Predictions) {
		t.Errorf("got %v, want %v", got.Predictions, want[0].Predictions)
	}
	if _, err := c.Model(nil); err == nil {
		t.Error("a model without weights")
	}
}

// TestRead: rows and labels come from numpy's files and from text.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	x, y := filepath.Join(dir, "x.npy"), filepath.Join(dir, "y.txt")
	d := clouds(30, 3)
	if err := npy.Write(x, len(d.Rows), 6, func(i int) []float32 { return d.Rows[i] }); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(y, []byte(strings.Join(d.Labels, "\r\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rows, err := matrix.ReadNPY(x)
	if err != nil || !slices.EqualFunc(rows, d.Rows, slices.Equal[[]float32]) {
		t.Errorf("rows: got %d, %v", len(rows), err)
	}
	if labels, err := matrix.ReadLabels(y); err != nil || !slices.Equal(labels, d.Labels) {
		t.Errorf("labels: got %v, %v", labels, err)
	}
	for _, path := range []string{x, filepath.Join(dir, "none"), filepath.Join(dir, "none.npy")} {
		if _, err := matrix.ReadLabels(path); err == nil || path != x && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v", path, err)
		}
	}
	if _, err := matrix.ReadNPY(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}

func TestFitRefuses(t *testing.T) {
	good := clouds(60, 2)
	change := func(f func(d *matrix.Data)) matrix.Data {
		d := good
		f(&d)
		return d
	}
	for name, c := range map[string]struct {
		data matrix.Data
		cfg  matrix.Config
		want string
	}{
		"nothing":      {matrix.Data{}, matrix.Config{}, "neither"},
		"both":         {change(func(d *matrix.Data) { d.Sets = make([][]string, 60) }), matrix.Config{}, "both"},
		"labels":       {change(func(d *matrix.Data) { d.Labels = d.Labels[:9] }), matrix.Config{}, "Labels: got 9"},
		"weights":      {change(func(d *matrix.Data) { d.Weights = []float64{1} }), matrix.Config{}, "Weights: got 1"},
		"part":         {change(func(d *matrix.Data) { d.Parts = slices.Repeat([]dataset.Split{7}, 60) }), matrix.Config{}, "part 7"},
		"row":          {change(func(d *matrix.Data) { d.Rows = append(slices.Clone(d.Rows[:59]), nil) }), matrix.Config{}, "features"},
		"one label":    {matrix.Data{Rows: good.Rows, Labels: slices.Repeat([]string{"a"}, 60)}, matrix.Config{}, "at least 2"},
		"folds":        {good, matrix.Config{Folds: 1}, "Folds"},
		"options":      {good, matrix.Config{Options: head.Options{Smoothing: 9}}, "moothing"},
		"split":        {good, matrix.Config{Split: dataset.SplitConfig{Test: 2}}, "Test: got 2"},
		"nothing left": {change(func(d *matrix.Data) { d.Parts = slices.Repeat([]dataset.Split{2}, 60) }), matrix.Config{}, "no rows"},
	} {
		if _, err := matrix.Fit(t.Context(), c.data, c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := matrix.Fit(ended, good, matrix.Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	if _, err := matrix.Fit(t.Context(), sets(60), matrix.Config{Options: head.Options{Solver: head.Retrain}}); !errors.Is(err,
		head.ErrRetrainMultiLabel) {
		t.Errorf("retrain: got %v", err)
	}
	c := fit(t, good, matrix.Config{}).Classifier
	if _, err := c.Probabilities(t.Context(), [][]float32{{1}}); err == nil || !strings.Contains(err.Error(), "row 0") {
		t.Errorf("a short row: got %v", err)
	}
	other := matrix.Data{Rows: good.Rows[:1], Labels: []string{"oak"}}
	if _, err := c.Measure(t.Context(), other); err == nil || !strings.Contains(err.Error(), `"oak"`) {
		t.Errorf("another label: got %v", err)
	}
	if _, err := new(matrix.Classifier).Classify(t.Context(), nil); err == nil {
		t.Error("the zero value answers")
	}
}

// TestOpenRefuses: a file that is not a classifier's, or is damaged, is a FormatError.
func TestOpenRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c")
	if err := fit(t, clouds(60, 2), matrix.Config{}).Classifier.Save(path); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(whole)
	for name, bad := range map[string]string{
		"empty": "", "cut": text[:len(text)-1], "format": strings.Replace(text, "rehead-matrix/1", "rehead-matrix/9", 1),
		"temperature": strings.Replace(text, `\"temperature\":0`, `\"temperature\":-`, 1),
		"labels":      strings.Replace(text, "daisy", "tulip", 1),
		"activation":  strings.Replace(text, `\"activation\":\"`, `\"activation\":\"x`, 1),
		"name":        strings.Replace(text, `"bias"`, `"base"`, 1),
		"value":       text[:len(text)-4] + "\x00\x00\xc0\x7f",
	} {
		if bad == text {
			t.Fatalf("%s: nothing was changed in %.300q", name, text)
		}
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		var format *inception.FormatError
		if _, err := matrix.Open(path); !errors.As(err, &format) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want a FormatError", name, err)
		}
	}
	if _, err := matrix.Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}

func TestRegression_MeasureNotFinite(t *testing.T) {
	d := clouds(60, 3)
	r := fit(t, d, matrix.Config{})
	d.Rows[7] = slices.Clone(d.Rows[7])
	d.Rows[7][2] = float32(math.NaN())
	_, err := r.Classifier.Measure(t.Context(), d)
	if !errors.Is(err, inception.ErrNotFinite) || !strings.Contains(err.Error(), "row 7") {
		t.Errorf("got %v, want that row 7 is not finite", err)
	}
}
