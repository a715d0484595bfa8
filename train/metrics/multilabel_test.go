package metrics

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/train/internal/traintest"
)

// multiLabelSample is four test pictures of three labels, with thresholds 0.5, 0.3 and 0.5.
func multiLabelSample() Predictions {
	d := Predictions{Labels: []string{"a", "b", "c"}, Temperature: 1, MultiLabel: true,
		Thresholds: []float64{0.5, 0.3, 0.5}}
	add := func(set []int, p ...float64) {
		d.Items = append(d.Items, dataset.Item{Path: "p", Rel: "r", Labels: set, Split: dataset.Test})
		for _, v := range p {
			d.Logits = append(d.Logits, traintest.Logit(v))
		}
	}
	add([]int{0, 1}, 0.9, 0.4, 0.1) // right
	add([]int{0}, 0.6, 0.35, 0.2)   // b too much
	add([]int{1, 2}, 0.2, 0.2, 0.8) // b missing
	add([]int{}, 0.3, 0.1, 0.05)    // right
	return d
}

func TestMeasureMultiLabel(t *testing.T) {
	m, pictures := multiLabelSample().Measure()
	s := m.MultiLabel
	if s == nil || m.Confusion != nil || m.TopK != nil {
		t.Fatalf("got %+v", m)
	}
	for name, v := range map[string][2]float64{
		"subset accuracy": {s.SubsetAccuracy, 0.5}, "accuracy": {m.Test.Accuracy, 0.5},
		"hamming loss": {s.HammingLoss, 2. / 12},
		"labels":       {s.LabelsPerImage, 5. / 4}, "micro precision": {s.MicroPrecision, 4. / 5},
		"micro recall": {s.MicroRecall, 4. / 5}, "micro F1": {s.MicroF1, 8. / 10},
		"macro F1": {s.MacroF1, (1 + 0.5 + 1) / 3.}, "mean average precision": {s.MeanAP, (1 + (1+2./3)/2 + 1) / 3},
		"AUC": {*m.ROCAUC, (1 + 0.75 + 1) / 3.},
		"log loss": {m.Test.LogLoss,
			-(math.Log(0.9*0.4*0.9) + math.Log(0.6*0.65*0.8) + math.Log(0.8*0.2*0.8) + math.Log(0.7*0.9*0.95)) / 4},
		"probability": {pictures[0].Probability, 0.9 * 0.4 * 0.9}, "of label": {pictures[1].OfLabel, 0.6 * 0.65 * 0.8},
	} {
		if !traintest.Near(v[0], v[1], 1e-12, 0) {
			t.Errorf("%s: got %g, want %g", name, v[0], v[1])
		}
	}
	if c := m.PerClass[1]; c.Measured != 2 || c.Predicted != 2 || c.Precision != 0.5 || c.Recall != 0.5 ||
		*c.Threshold != 0.3 || *c.RecallInterval != Wilson(1, 2) || c.Test != 2 {
		t.Errorf("label b: got %+v", c)
	}
	if p := pictures[1]; !reflect.DeepEqual(p.Labels, []string{"a"}) ||
		!reflect.DeepEqual(p.Answered, []string{"a", "b"}) || p.Predicted != "a + b" ||
		pictures[3].Label != "none of the labels" || pictures[0].Rank != 2 || pictures[2].Rank != 3 || pictures[3].Rank != 0 ||
		!traintest.Near(p.Loss, -math.Log(0.6*0.65*0.8), 1e-12, 0) {
		t.Errorf("got %+v", p)
	}
	for name, in := range map[string]*[2]float64{"hamming loss": s.HammingLossInterval, "micro F1": s.MicroF1Interval,
		"macro F1": s.MacroF1Interval, "mean AP": s.MeanAPInterval} {
		if in == nil || !(0 <= in[0] && in[0] < in[1] && in[1] <= 1) {
			t.Errorf("%s: interval %v", name, in)
		}
	}
	again, _ := multiLabelSample().Measure()
	if !reflect.DeepEqual(again, m) {
		t.Error("measured again it is something else")
	}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var back Metrics
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, m) {
		t.Errorf("read back: got %+v, %v", back, err)
	}
}

