package train

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
)

// TestEvaluateViews: an evaluation of a model that answers with several views says of each picture what
// the model's classifier says, with a cache and without, also where the head reads several blocks.
func TestEvaluateViews(t *testing.T) {
	dir, w := drawn(t, 6), narrow(t)
	for _, features := range []string{FeaturesLast, "mixed_6e,mixed_7c,mean,quarters"} {
		m := mustRun(t, dir, w, Config{Features: features, AnswerViews: 4}).Model
		if m.Views != 4 {
			t.Fatalf("the model has %d views, want 4", m.Views)
		}
		c, err := inception.NewClassifier(m, nn.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		cache := t.TempDir()
		for _, cfg := range []EmbedConfig{{}, {CacheDir: cache}, {CacheDir: cache}} {
			got, err := Evaluate(t.Context(), m, scan(t, dir), EvaluateConfig{EmbedConfig: cfg})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range got.Pictures[:4] {
				r, err := c.Classify(t.Context(), &inception.Input{Data: read(t, p.Path)})
				if err != nil {
					t.Fatal(err)
				}
				top := r[0].Predictions[0]
				if d := top.Probability - p.Probability; top.Label != p.Predicted || !(max(d, -d) <= 1e-3) {
					t.Errorf("%s: got %s, %v, want %s, %v", filepath.Base(p.Path), p.Predicted, p.Probability, top.Label,
						top.Probability)
				}
			}
		}
	}
	if a, b := viewKey([32]byte{1}, 1), viewKey([32]byte{1}, 2); slices.Equal(a[:], b[:]) {
		t.Error("two views have one key")
	}
}
