package serve

import (
	"context"

	"github.com/c236555e/rehead/dataset"
	"github.com/c236555e/rehead/inception"
)

// Classifier is what a [Server] needs of a model; *[inception.Classifier] is
// one. Its methods must be safe for concurrent use.
type Classifier interface {
	// Classify decodes the images and answers a result for each, in order. An
	// image that cannot be read has its Err set; the returned error means that
	// none could be answered.
	Classify(ctx context.Context, limits dataset.Limits, images ...[]byte) ([]inception.Result, error)

	// Model returns the model that Classify answers for.
	Model() *inception.Model

	// Close releases what the model holds. It is called once, after the last
	// Classify has returned.
	Close() error
}
