package device

import "context"

// A Regressor is a Device on which a softmax can be fitted to examples.
type Regressor interface {
	Device
	// Regress copies the examples to a unit.
	Regress(unit int, e Examples) (Regression, error)
}

// Examples are what a softmax is fitted to.
type Examples struct {
	N, Features, Classes int
	// Row writes row i, [Features]. It is called for one row after the other.
	Row func(i int, to []float32)
	// Labels [N] are 0 to Classes-1, Weights [N] say how much each example counts.
	Labels  []int32
	Weights []float32
	// On and Off are the targets of an example's label and of all others.
	On, Off float64
}

// A Regression is the weighted cross entropy of examples with softmax(W x + b), in exact float32; sums
// over the examples are formed as float32 in chunks, in one order. One goroutine uses it at a time.
type Regression interface {
	// Logits computes W x of all examples, for the calls that follow. w is [Classes,Features].
	Logits(ctx context.Context, w []float32) error
	// Sums returns the sum of the losses with the bias b [Classes] and writes that of their gradients by
	// the bias to sums [Classes].
	Sums(ctx context.Context, b []float32, sums []float64) (loss float64, err error)
	// Products writes the sum of weight times p p' to cross [Classes,Classes], p being an example's
	// probabilities with the bias b.
	Products(ctx context.Context, b []float32, cross []float64) error
	// Gradient is Sums, and also writes the sum of the gradients by the weights to grad
	// [Classes,Features].
	Gradient(ctx context.Context, b []float32, sums, grad []float64) (loss float64, err error)
	// Close releases everything.
	Close() error
}
