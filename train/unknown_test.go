package train

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/internal/traintest"
)

func TestRunUnknown(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	dir, w := drawn(t, 40), narrow(t)
	res := mustRun(t, dir, w, Config{Unknown: 0.2})
	u, line := res.Metrics.Unknown, res.Model.Unknown
	if u == nil || line == nil || line.Threshold != u.Threshold || line.FalseReject != 0.2 || u.Test == nil ||
		u.Detected == nil || len(u.LeftOut) != classes {
		t.Fatalf("got %+v and %+v", u, line)
	}
	below, in, k := 0, &res.report, len(res.Model.Labels)
	for i, it := range in.Items {
		if it.Split == dataset.Validation && line.Score(res.Model.Distance, in.Logits[i*k:(i+1)*k],
			in.Rows[i]) < line.Threshold {
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
	rows, given, _ := traintest.Flowers(t, "photos")
	labels := []string{"daisy", "dandelion", "roses", "sunflowers", "tulips"}
	j := &auditor{rows: rows, labels: labels,
		fit: &head.Solution{Options: head.Options{L2: head.DefaultL2(5)}, Iterations: 60}}
	rng := rand.New(rand.NewPCG(1, 1))
	for _, l := range given {
		// an eighth for validation
		j.items = append(j.items, dataset.Item{Label: l, Split: dataset.Split(max(0, rng.IntN(8)-6))})
	}
	sum := 0.0
	for l := range labels {
		left, err := j.leaveOut(t.Context(), l, 0.1)
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
