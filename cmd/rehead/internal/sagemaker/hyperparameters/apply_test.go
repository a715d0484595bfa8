package hyperparameters

import (
	"errors"
	"strings"
	"testing"
)

func TestApply(t *testing.T) {
	seen := map[string]string{}
	table := map[string]Setting{
		"seed":   {Set: func(v string) error { seen["seed"] = v; return nil }},
		"epochs": {Reason: "the head is solved to convergence"},
		"l2":     {Set: func(string) error { return errors.New("no number") }},
	}
	notes, err := Apply(map[string]string{"seed": "3", "epochs": "30", "_tuning_objective_metric": "x",
		"sagemaker_program": "y", "model_dir": "z"}, table)
	if err != nil || seen["seed"] != "3" || len(notes) != 1 || !strings.Contains(notes[0], "epochs=30") {
		t.Errorf("got %v, %v, %v", notes, seen, err)
	}
	if _, err := Apply(map[string]string{"sede": "3"}, table); err == nil ||
		!strings.Contains(err.Error(), `did you mean "seed"`) {
		t.Errorf("an unknown name: got %v, want the nearest one", err)
	}
	if _, err := Apply(map[string]string{"l2": "x"}, table); err == nil || !strings.Contains(err.Error(), `"l2"`) {
		t.Errorf("a bad value: got %v, want an error that names it", err)
	}
}

// Names that every job refuses are neither proposed nor listed.
func TestRegression_RefusedNamesAreNotProposed(t *testing.T) {
	set := func(string) error { return nil }
	table := map[string]Setting{"output": {Set: set, Refuse: true}, "other": {Set: set}}
	_, err := Apply(map[string]string{"outputs": "x"}, table)
	if err == nil || strings.Contains(err.Error(), `"output"`) || !strings.HasSuffix(err.Error(), "Known are other") {
		t.Errorf("got %v", err)
	}
}
