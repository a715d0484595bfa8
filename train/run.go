package train

import (
	"context"
	"errors"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
)

// Result is what a training run made.
type Result struct {
	Model    *inception.Model  // ready to Save
	Metrics  Metrics           // as in Model.Metrics
	Fit      *Fit              // the head's solution
	Problems []dataset.Problem // every file that was left out, and why: the folder's own and those that did not decode
	Notes    []string          // what is unusual about the data, one sentence each
	Pictures []Picture         // every picture that was used, with its prediction, in the folder's order
	Embedded int               // pictures that went through the trunk in this run
	Cached   int               // pictures whose bottleneck was there already
	Seconds  map[Phase]float64 // wall time of each phase
}

// Run trains a classifier on folder with the trunk w. The folder is split here (its items' Split fields are set).
//
// When ctx ends, Run returns soon with an error that wraps ctx.Err(); bottlenecks embedded so far stay in the cache, and
// the same call made again goes on from there.
func Run(ctx context.Context, folder *dataset.Folder, w *inception.Weights, cfg Config) (*Result, error) {
	return nil, errors.New("train: run: this package is being written")
}
