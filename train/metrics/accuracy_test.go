package metrics

import (
	"math"
	"strings"
	"testing"
)

func TestRequireAccuracy(t *testing.T) {
	m := Metrics{ConfusionPart: "test", All: Part{Images: 9, Correct: 9, Accuracy: 1},
		Test: Part{Images: 4, Correct: 3, Accuracy: 0.75}}
	if err := m.RequireAccuracy(0.75); err != nil {
		t.Error(err)
	}
	if err := m.RequireAccuracy(0.76); err == nil ||
		!strings.Contains(err.Error(), "test pictures: got 0.7500 (3 of 4), want at least 0.7600") {
		t.Errorf("got %v", err)
	}
	m.ConfusionPart = "all"
	if err := m.RequireAccuracy(0.9); err != nil {
		t.Errorf("an evaluation of all pictures: got %v", err)
	}
	if m = (Metrics{ConfusionPart: "validation", All: Part{Images: 9, Accuracy: 1},
		Validation: Part{Images: 4, Accuracy: 0.5}}); m.RequireAccuracy(0.6) == nil {
		t.Error("validation below the line passes")
	}
	if m = (Metrics{ConfusionPart: "test", Test: Part{Images: 1, Accuracy: math.NaN()}}); m.RequireAccuracy(0.1) == nil {
		t.Error("NaN passes")
	}
}
