package metrics

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/internal/traintest"
)

// The intervals are method 3 of Newcombe, "Two-sided confidence intervals for the single
// proportion" (Statistics in Medicine 17, 1998), table I.
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		correct, n int
		lo, hi     float64
	}{
		{81, 263, 0.2553, 0.3662},
		{15, 148, 0.0624, 0.1605},
		{0, 20, 0.0000, 0.1611},
		{1, 29, 0.0061, 0.1718},
		{20, 20, 0.8389, 1.0000},
		{0, 0, 0, 1},
	} {
		got := Wilson(c.correct, c.n)
		if !traintest.Near(got[0], c.lo, 5e-5, 0) || !traintest.Near(got[1], c.hi, 5e-5, 0) {
			t.Errorf("%d of %d: got %.4f..%.4f, want %.4f..%.4f", c.correct, c.n, got[0], got[1], c.lo, c.hi)
		}
	}
	for n := 1; n < 60; n++ {
		for k := 0; k <= n; k++ {
			w, p := Wilson(k, n), float64(k)/float64(n)
			if !(0 <= w[0] && w[0] <= p && p <= w[1] && w[1] <= 1) {
				t.Errorf("%d of %d: %v does not hold %g", k, n, w, p)
			}
		}
	}
}

func TestTemperature(t *testing.T) {
	for _, want := range []float64{0.5, 1, 2.5} {
		logits, labels := traintest.Answers(5, 20000, 4, want)
		got := head.FitTemperature(logits, head.Examples{Labels: labels, Classes: 4})
		if !traintest.Near(got, want, 0, 0.03) { // three standard errors
			t.Errorf("got %g, want %g", got, want)
		}
		before, after := calibrationError(logits, labels, 4, 1), calibrationError(logits, labels, 4, got)
		if !(after < 0.02) || want != 1 && !(before > 0.05) {
			t.Errorf("temperature %g: calibration error %g before and %g after", want, before, after)
		}
	}
	if got := head.FitTemperature(nil, head.Examples{Labels: nil, Classes: 4}); got != 1 {
		t.Errorf("no examples: got %g, want 1", got)
	}
	sure := []float64{9, 0, 0, 9, 9, 0} // three right answers alone do not make it sure of everything
	if got := head.FitTemperature(sure, head.Examples{Labels: []int{0, 1, 0}, Classes: 2}); !(got > 0.7 && got <= 1) {
		t.Errorf("three examples: got %g, want nearly 1", got)
	}
	wrong := []float64{9, 0, 9, 0}
	if got := head.FitTemperature(wrong, head.Examples{Labels: []int{1, 1}, Classes: 2}); !(got > 1 && got <= 20) {
		t.Errorf("two wrong examples: got %g, want more than 1", got)
	}
}

func TestCalibrationError(t *testing.T) {
	// Four answers of confidence 0.75, two of them right, and one of confidence 0.96 that is right:
	// 4/5 |2/4 - 0.75| + 1/5 |1 - 0.96|.
	a, b := math.Log(3), math.Log(24)
	logits := []float64{a, 0, a, 0, 0, a, 0, a, b, 0}
	if got, want := calibrationError(logits, []int{0, 1, 1, 0, 0}, 2, 1),
		0.8*0.25+0.2*0.04; !traintest.Near(got, want, 1e-12, 0) {
		t.Errorf("got %g, want %g", got, want)
	}
	if got := calibrationError([]float64{800, 0}, []int{0}, 2, 1); got != 0 { // confidence 1 falls into the last bin
		t.Errorf("sure and right: got %g, want 0", got)
	}
	if got := calibrationError(nil, nil, 2, 1); got != 0 {
		t.Errorf("no examples: got %g, want 0", got)
	}
}

// sample is six pictures of three labels with their logits.
func sample() Predictions {
	d := Predictions{Labels: []string{"a", "b", "c"}, Temperature: 1}
	add := func(label int, s dataset.Split, logits ...float64) {
		d.Items = append(d.Items, dataset.Item{Path: "p", Rel: "r", Label: label, Split: s})
		d.Logits = append(d.Logits, logits...)
	}
	add(0, dataset.Train, 5, 0, 0)
	add(1, dataset.Train, 0, 5, 0)
	add(2, dataset.Train, 0, 5, 0)
	add(0, dataset.Test, 5, 0, 0)
	add(0, dataset.Test, 0, 5, 0)
	add(1, dataset.Test, 0, 5, 0)
	return d
}

