package nn

import (
	"context"
	"errors"
	"fmt"

	"github.com/c236555e/rehead/nn/internal/engine"
)

// Step is what [Program.Profile] says of one step: the operator's name, the
// algorithm, the shape, the time of one image and the arithmetic of the
// operator's definition in GFLOP, whatever the algorithm saves of it.
type Step = engine.Step

// Profile runs one image, in [the input's shape], rounds times, one step after
// the other on all threads, and returns each step's shortest time. In a Run,
// steps that do not depend on each other overlap: it takes less than the sum.
// Not every device can tell.
func (p *Program) Profile(ctx context.Context, rounds int, in []float32) ([]Step, error) {
	if len(in) != p.input {
		return nil, fmt.Errorf("nn: profile: input: got %d values, want %d", len(in), p.input)
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return nil, errors.New("nn: profile: the program is closed")
	}
	exec, ok := p.exec.(interface {
		Profile(ctx context.Context, rounds int, in []float32) ([]Step, error)
	})
	if !ok {
		return nil, fmt.Errorf("nn: profile: device %q does not time single steps", p.device)
	}
	steps, err := exec.Profile(ctx, rounds, in)
	if err != nil {
		return nil, fmt.Errorf("nn: profile: %w", err)
	}
	return steps, nil
}
