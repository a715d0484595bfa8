package train

import (
	"context"
	"errors"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
)

// EvaluateConfig sets an evaluation; the zero value measures all pictures.
type EvaluateConfig struct {
	Part     string // "" or "all": every picture; "train", "validation", "test": that part by the model's own split rule
	CacheDir string // as in Config
	MaxBad   int    // as in Config
	Batch    int
	Decoders int
	Threads  int
	Device   string
	Kernel   string
	Limits   dataset.Limits
	Progress func(Event)
}

// Evaluation is what Evaluate found. It marshals as its Metrics.
type Evaluation struct {
	Metrics
	Pictures []Picture         // one for each picture measured, in the folder's order
	Problems []dataset.Problem // files left out, and why
	Embedded int
	Cached   int
}

// Evaluate measures a model on a folder of labelled pictures. Labels are matched by name; a label that the model does not
// know is an error that names it, a label of the model that the folder lacks is not.
func Evaluate(ctx context.Context, m *inception.Model, folder *dataset.Folder, cfg EvaluateConfig) (*Evaluation, error) {
	return nil, errors.New("train: evaluate: this package is being written")
}
