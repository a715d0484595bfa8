package hyperparameters

import (
	"errors"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/c236555e/rehead/train"
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

// TestTopLayer: what the TensorFlow built-in may be asked to train beyond the head is refused with the
// reason, in every spelling; what asks for the head alone changes nothing.
func TestTopLayer(t *testing.T) {
	manifest, weights := "", ""
	table := Table(Target{Flags: pflag.NewFlagSet("", pflag.ContinueOnError), Config: &train.Config{},
		ClassWeights: &weights, Manifest: &manifest}, nil)
	for _, name := range []string{"train_only_top_layer", "train_only_on_top_layer", "reinitialize_top_layer"} {
		for _, yes := range []string{"true", "1"} {
			notes, err := Apply(map[string]string{name: yes}, table)
			if err != nil || len(notes) != 1 {
				t.Errorf("%s=%s: got %q, %v, want a note", name, yes, notes, err)
			}
		}
		for value, want := range map[string]string{"false": "leave it out", "some": "true or false"} {
			if name == "reinitialize_top_layer" && value == "false" {
				want = "the channel model"
			}
			if _, err := Apply(map[string]string{name: value}, table); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s=%s: got %v, want %q", name, value, err, want)
			}
		}
	}
	for _, name := range []string{"validation_split", "validation_split_ratio"} {
		if setting, ok := table[name]; !ok || setting.Set == nil {
			t.Errorf("%s does nothing", name)
		}
	}
}
