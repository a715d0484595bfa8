package nn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/c236555e/rehead/nn/internal/device"
	"github.com/c236555e/rehead/nn/internal/ir"
)

// compileOn prepares net for one unit, or for several that share the images of a run.
func compileOn(list []choice, net *ir.Net, cfg device.Config) (name string, exec device.Executor, err error) {
	var s several
	var names []string
	for _, c := range list {
		e, err := c.Compile(net, c.unit, cfg)
		if err != nil {
			if len(list) > 1 {
				err = errors.Join(fmt.Errorf("nn: device %s: %w", c, err), s.Close())
			}
			return "", nil, err
		}
		s.units = append(s.units, unit{c.String(), e})
		names = append(names, c.String())
	}
	if len(list) == 1 {
		return names[0], s.units[0].Executor, nil
	}
	return strings.Join(names, ","), &s, nil
}

// several is units of one device. Each takes the next images when it is done with those before, so that a
// faster one takes more; as an image's numbers depend on it alone, who computed it does not show.
type several struct{ units []unit }

type unit struct {
	name string
	device.Executor
}

// share is how many images a unit takes at a time.
func (s *several) share(n int) int {
	return max(1, min(batch(s.units[0].Executor), (n+len(s.units)-1)/len(s.units)))
}

// Run is part of device.Executor. The first unit that fails ends the run.
func (s *several) Run(ctx context.Context, n int, in []float32, out [][]float32) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var wait sync.WaitGroup
	size := s.share(n)
	for _, u := range s.units {
		wait.Go(func() {
			for ctx.Err() == nil {
				first := int(next.Add(int64(size))) - size
				if first >= n {
					return
				}
				images := min(size, n-first)
				part := make([][]float32, len(out))
				for i, o := range out {
					if o != nil {
						width := len(o) / n
						part[i] = o[first*width:][:images*width]
					}
				}
				width := len(in) / n
				err := u.Run(ctx, images, in[first*width:][:images*width], part)
				if err != nil && ctx.Err() == nil {
					stop(fmt.Errorf("%s: %w", u.name, err))
				}
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}

// Kernel is part of device.Executor.
func (s *several) Kernel() string { return s.units[0].Kernel() }

// Threads is part of device.Executor.
func (s *several) Threads() int {
	n := 0
	for _, u := range s.units {
		n += u.Threads()
	}
	return n
}

// Batch is part of device.Batcher.
func (s *several) Batch() int {
	n := 0
	for _, u := range s.units {
		n += batch(u.Executor)
	}
	return n
}

// Close is part of device.Executor.
func (s *several) Close() (err error) {
	for _, u := range slices.Backward(s.units) {
		if failed := u.Close(); failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", u.name, failed))
		}
	}
	return err
}

// batch is how many images an executor does well with.
func batch(e device.Executor) int {
	if b, ok := e.(device.Batcher); ok {
		return b.Batch()
	}
	return cpuBatch
}

// cpuBatch is that of the CPU, which gains little by more.
const cpuBatch = 4
