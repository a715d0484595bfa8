//go:build amd64 || arm64

package cuda

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"sync/atomic"

	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/nn/internal/cu"
)

// run is one call of Run.
type run struct {
	*executor
	in     []float32
	out    [][]float32
	wanted []bool
	input  int // floats of an image
}

// all computes the images in batches, of which two are under way: one is uploaded while the other
// computes. Nothing is under way when it returns.
func (r *run) all(ctx context.Context, n int) (err error) {
	r.input = r.plan.input
	for _, o := range r.out {
		r.wanted = append(r.wanted, o != nil)
	}
	var turn []*place // the batches under way, oldest first
	defer func() {
		for _, p := range turn {
			err = errors.Join(err, r.gpu.Synchronize(p.stream))
			p.busy = 0
		}
	}()
	for first := 0; first < n; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(turn) == 2 {
			if err := r.finish(turn[0]); err != nil {
				return err
			}
			turn = turn[1:]
		}
		p, err := r.room(n-first, &turn)
		if err != nil {
			return err
		}
		p.first, p.busy = first, min(p.size, n-first)
		turn = append(turn, p)
		if err := r.begin(p); err != nil {
			return err
		}
		first += p.busy
	}
	for len(turn) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.finish(turn[0]); err != nil {
			return err
		}
		turn = turn[1:]
	}
	return nil
}

// room returns a place for the images that are left, or for as many of them as it has room for, that
// is not under way. Where the GPU's memory has no second place, it waits for the first, and where it
// has none of that size, a smaller one does.
func (r *run) room(left int, turn *[]*place) (*place, error) {
	for {
		size := r.size(left)
		which := 0
		if len(*turn) > 0 && (*turn)[0] == r.places[0][size] {
			which = 1
		}
		p, err := r.place(size, which)
		var failure *cu.Error
		if err == nil || !errors.As(err, &failure) || !failure.OutOfMemory() {
			return p, err
		}
		switch {
		case which == 1:
			p := (*turn)[0]
			*turn = (*turn)[1:]
			return p, r.finish(p)
		case size == 1:
			return nil, err
		}
		for i, n := range batches {
			if n == size {
				r.most = batches[i-1]
			}
		}
	}
}

// size is that of the batch for so many images: the smallest that holds them, or the largest.
func (r *run) size(left int) int {
	for _, n := range batches {
		if n >= min(left, r.most) {
			return n
		}
	}
	return r.most
}

// begin puts a batch into its stream.
func (r *run) begin(p *place) error {
	in := r.in[p.first*r.input:][:p.busy*r.input]
	staged := r.stage(p, in)
	g, err := p.graph(r.executor, r.wanted)
	if err != nil {
		return err
	}
	if err := r.gpu.Upload(p.stream, p.batch.in, staged); err != nil {
		return err
	}
	if err := r.gpu.Run(p.stream, g); err != nil {
		return err
	}
	for i, o := range r.plan.outputs {
		if !r.wanted[i] || o.value == r.plan.inputs {
			continue
		}
		at := p.size * o.before * 4
		if err := r.gpu.Download(p.stream, p.out[at:][:p.busy*o.floats*4], p.batch.out+uint64(at)); err != nil {
			return err
		}
	}
	return nil
}

// stage puts the images of a batch into pinned memory, as bytes if all of them are of levels. Each image is
// looked at by a goroutine of its own: the GPU waits for it.
func (r *run) stage(p *place, in []float32) []byte {
	var other atomic.Bool
	if r.plan.levels == nil {
		other.Store(true)
	} else {
		par.Do(runtime.GOMAXPROCS(0), p.busy, func(i int) {
			if !other.Load() && !r.plan.levels.encode(p.in[i*r.input:][:r.input], in[i*r.input:]) {
				other.Store(true)
			}
		})
	}
	if p.batch.bytes = !other.Load(); p.batch.bytes {
		return p.in[:len(in)]
	}
	for i, v := range in {
		binary.LittleEndian.PutUint32(p.in[4*i:], math.Float32bits(v))
	}
	return p.in[:4*len(in)]
}

// finish waits for a batch and hands its outputs to the caller.
func (r *run) finish(p *place) error {
	if err := r.gpu.Synchronize(p.stream); err != nil {
		return err
	}
	for i, o := range r.plan.outputs {
		if !r.wanted[i] {
			continue
		}
		to := r.out[i][p.first*o.floats:][:p.busy*o.floats]
		if o.value == r.plan.inputs {
			copy(to, r.in[p.first*o.floats:])
			continue
		}
		from := p.out[p.size*o.before*4:]
		for j := range to {
			to[j] = math.Float32frombits(binary.LittleEndian.Uint32(from[4*j:]))
		}
	}
	p.busy = 0
	return nil
}
