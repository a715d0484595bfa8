package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
)

func TestRunUnknown(t *testing.T) {
	dir, w := drawn(t, 40), narrow(t)
	res := mustRun(t, dir, w, Config{Unknown: 0.2})
	u, line := res.Metrics.Unknown, res.Model.Unknown
	if u == nil || line == nil || line.Threshold != u.Threshold || line.FalseReject != 0.2 || u.Test == nil ||
		u.Detected == nil || len(u.LeftOut) != classes {
		t.Fatalf("got %+v and %+v", u, line)
	}
	e, below := &res.evidence, 0
	for _, s := range e.scores(e.logits, classes, dataset.Validation) {
		if s < line.Threshold {
			below++
		}
	}
	if u.Validation != res.Metrics.Validation.Images || below != int(0.2*float64(u.Validation)) {
		t.Errorf("%d of %d validation pictures lie below the line, want %d", below, u.Validation,
			int(0.2*float64(u.Validation)))
	}
	if few := mustRun(t, dir, w, Config{Unknown: 0.001}); few.Model.Unknown != nil ||
		!strings.Contains(strings.Join(few.Notes, ","), "want at least 1000") {
		t.Errorf("too few validation pictures: got %+v, notes %q", few.Model.Unknown, few.Notes)
	}
	if none := mustRun(t, dir, w, Config{}); none.Model.Unknown != nil || none.Metrics.Unknown != nil {
		t.Error("a line that nobody asked for")
	}
	for _, bad := range []float64{-0.1, 0.6, math.NaN()} {
		if err := (Config{Unknown: bad}).Validate(); err == nil || !strings.Contains(err.Error(), "Unknown") {
			t.Errorf("%g: got %v", bad, err)
		}
	}
}

// TestUnknownFlowers leaves out each label of real photographs in turn.
func TestUnknownFlowers(t *testing.T) {
	ex, _ := flowers(t, "photos")
	e := &evidence{rows: ex.Rows, settings: Settings{L2: DefaultL2(5), Iterations: 60}}
	rng := rand.New(rand.NewPCG(1, 1))
	for _, l := range ex.Labels {
		// an eighth for validation
		e.items = append(e.items, dataset.Item{Label: l, Split: dataset.Split(max(0, rng.IntN(8)-6))})
	}
	sum := 0.0
	labels := []string{"daisy", "dandelion", "roses", "sunflowers", "tulips"}
	for l := range labels {
		left, err := e.leaveOut(t.Context(), l, labels, 0.1)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %.2f of %d", left.Label, left.Detected, left.Images)
		sum += left.Detected
	}
	if mean := sum / 5; !(mean > 0.15) { // a line that knows nothing rejects a tenth
		t.Errorf("got %.2f of the pictures of labels left out, at a false reject rate of 0.1", mean)
	}
}

func TestOutliers(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	e := &evidence{}
	for i := range 60 {
		row := make([]float32, 20)
		for j := range row {
			row[j] = float32(rng.NormFloat64())
		}
		if i == 7 || i == 41 {
			for j := range row {
				row[j] += float32(i)
			}
		}
		e.rows, e.items = append(e.rows, row), append(e.items, dataset.Item{Label: i % 2, Rel: string(rune('A' + i))})
	}
	got := e.outliers([]string{"a", "b"})
	if !slices.ContainsFunc(got, func(o Outlier) bool {
		return o.Image == string(rune('A'+7))
	}) || got[0].Image != string(rune('A'+41)) || len(got) > 4 {
		t.Errorf("got %+v, want the two that were moved away", got)
	}
}

func TestReach(t *testing.T) {
	m := Metrics{ConfusionPart: "test", All: Part{Images: 9, Correct: 9, Accuracy: 1},
		Test: Part{Images: 4, Correct: 3, Accuracy: 0.75}}
	if err := m.Reach(0.75); err != nil {
		t.Error(err)
	}
	if err := m.Reach(0.76); err == nil ||
		!strings.Contains(err.Error(), "test pictures: got 0.7500 (3 of 4), want at least 0.7600") {
		t.Errorf("got %v", err)
	}
	m.ConfusionPart = "all"
	if err := m.Reach(0.9); err != nil {
		t.Errorf("an evaluation of all pictures: got %v", err)
	}
	if m = (Metrics{ConfusionPart: "validation", All: Part{Images: 9, Accuracy: 1},
		Validation: Part{Images: 4, Accuracy: 0.5}}); m.Reach(0.6) == nil {
		t.Error("validation below the line passes")
	}
	if m = (Metrics{ConfusionPart: "test", Test: Part{Images: 1, Accuracy: math.NaN()}}); m.Reach(0.1) == nil {
		t.Error("NaN passes")
	}
}
