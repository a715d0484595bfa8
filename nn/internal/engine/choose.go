package engine

import "github.com/c236555e/rehead/nn/internal/kernel"

// choose prepares the fastest algorithm for s. The choice depends on the shape
// and the set alone, never on a timing, so that one model on one kind of
// machine always computes the same bits.
func choose(set kernel.Set, s kernel.Spec) (kernel.Conv, error) {
	return kernel.NewDirect(set, s)
}
