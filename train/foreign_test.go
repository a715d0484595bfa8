package train

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// TestEvaluateForeign: a head that reads what is in no cache is measured as it answers.
func TestEvaluateForeign(t *testing.T) {
	w, err := inception.Random(inception.RandomConfig{Width: 0.02, Size: 107, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	dir := drawn(t, 3)
	for _, reads := range []*inception.Features{inception.LastMaximum(), inception.LastCells(107)} {
		n := reads.Length(w.Width)
		head := &inception.Head{Classes: classes, Features: n, B: make([]float32, classes)}
		for i := range classes * n {
			head.W = append(head.W, float32(math.Sin(float64(i))))
		}
		of := *w
		of.Head, of.Reads = head, reads
		m, err := inception.ModelFromWeights(&of)
		if err != nil {
			t.Fatal(err)
		}
		m.Labels = scan(t, dir).Labels
		v := mustEvaluate(t, m, dir, "")
		c, err := inception.NewClassifier(m, nn.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if len(v.Pictures) != 3*classes {
			t.Fatalf("got %d pictures, want %d", len(v.Pictures), 3*classes)
		}
		for _, p := range v.Pictures {
			data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(p.Rel)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Classify(t.Context(), &inception.Input{Data: data})
			if err != nil {
				t.Fatal(err)
			}
			if best := got[0].Predictions[0]; best.Label != p.Predicted ||
				!(math.Abs(best.Probability-p.Probability) <= 1e-6) {
				t.Errorf("%v, %s: evaluated as %s %.6f, answered as %+v", reads, p.Rel, p.Predicted, p.Probability, best)
			}
		}
	}
}
