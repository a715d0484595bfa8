package inception

import (
	"reflect"
	"testing"

	"github.com/c236555e/rehead/nn"
)

// A trunk that is compiled already answers for a model to the bit as a classifier of its own does, where it
// gives what the head reads and more, and is whole when the classifier is closed.
func TestTrunkClassifier(t *testing.T) {
	bottleneck, blocks := small(t), reading(t, Quarters, Deviation)
	for name, c := range map[string]struct {
		model *Model
		reads *Features
	}{
		"a bottleneck, of itself":       {bottleneck, nil},
		"a bottleneck, of every block":  {bottleneck, AllFeatures()},
		"blocks, of themselves":         {blocks, blocks.Reads},
		"some of a block, of all there": {blocks, AllFeatures()},
	} {
		trunk, err := NewTrunkOf(c.model.Trunk, c.reads, nn.Config{})
		if err != nil {
			t.Fatal(name, err)
		}
		own, err := NewClassifier(c.model, nn.Config{})
		if err != nil {
			t.Fatal(name, err)
		}
		for range 2 { // closing the first leaves the trunk open
			lent, err := trunk.Classifier(c.model)
			if err != nil {
				t.Fatal(name, err)
			}
			for i := range 3 {
				got, err := lent.Explain(t.Context(), &Input{Data: sketch(t, i, 3)}, 0)
				if err != nil {
					t.Fatal(name, err)
				}
				want, err := own.Explain(t.Context(), &Input{Data: sketch(t, i, 3)}, 0)
				if err != nil {
					t.Fatal(name, err)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s: picture %d: got %+v, want %+v", name, i, got.Predictions, want.Predictions)
				}
			}
			mine, err := lent.Record(t.Context())
			if err != nil {
				t.Fatal(name, err)
			}
			want, err := own.Record(t.Context())
			if err != nil {
				t.Fatal(name, err)
			}
			if !reflect.DeepEqual(mine, want) || lent.Close() != nil {
				t.Errorf("%s: another self-test, or Close failed", name)
			}
		}
		if err := own.Close(); err != nil {
			t.Error(err)
		}
		if err := trunk.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A trunk of other weights, or one that lacks what the head reads, is refused.
func TestTrunkClassifierRefuses(t *testing.T) {
	m, blocks := small(t), reading(t, Quarters)
	trunk, err := NewTrunk(m.Trunk, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer trunk.Close() //nolint:errcheck // only read
	other := *m
	other.TrunkDigest = blocks.TrunkDigest[1:] + "0"
	for name, refused := range map[string]*Model{"a block": blocks, "other weights": &other, "no model": nil} {
		if c, err := trunk.Classifier(refused); err == nil || c != nil {
			t.Errorf("%s: got %v, want an error", name, err)
		}
	}
	var none *Trunk
	if _, err := none.Classifier(m); err == nil {
		t.Error("no trunk is taken")
	}
}
