package inception

import (
	"github.com/c236555e/rehead/dataset"
)

// Prediction is one label with its probability, 0..1.
type Prediction struct {
	Label       string  `json:"label"`
	Probability float64 `json:"probability"`
}

// Result is the answer for one picture: either Err or the rest.
type Result struct {
	Predictions []Prediction // every class, most probable first, ties in the order of the labels
	Bottleneck  []float32    // [F]
	Info        dataset.Info // what the picture was
	Err         error        // why the picture could not be read
}
