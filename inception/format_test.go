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

// models are those that older builds wrote.
var models = filepath.Join("..", "testdata", "models")

// TestFormat1 opens models that earlier builds wrote (rehead train DIR --weights random:0.01 --dtype
// f16 --neighbours 5 --unknown 0.05 --no-report --seed 7) and compares their answers with what those
// builds' predict --json printed, within the rounding of another processor's kernels.
func TestFormat1(t *testing.T) {
	for name, holds := range map[string]func(*Model) bool{
		"int8":   func(m *Model) bool { return m.Ranges != nil },                              // --precision int8, 2026-11-30
		"blocks": func(m *Model) bool { return m.Ranges == nil && len(m.Reads.Blocks) == 11 }, // --features all, 2026-12-01
	} {
		t.Run(name, func(t *testing.T) {
			m, err := OpenModel(filepath.Join(models, "format1", name))
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Neighbours.Pictures) != 5 || m.Unknown == nil || !holds(m) {
				t.Fatalf("got %d neighbours, unknown %v, %d ranges, features of %v",
					len(m.Neighbours.Pictures), m.Unknown, len(m.Ranges), m.Reads)
			}
			answersAsThen(t, m, filepath.Join(models, "format1"), name)
		})
	}
}

// answersAsThen holds m's answer for the picture of a folder to the one that NAME.json tells.
func answersAsThen(t *testing.T, m *Model, dir, name string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "picture.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var want struct{ Predictions []Prediction }
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
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
