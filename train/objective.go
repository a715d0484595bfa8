package train

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/nn"
)

// chunkRows is the most examples that go through the graph at once. It bounds memory, and as sums
// are formed chunk by chunk it is part of the result's last bits: never derive it from the number
// of threads.
const chunkRows = 1024

// lossGrad is what nn.HeadGraph does: the sums of the weighted cross entropies of a chunk and of
// their gradients.
type lossGrad interface {
	LossGrad(x, targets, weights, w, b, gradW, gradB []float32) (float64, error)
}

// newHeadGraph makes the Gorgonia graph for chunks of a size; tests put another implementation in
// its place.
func newHeadGraph(examples, features, classes int) (lossGrad, error) {
	return nn.NewHeadGraph(examples, features, classes)
}

// objective is the regularised mean weighted cross entropy as a function of theta = (W [K,F], b
// [K]).
type objective struct {
	ctx   context.Context
	ex    Examples
	goal  *goal
	x     []float32 // the scaled rows, [chunks*chunk,F]: the last chunk is filled up with zeros
	chunk int       // rows in a chunk
	l2    float64
	lanes []*lane

	w32, b32 []float32 // theta, as the graph takes it
}

// lane is what one goroutine needs to work on chunks.
type lane struct {
	graph           lossGrad
	targets, weight []float32 // [chunk,K], [chunk] or, for several labels a row, [chunk,K]
	gradW, gradB    []float32
	lo, hi          int // the examples whose targets are put
}

func newObjective(ctx context.Context, goal *goal, s scale, threads int,
	graph func(n, f, k int) (lossGrad, error)) (*objective, error) {
	ex := goal.ex
	n, f, k := len(ex.Rows), ex.Features(), ex.Classes
	chunks := (n + chunkRows - 1) / chunkRows
	o := &objective{
		ctx: ctx, ex: ex, goal: goal, chunk: (n + chunks - 1) / chunks,
		w32: make([]float32, k*f), b32: make([]float32, k),
	}
	o.x = s.matrix(ex.Rows, chunks*o.chunk, threads)
	for range min(threads, chunks) {
		g, err := graphOf(ex, graph)(o.chunk, f, k)
		if err != nil {
			return nil, fmt.Errorf("train: fit: %w", err)
		}
		o.lanes = append(o.lanes, &lane{
			graph:   g,
			targets: goal.blank(o.chunk), weight: make([]float32, o.chunk*goal.width()),
			gradW: make([]float32, k*f), gradB: make([]float32, k),
		})
	}
	return o, nil
}

// dim returns the number of parameters.
func (o *objective) dim() int { return len(o.w32) + len(o.b32) }

// value returns the objective at theta and writes its gradient to grad.
func (o *objective) value(theta, grad []float64) (float64, error) {
	for i := range o.w32 {
		o.w32[i] = float32(theta[i])
	}
	for i := range o.b32 {
		o.b32[i] = float32(theta[len(o.w32)+i])
	}
	loss, err := o.sum(grad)
	if err != nil {
		return 0, err
	}
	n := float64(len(o.ex.Rows))
	loss /= n
	for i := range grad {
		grad[i] /= n
	}
	square := 0.0
	for i, w := range theta[:len(o.w32)] {
		square += w * w
		grad[i] += o.l2 * w
	}
	return loss + o.l2/2*square, nil
}

// sum adds up loss and gradient over the chunks, in the order of the chunks whoever computes them.
func (o *objective) sum(grad []float64) (float64, error) {
	clear(grad)
	var (
		total float64
		mu    sync.Mutex
		turn  int
		stop  bool
	)
	moved := sync.NewCond(&mu)
	chunks := (len(o.ex.Rows) + o.chunk - 1) / o.chunk
	err := par.Each(o.ctx, len(o.lanes), chunks, func(worker, c int) error {
		l, lo, loss, err := o.lanes[worker], c*o.chunk, 0.0, errUndone
		defer func() { // in a panic too, or the others wait for ever
			mu.Lock()
			defer mu.Unlock()
			for turn != c && !stop {
				moved.Wait()
			}
			if stop = stop || err != nil; !stop {
				total += loss
				l.addTo(grad)
			}
			turn++
			moved.Broadcast()
		}()
		loss, err = o.run(l, lo, min(lo+o.chunk, len(o.ex.Rows)))
		return err
	})
	return total, err
}

// errUndone stands for the result of a chunk until there is one.
var errUndone = errors.New("train: fit: a chunk was not computed")

// run puts rows lo..hi-1 through the lane's graph; what is left of the chunk has weight 0.
func (o *objective) run(l *lane, lo, hi int) (float64, error) {
	f := o.ex.Features()
	for i := l.lo; i < l.hi; i++ {
		o.goal.drop(i-l.lo, i, l.targets)
	}
	clear(l.weight)
	for i := lo; i < hi; i++ {
		o.goal.put(i-lo, i, l.targets, l.weight)
	}
	l.lo, l.hi = lo, hi
	loss, err := l.graph.LossGrad(o.x[lo*f:][:o.chunk*f], l.targets, l.weight, o.w32, o.b32, l.gradW, l.gradB)
	if err != nil {
		return 0, fmt.Errorf("train: fit: %w", err)
	}
	return loss, nil
}

func (l *lane) addTo(grad []float64) {
	for i, g := range l.gradW {
		grad[i] += float64(g)
	}
	for i, g := range l.gradB {
		grad[len(l.gradW)+i] += float64(g)
	}
}
