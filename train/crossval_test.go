package train

import (
	"testing"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/train/head"
)

// TestRunCrossValidates: every training and validation picture is measured once, none of the test
// part, whatever the pictures' weights and views; a label's only picture is left out, and other
// solvers than lbfgs are not cross-validated.
func TestRunCrossValidates(t *testing.T) {
	dir, w := drawn(t, perClass), narrow(t)
	run := func(cfg Config, alter func(f *dataset.Folder)) *Result {
		t.Helper()
		f := scan(t, dir)
		alter(f)
		r, err := Run(t.Context(), f, w, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	asItIs := func(*dataset.Folder) {}
	m := run(Config{}, asItIs).Metrics
	if c := m.CrossValidated; c == nil || c.Images != m.Train.Images+m.Validation.Images || !(c.Accuracy > 0.5) ||
		!(c.Interval[1]-c.Interval[0] < m.Test.Interval[1]-m.Test.Interval[0]) {
		t.Errorf("got %+v of %d and %d pictures", c, m.Train.Images, m.Validation.Images)
	}
	m = run(Config{Views: 2, Augment: picture.Augment{Flip: true}}, func(f *dataset.Folder) {
		f.Items[3].Weight = 5
	}).Metrics
	if c := m.CrossValidated; c == nil || c.Images != m.Train.Images+m.Validation.Images || c.Weighted == nil {
		t.Errorf("with weights and views: got %+v", c)
	}
	m = run(Config{}, func(f *dataset.Folder) { f.Items = f.Items[:2*perClass+1] }).Metrics
	if c := m.CrossValidated; c == nil || c.Images != m.Train.Images+m.Validation.Images-1 {
		t.Errorf("with a single picture of a label: got %+v of %d and %d pictures", c, m.Train.Images, m.Validation.Images)
	}
	if m := run(Config{Options: head.Options{Solver: head.Adam}}, asItIs).Metrics; m.CrossValidated != nil {
		t.Errorf("with adam: got %+v, want none", m.CrossValidated)
	}
}
