package metrics

import (
	"math"
	"testing"

	"github.com/c236555e/rehead/dataset"
)

// two are four pictures of two labels, of the logits of "no" alone.
func two(logits []float64, labels []int) Predictions {
	d := Predictions{Labels: []string{"yes", "no"}, Temperature: 1}
	for i, z := range logits {
		d.Items = append(d.Items, dataset.Item{Label: labels[i], Split: dataset.Test})
		d.Logits = append(d.Logits, 0, z)
	}
	return d
}

func TestCurves(t *testing.T) {
	d := two([]float64{3, 2, 2, -1}, []int{1, 1, 0, 1})
	curves := d.Curves("test")
	if len(curves) != 2 {
		t.Fatalf("got %d curves, want one for each label", len(curves))
	}
	c := curves[1]
	if c.Label != "no" || c.Images != 4 || c.Positives != 3 || len(c.Points) != 3 {
		t.Fatalf("got %+v, want three thresholds, for two pictures are equal", c)
	}
	for i, want := range [][4]float64{{1, 1.0 / 3, 0, 1}, {2.0 / 3, 2.0 / 3, 1, 3}, {0.75, 1, 1, 4}} {
		p := c.Points[i]
		got := [4]float64{p.Precision(), c.Recall(p), c.FalsePositives(p), float64(p.Given)}
		for j := range got {
			if !(math.Abs(got[j]-want[j]) <= 1e-12) {
				t.Errorf("point %d: got %v, want %v", i, got, want)
			}
		}
	}
	// one picture at precision 1, one at 2/3, one at 3/4
	if want := (1 + 2.0/3 + 0.75) / 3; !(math.Abs(c.AveragePrecision()-want) <= 1e-12) {
		t.Errorf("got the average precision %g, want %g", c.AveragePrecision(), want)
	}
	a := d.AnswerCurve("all")
	last := a.Points[len(a.Points)-1]
	if a.Label != "" || a.Positives != 2 || last.Given != 4 || last.Right != 2 || a.Points[0].Given != 1 {
		t.Errorf("answers: got %+v, want 2 of 4 right, the surest alone first", a)
	}
	if thin := c.Thin(2); len(thin.Points) != 2 || thin.Points[0] != c.Points[0] || thin.Points[1] != c.Points[2] {
		t.Errorf("thin: got %+v, want the ends", thin.Points)
	}
	if got := d.Curves("train"); got[0].Images != 0 || got[0].AveragePrecision() != 0 {
		t.Errorf("a part without pictures: got %+v", got[0])
	}
	if p := (CurvePoint{}); p.Precision() != 1 {
		t.Errorf("of nothing: got the precision %g", p.Precision())
	}
}

func TestReliabilityBins(t *testing.T) {
	var logits []float64
	var labels []int
	for i := range 100 {
		logits, labels = append(logits, float64(i)/20), append(labels, min(i%4, 1))
	}
	d := two(logits, labels)
	bins, pictures := d.Reliability("test", 1, 10)
	if len(bins) != 10 || pictures != 100 {
		t.Fatalf("got %d bins of %d pictures", len(bins), pictures)
	}
	sum := 0.0
	for i, b := range bins {
		if b.Count != 10 || !(b.Low <= b.Confidence && b.Confidence <= b.High) || i > 0 && b.Low < bins[i-1].High ||
			!(b.Interval[0] <= b.Accuracy && b.Accuracy <= b.Interval[1]) {
			t.Errorf("bin %d: got %+v, want 10 answers", i, b)
		}
		sum += b.Accuracy * float64(b.Count)
	}
	if want := d.correct(); !(math.Abs(sum-want) <= 1e-9) {
		t.Errorf("got %g right answers in all bins, want %g", sum, want)
	}
	uneven, _ := two(logits[:26], labels[:26]).Reliability("all", 1, 3)
	if len(uneven) != 3 || uneven[0].Count != 8 || uneven[1].Count != 9 || uneven[2].Count != 9 {
		t.Errorf("26 answers in 3 bins: got %+v", uneven)
	}
	equal := two(make([]float64, 30), make([]int, 30))
	if bins, _ := equal.Reliability("all", 1, 5); len(bins) != 1 || bins[0].Count != 30 || bins[0].Accuracy != 1 {
		t.Errorf("equal answers: got %+v, want one bin", bins)
	}
	if bins, n := d.Reliability("train", 1, 5); bins != nil || n != 0 {
		t.Errorf("a part without pictures: got %v, %d", bins, n)
	}
}

// correct is how many answers are right.
func (d Predictions) correct() float64 {
	m, _ := d.Measure()
	return float64(m.All.Correct)
}