// TestAveragePrecision holds it to its definition: for each positive, the share of positives among
// what is at least as probable.
func TestAveragePrecision(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 60
	logits, sets, once := make([]float64, n), make([][]int, n), make([]float64, n)
	for i := range logits {
		logits[i], once[i] = math.Round(4*rng.NormFloat64())/4, 1 // with ties
		if rng.IntN(3) == 0 {
			sets[i] = []int{0}
		}
	}
	got, ok := decide(logits, sets, 1, nil, 1).averagePrecision(0, once)
	sum, positives := 0.0, 0.0
	for i := range logits {
		if len(sets[i]) == 0 {
			continue
		}
		above, right := 0.0, 0.0
		for j := range logits {
			if logits[j] >= logits[i] {
				above++
				right += float64(len(sets[j]))
			}
		}
		sum += right / above
		positives++
	}
	if want := sum / positives; !ok || !traintest.Near(got, want, 1e-12, 0) {
		t.Errorf("got %g, want %g", got, want)
	}
	if _, ok := decide(logits, make([][]int, n), 1, nil, 1).averagePrecision(0, once); ok {
		t.Error("without a positive there is none")
	}
}

// TestIntervalsCover: of many samples of decisions that are wrong one time in five, the interval of
// the Hamming loss holds 0.2 about 95 times in 100.
func TestIntervalsCover(t *testing.T) {
	rng, covered := rand.New(rand.NewPCG(3, 4)), 0
	const samples, n, k = 60, 80, 2
	for range samples {
		logits, sets := make([]float64, n*k), make([][]int, n)
		for i := range n {
			for l := range k {
				has := rng.IntN(2) == 0
				if has {
					sets[i] = append(sets[i], l)
				}
				if logits[i*k+l] = -1; has != (rng.IntN(5) == 0) {
					logits[i*k+l] = 1
				}
			}
		}
		if in := decide(logits, sets, 1, nil, k).intervals()[atHamming]; in[0] <= 0.2 && 0.2 <= in[1] {
			covered++
		}
	}
	if covered < samples*85/100 {
		t.Errorf("%d of %d intervals hold the truth, want about 95 in 100", covered, samples)
	}
}

func TestWeightedMetrics(t *testing.T) {
	d := sample()
	plain, _ := d.Measure()
	if plain.Test.Weighted != nil {
		t.Errorf("without weights: got %+v", plain.Test.Weighted)
	}
	d.Items[3].Weight, d.Items[4].Weight = 3, 0.5 // of the test pictures, right and wrong; the third, right, counts 1
	m, _ := d.Measure()
	w := m.Test.Weighted
	right, wrong := math.Log(1+2*math.Exp(-5)), 5+math.Log(1+2*math.Exp(-5))
	if w == nil || !traintest.Near(w.Accuracy, 4/4.5, 1e-12, 0) ||
		!traintest.Near(w.LogLoss, (3*right+0.5*wrong+right)/4.5, 1e-12, 0) {
		t.Fatalf("got %+v", w)
	}
	effective := 4.5 * 4.5 / (9 + 0.25 + 1)
	want := wilson(effective*4/4.5, effective)
	if !traintest.Near(w.Interval[0], want[0], 1e-12, 0) || !traintest.Near(w.Interval[1], want[1], 1e-12, 0) ||
		!(w.Interval[0] < w.Accuracy && w.Accuracy < w.Interval[1]) {
		t.Errorf("interval %v of %g", w.Interval, w.Accuracy)
	}
	if tr := m.Train.Weighted; tr == nil || tr.Accuracy != m.Train.Accuracy ||
		!traintest.Near(tr.Interval[0], m.Train.Interval[0], 1e-12, 0) {
		t.Errorf("a part of pictures that count 1 each: got %+v, want what the pictures give", tr)
	}
	m.Test.Weighted = nil
	m.All.Weighted, m.Train.Weighted = nil, nil
	if !reflect.DeepEqual(m, plain) {
		t.Error("weights change more than the weighted metrics")
	}
	m, _ = d.Measure()
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(data, &keys); err != nil {
		t.Fatal(err)
	}
	if keys["test_weighted_accuracy"] != 4/4.5 || keys["weighted_log_loss"] != m.All.Weighted.LogLoss ||
		keys["test_weighted_accuracy_interval"] == nil || keys["validation_weighted_accuracy"] != nil {
		t.Errorf("got %v", keys)
	}
	var back Metrics
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, m) {
		t.Errorf("read back: got %+v, %v", back, err)
	}
}
