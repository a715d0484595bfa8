package nn

import (
	"context"
	"fmt"
	"time"

	"github.com/c236555e/rehead/nn/internal/device"
)

// Step is what [Program.Profile] says of one step.
type Step struct {
	Name      string        // the operator's
	Algorithm string        // such as "direct 8x48"
	Shape     string        // input, window/stride > output
	Time      time.Duration // an image, the shortest of the rounds
	GFLOP     float64       // the arithmetic of a convolution's definition, however much the algorithm saves of it
}

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
		return nil, fmt.Errorf("nn: profile: program: %w", ErrClosed)
	}
	exec, ok := p.exec.(device.Profiler)
	if !ok {
		return nil, fmt.Errorf("nn: profile: device %q does not time single steps", p.device)
	}
	timed, err := exec.Profile(ctx, rounds, in)
	if err != nil {
		return nil, fmt.Errorf("nn: profile: %w", err)
	}
	steps := make([]Step, len(timed))
	for i, s := range timed {
		steps[i] = Step(s)
	}
	return steps, nil
}
