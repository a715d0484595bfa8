package engine

import (
	"context"
	"time"

	"github.com/c236555e/rehead/nn/internal/device"
)

// Profile runs one image rounds times, step by step on all threads, and returns
// the steps in the order in which they run. A run proper lets steps that do not
// depend on each other overlap, so that it takes less than their sum.
func (e *Executor) Profile(ctx context.Context, rounds int, in []float32) ([]device.Step, error) {
	if err := e.turn.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer e.turn.Release(1)
	var steps []device.Step
	var single []region
	for _, r := range e.plan.regions {
		for i := range r {
			single = append(single, r[i:i+1])
			t := &r[i]
			steps = append(steps, device.Step{Name: t.name, Algorithm: t.algorithm, Shape: t.shape, GFLOP: t.flop * 1e-9})
		}
	}
	out := make([][]float32, len(e.plan.outputs))
	for i, size := range e.plan.outputs {
		out[i] = make([]float32, size)
	}
	e.team.begin()
	defer e.team.end()
	e.load(0, 1, len(in), in, out)
	defer clear(e.images)
	for round := range max(1, rounds) {
		for i, r := range single {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			start := time.Now()
			e.runRegion(r)
			if d := time.Since(start); round == 0 || d < steps[i].Time {
				steps[i].Time = d
			}
		}
	}
	return steps, nil
}
