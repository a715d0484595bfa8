package metrics

import (
	"errors"
	"fmt"
)

// RequireAccuracy returns an error that says what was got and what was wanted when the accuracy is
// below least, 0..1: of the test part, where nothing was held out for it of the validation part,
// else of all pictures. Weights do not count; of several labels a picture's whole set has to be
// right.
func (m *Metrics) RequireAccuracy(least float64) error {
	if m == nil {
		return errors.New("train: accuracy: got no metrics")
	}
	name, p := "all pictures", m.All
	switch {
	case m.ConfusionPart == "all" || m.ConfusionPart == "train":
	case m.Test.Images > 0:
		name, p = "the test pictures", m.Test
	case m.Validation.Images > 0:
		name, p = "the validation pictures", m.Validation
	}
	if p.Accuracy >= least {
		return nil
	}
	if m.MultiLabel != nil {
		name += " whose every label is right"
	}
	return fmt.Errorf("train: accuracy on %s: got %.4f (%d of %d), want at least %.4f", name, p.Accuracy, p.Correct,
		p.Images, least)
}
