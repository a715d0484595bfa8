package onnxruntime

import (
	"context"

	"github.com/c236555e/rehead/nn/internal/ort"
)

// executor runs a network on a provider.
type executor struct {
	session *ort.Session
	kernel  string
	threads int
	batch   int // most images in one run
}

// Run computes n images, in as many runs as that takes.
func (e *executor) Run(ctx context.Context, n int, in []float32, out [][]float32) error {
	part := make([][]float32, len(out))
	for from := 0; from < n; from += e.batch {
		to := min(from+e.batch, n)
		for i, o := range out {
			if o != nil {
				part[i] = o[from*(len(o)/n) : to*(len(o)/n)]
			}
		}
		if err := e.session.Run(ctx, to-from, in[from*(len(in)/n):to*(len(in)/n)], part); err != nil {
			return err
		}
	}
	return nil
}

// Batch is how many images a run does well with: a GPU takes many to be filled.
func (e *executor) Batch() int { return min(max(e.batch/4, 4), e.batch) }

// Kernel names the arithmetic, such as "float16".
func (e *executor) Kernel() string { return e.kernel }

// Threads is the number of the processor's threads that a Run uses.
func (e *executor) Threads() int { return e.threads }

// Close releases the session.
func (e *executor) Close() error { return e.session.Close() }
