package serve

import (
	"context"

	"github.com/c236555e/rehead/inception"
)

// Classifier is what a [Server] needs of a model; *[inception.Classifier] is
// one. Its methods must be safe for concurrent use.
//
// The server decodes pictures itself, with Model().Recipe.Load, so that
// requests decode in parallel and then share forward passes.
type Classifier interface {
	// Infer runs one forward pass over n pictures, pixels [n,3,Size,Size] as
	// Model().Recipe.Load writes them, and answers a result for each, in order.
	// It returns early, with the context's error, when ctx ends.
	Infer(ctx context.Context, n int, pixels []float32) ([]inception.Result, error)

	// Check compares what the model answers to its own self-test with what it
	// answered when it was made. A model that fails is never installed.
	Check(ctx context.Context) error

	// Model returns the model that Infer answers for.
	Model() *inception.Model

	// Close releases what the model holds. It is called once, after the last
	// Infer has returned.
	Close() error
}
