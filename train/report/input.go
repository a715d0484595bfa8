package report

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/c236555e/rehead/dataset/doctor"
	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/dataset/source"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/nn"
	"github.com/c236555e/rehead/train/head"
	"github.com/c236555e/rehead/train/metrics"
)

// Input is what a report is made from; it is only read. Slices run along Pictures.
type Input struct {
	metrics.Predictions                     // of the pictures
	Sums                [][sha256.Size]byte // SHA-256 of each picture's bytes
	Rows                [][]float32         // each picture's bottleneck
	Pictures            []metrics.Picture
	Metrics             *metrics.Metrics

	Model    *inception.Model
	Run      Run
	Root     string              // of the folder of pictures, which the report does not show
	Problems []source.Problem    // files that were left out, and why
	Notes    []string            // what is unusual about the data, one sentence each
	Near     []doctor.Duplicates // pictures that look nearly the same
	Learning *Learning           // how the solver came to the head; nil for an evaluation

	Engine nn.Config // that activation maps are computed with
	// optional: the model's, compiled with that; else it is compiled where there are maps to compute
	Trunk  *inception.Trunk
	Limits picture.Limits // of one picture
}

// Run says which run a report is of; what is not known is "".
type Run struct {
	Name string // of the model; "": that of its data
	Data string // name of the folder, archive or list of pictures
	Date string // such as 2026-11-30
}

// Learning is how the solver came to the head.
type Learning struct {
	Solution *head.Solution
	Losses   []head.Loss // on the way to the head, or to one with the same settings
	Moments  []Moment    // accuracies on the way; none where they were not measured
	Why      string      // what is unusual about it, a sentence or ""
}

// Moment is a moment of the solver.
type Moment struct {
	Iteration         int
	Loss              float64
	Train, Validation float64 // accuracies
	HasValidation     bool
}

// whole asks for what nothing can be shown without.
func (in *Input) whole() error {
	if in == nil || in.Model == nil || in.Metrics == nil || len(in.Rows) == 0 || len(in.Rows) != len(in.Pictures) {
		return errors.New("got no bottlenecks of the pictures, want the result of a training or an evaluation as it " +
			"was returned")
	}
	if len(in.Logits) != len(in.Labels)*len(in.Pictures) || len(in.Items) != len(in.Pictures) {
		return fmt.Errorf("got %d logits and %d items, want those of %d labels and %d pictures", len(in.Logits),
			len(in.Items), len(in.Labels), len(in.Pictures))
	}
	return nil
}