func TestMeasure(t *testing.T) {
	m, pictures := sample().Measure()
	if m.ConfusionPart != "test" || !reflect.DeepEqual(m.Confusion, [][]int{{1, 1, 0}, {0, 1, 0}, {0, 0, 0}}) {
		t.Errorf("confusion of %s: got %v", m.ConfusionPart, m.Confusion)
	}
	auc := 0.75 // one of two is ahead of the other label's picture, the other one level with it
	want := []Class{
		{Label: "a", Train: 1, Test: 2, Measured: 2, Predicted: 1, Precision: 1, Recall: 0.5, F1: 2. / 3, ROCAUC: &auc},
		{Label: "b", Train: 1, Test: 1, Measured: 1, Predicted: 2, Precision: 0.5, Recall: 1, F1: 2. / 3, ROCAUC: &auc},
		{Label: "c", Train: 1},
	}
	one, two, none := Wilson(1, 1), Wilson(1, 2), Wilson(0, 0)
	for i, w := range [][2]*[2]float64{{&one, &two}, {&two, &one}, {&none, &none}} {
		want[i].PrecisionInterval, want[i].RecallInterval = w[0], w[1]
	}
	if a := m.Averages; a == nil || *a != (Averages{"a", 2. / 3, 0.75, 2. / 3}) {
		t.Errorf("averages: got %+v", a)
	}
	if !reflect.DeepEqual(m.PerClass, want) {
		t.Errorf("per class: got %+v, want %+v", m.PerClass, want)
	}
	if !reflect.DeepEqual(m.TopK, []float64{2. / 3, 1, 1}) || m.ROCAUC == nil || *m.ROCAUC != auc {
		t.Errorf("got top-k %v, ROC-AUC %v, want [2/3 1 1] and %g", m.TopK, m.ROCAUC, auc)
	}
	right, wrong := math.Log(1+2*math.Exp(-5)), 5+math.Log(1+2*math.Exp(-5))
	for _, c := range []struct {
		name            string
		part            Part
		images, correct int
		loss            float64
	}{
		{"train", m.Train, 3, 2, (2*right + wrong) / 3}, {"validation", m.Validation, 0, 0, 0},
		{"test", m.Test, 3, 2, (2*right + wrong) / 3}, {"all", m.All, 6, 4, (2*right + wrong) / 3},
	} {
		if c.part.Images != c.images || c.part.Correct != c.correct || !traintest.Near(c.part.LogLoss, c.loss, 1e-12, 0) {
			t.Errorf("%s: got %+v, want %d of %d, log loss %g", c.name, c.part, c.correct, c.images, c.loss)
		}
		if c.images > 0 && (c.part.Accuracy != float64(c.correct)/float64(c.images) ||
			c.part.Interval != Wilson(c.correct, c.images)) {
			t.Errorf("%s: got accuracy %g in %v", c.name, c.part.Accuracy, c.part.Interval)
		}
	}
	p := pictures[4]
	if p.Label != "a" || p.Predicted != "b" || p.Part != "test" ||
		!traintest.Near(p.Probability, math.Exp(-right), 1e-12, 0) ||
		!traintest.Near(p.OfLabel, math.Exp(-wrong), 1e-12, 0) || p.Rank != 2 || !traintest.Near(p.Loss, wrong, 1e-12, 0) {
		t.Errorf("picture 4: got %+v", p)
	}
	if pictures[0].Rank != 1 || pictures[2].Rank != 3 { // of equal logits the first is the larger one
		t.Errorf("ranks: got %+v and %+v", pictures[0], pictures[2])
	}
	d := sample()
	d.Part = "all"
	if m, _ := d.Measure(); m.ConfusionPart != "all" || m.Confusion[2][1] != 1 || m.PerClass[0].Measured != 3 {
		t.Errorf("all: got confusion %v of %s", m.Confusion, m.ConfusionPart)
	}
}

func TestMetricsJSON(t *testing.T) {
	m, _ := sample().Measure()
	m.Quarantined, m.Duplicates = 2, 1
	m.CrossValidated = &Part{Images: 2, Correct: 1, Accuracy: 0.5, Interval: [2]float64{0.25, 0.75}, LogLoss: 1}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(data, &keys); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"images": 6., "classes": 3., "train_accuracy": 2. / 3, "validation_accuracy": nil, "test_accuracy": 2. / 3,
		"accuracy": 4. / 6, "validation_accuracy_interval": nil, "validation_log_loss": nil, "validation_images": 0.,
		"test_images": 3., "test_correct": 2., "correct": 4., "quarantined": 2., "duplicates": 1., "temperature": 1.,
		"test_accuracy_interval": []any{m.Test.Interval[0], m.Test.Interval[1]}, "confusion_part": "test",
		"largest_label": "a", "largest_label_accuracy": 2. / 3, "balanced_accuracy": 0.75, "macro_f1": 2. / 3,
		"cross_validated": map[string]any{"images": 2., "correct": 1., "accuracy": 0.5,
			"accuracy_interval": []any{0.25, 0.75}, "log_loss": 1.},
		"roc_auc": 0.75, "top_k_accuracy": []any{2. / 3, 1., 1.},
	} {
		if got, ok := keys[key]; !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v (present %t), want %v", key, got, ok, want)
		}
	}
	var back Metrics
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, m) {
		t.Errorf("read back: got %+v, want %+v", back, m)
	}
}

// TestGap: a sentence only where the test accuracy is below the training accuracy by more than
// chance explains.
func TestGap(t *testing.T) {
	part := func(correct, images int) Part {
		return Part{Images: images, Correct: correct, Accuracy: float64(correct) / float64(images),
			Interval: Wilson(correct, images)}
	}
	for want, m := range map[string]Metrics{
		"test pictures, 70.0 %":       {Train: part(800, 800), Validation: part(60, 100), Test: part(70, 100)},
		"validation pictures, 60.0 %": {Train: part(800, 800), Validation: part(60, 100)},
	} {
		if got := m.Gap(); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
	for name, m := range map[string]Metrics{
		"few":   {Train: part(80, 80), Test: part(9, 10)},
		"near":  {Train: part(780, 800), Test: part(95, 100)},
		"none":  {Train: part(780, 800)},
		"other": {All: part(780, 800)},
	} {
		if got := m.Gap(); got != "" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
