package train

import (
	"context"
	"errors"

	"github.com/c236555e/rehead/inception"
)

// Fit is a solved head.
type Fit struct {
	Head        inception.Head // takes plain bottlenecks: the standardisation is folded in
	L2          float64
	Loss        float64 // mean cross entropy + L2 term at the solution
	Gradient    float64 // its gradient's largest component
	Iterations  int
	Evaluations int  // of loss and gradient
	Converged   bool // Gradient <= Tolerance; false when MaxIterations or the limits of float32 came first
}

// FitHead solves for the head that minimises the regularised mean cross entropy of ex: see the package comment.
func FitHead(ctx context.Context, ex Examples, cfg FitConfig) (*Fit, error) {
	return nil, errors.New("train: fit: this package is being written")
}
