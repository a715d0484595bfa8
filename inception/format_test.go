package inception

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/c236555e/rehead/nn"
)

// TestFormat1 opens an int8 model that the build of 2026-11-30 wrote (rehead train DIR --weights
// random:0.01 --dtype f16 --neighbours 5 --unknown 0.05 --no-report --seed 7 --precision int8) and
// compares its answers with what that build's predict --json printed, within the rounding of
// another processor's kernels.
func TestFormat1(t *testing.T) {
	at := func(name string) string { return filepath.Join("..", "testdata", "models", "format1", name) }
	data, err := os.ReadFile(at("picture.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(at("int8.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want struct{ Predictions []Prediction }
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	m, err := OpenModel(at("int8"))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Neighbours.Pictures) != 5 || m.Unknown == nil || m.Ranges == nil {
		t.Fatalf("got %d neighbours, unknown %v, %d ranges", len(m.Neighbours.Pictures), m.Unknown, len(m.Ranges))
	}
	c, err := NewClassifier(m, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := c.Classify(context.Background(), &Input{Data: data})
	if err != nil || got[0].Err != nil {
		t.Fatal(err, got[0].Err)
	}
	if len(got[0].Predictions) != len(want.Predictions) {
		t.Fatalf("got %+v, want %+v", got[0].Predictions, want.Predictions)
	}
	for i, p := range got[0].Predictions {
		w := want.Predictions[i]
		if d := math.Abs(p.Probability - w.Probability); p.Label != w.Label || !(d <= 1e-4) {
			t.Errorf("got %q %v, want %q %v within 1e-4", p.Label, p.Probability, w.Label, w.Probability)
		}
	}
}
