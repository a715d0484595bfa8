package serve

import (
	"context"

	"github.com/c236555e/rehead/inception"
)

// Classifier is what a [Server] needs of a model; *[inception.Classifier] is one. Its methods must
// be safe for concurrent use.
//
// The server calls the inputs' Decode itself, so that requests decode in parallel and then share
// forward passes.
type Classifier interface {
	// Classify runs one forward pass over pictures that are decoded, and answers a result for each,
	// in order. It returns early, with the context's error, when ctx ends.
	Classify(ctx context.Context, inputs ...*inception.Input) ([]inception.Result, error)

	// Check compares what the model answers to its own self-test with what it answered when it was
	// made. A model that fails is never installed.
	Check(ctx context.Context) error

	// Model returns the model that answers.
	Model() *inception.Model

	// Close releases what the model holds. It is called once, after the last Classify has returned.
	Close() error
}
