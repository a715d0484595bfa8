package head

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/nn/linalg"
	"github.com/c236555e/rehead/train/head/internal/softmax"
)

// chunkRows is the most examples whose losses and gradients are summed in float32 before they are
// added to the rest in float64. As sums are formed chunk by chunk it is part of the result's last
// bits: never derive it from the number of threads.
const chunkRows = 1024

// objective is the regularised mean weighted cross entropy as a function of theta = (W [K,F], b
// [K]).
type objective struct {
	ctx     context.Context
	ex      Examples
	targets *targets
	scale   scale
	rows    *linalg.Rows // the scaled ones; nil: lanes make them where they are needed
	rough   *linalg.Rows // optional: the same in bfloat16
	anchor  *anchor      // of roughValue
	length  float64      // mean over the rows of weight times Euclidean length
	n, f, k int
	chunk   int // rows in a chunk
	l2      float64
	pull    []float64 // [K], of the objective's own gradient by the bias, which value's best bias has to undo
	threads int
	lanes   []*lane
	device  *onDevice // optional: computes value

	w32     []float32 // W in float32
	weights linalg.Weights
	ld      int
	z       []float32 // [n,ld], W z of the last evaluation
	u       []float64 // [n,K], of the exact passes: the same
}

// lane is what one goroutine needs to work on chunks.
type lane struct {
	u     []float32 // [chunk,ld], residuals
	b32   []float32 // [ld]
	sum   *linalg.Sum
	rough *linalg.Sum // of rows of bfloat16
	biasG []float64   // [K], of as much room as ld
	loss  float64

	rows *linalg.Rows // [chunk,F], where the objective has none
	row  []float32    // [F]

	wide, gradW []float64 // [chunk,K], [K,F]: of the exact passes
	square      any       // [K,K], of the search for the best bias
}

func newObjective(ctx context.Context, targets *targets, s scale, threads int, rough bool) (*objective, error) {
	ex := targets.ex
	o := &objective{ctx: ctx, ex: ex, targets: targets, scale: s, n: len(ex.Rows), f: ex.Features(), k: ex.Classes,
		threads: threads}
	if err := o.layRows(rough); err != nil {
		return nil, fmt.Errorf("train: fit: %w", err)
	}
	o.makeLanes(rough)
	return o, nil
}

// emptyObjective is one whose rows of f features are zeros, in float32.
func emptyObjective(ctx context.Context, targets *targets, f, threads int) (*objective, error) {
	ex := targets.ex
	o := &objective{ctx: ctx, ex: ex, targets: targets, n: len(ex.Labels), f: f, k: ex.Classes, threads: threads}
	rows, err := linalg.NewRows(o.n, o.f)
	if err != nil {
		return nil, fmt.Errorf("train: fit: %w", err)
	}
	o.rows, o.ld = rows, padded(rows.Columns(o.k))
	o.makeLanes(false)
	return o, nil
}

// padded is how far apart rows of logits lie that take so many columns.
func padded(columns int) int { return (columns + softmax.Lanes - 1) / softmax.Lanes * softmax.Lanes }

// makeLanes says what a chunk is and makes the lanes.
func (o *objective) makeLanes(rough bool) {
	chunks := (o.n + chunkRows - 1) / chunkRows
	o.chunk = (o.n + chunks - 1) / chunks
	o.w32 = make([]float32, o.k*o.f)
	for range min(o.threads, chunks) {
		l := &lane{u: make([]float32, o.chunk*o.ld), biasG: make([]float64, o.ld)[:o.k]}
		l.b32 = slices.Repeat([]float32{softmax.Pad}, o.ld)
		if rough {
			l.rough = o.rough.NewSum(o.k)
		} else {
			l.sum = o.rows.NewSum(o.k)
		}
		o.lanes = append(o.lanes, l)
	}
}

// layRows scales the rows, measures them, and lays them out for products in bfloat16 or float32.
func (o *objective) layRows(rough bool) (err error) {
	var rows *linalg.Rows
	if rough {
		rows, err = linalg.NewBFloat16Rows(o.n, o.f)
		o.rough = rows
	} else {
		rows, err = linalg.NewRows(o.n, o.f)
		o.rows = rows
	}
	if err != nil {
		return err
	}
	o.ld = padded(rows.Columns(o.k))
	lengths := make([]float64, o.n)
	put := func(worker, from int) error {
		row := make([]float32, o.f)
		for i := from * lengthRows; i < min((from+1)*lengthRows, o.n); i++ {
			o.scale.apply(row, o.ex.Rows[i])
			if err := rows.Set(i, row); err != nil {
				return err
			}
			lengths[i] = o.targets.most(i) * length(row)
		}
		return nil
	}
	if err := par.Each(o.ctx, o.threads, (o.n+lengthRows-1)/lengthRows, put); err != nil {
		return err
	}
	for _, l := range lengths {
		o.length += l / float64(o.n)
	}
	return nil
}

// floats are the rows in float32, or where the objective has none, the lane's room for a chunk of them.
func (o *objective) floats(l *lane) (rows *linalg.Rows, err error) {
	if o.rows != nil {
		return o.rows, nil
	}
	if l.rows == nil {
		if l.rows, err = linalg.NewRows(o.chunk, o.f); err != nil {
			return nil, err
		}
		l.sum, l.row = l.rows.NewSum(o.k), make([]float32, o.f)
	}
	return l.rows, nil
}

// part is where the rows lo to hi-1, at most a chunk, lie in float32: from which row of which on.
func (o *objective) part(l *lane, lo, hi int) (rows *linalg.Rows, from int, err error) {
	if rows, err = o.floats(l); err != nil || o.rows != nil {
		return rows, lo, err
	}
	for i := lo; i < hi; i++ {
		o.scale.apply(l.row, o.ex.Rows[i])
		if err := rows.Set(i-lo, l.row); err != nil {
			return nil, 0, err
		}
	}
	return rows, 0, nil
}

// lengthRows is how many rows are scaled at a time.
const lengthRows = 64

// length is the Euclidean length of a row.
func length(row []float32) float64 {
	sum := 0.0
	for _, v := range row {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}

// dim returns the number of parameters.
func (o *objective) dim() int { return o.k*o.f + o.k }

// chunks is how many there are.
func (o *objective) chunks() int { return (o.n + o.chunk - 1) / o.chunk }

// value returns the objective at theta, with the best bias for its weights, which takes the place of
// theta's, and writes its gradient to grad. Products are in float32, as are their sums over the rows
// of a chunk.
func (o *objective) value(theta, grad []float64) (float64, error) {
	if o.device != nil {
		return o.device.value(theta, grad)
	}
	w := o.k * o.f
	if err := o.logits(theta); err != nil {
		return 0, err
	}
	b := slices.Clone(theta[w:])
	if _, err := o.bias().best(b, nearBias); err != nil {
		return 0, err
	}
	loss, err := o.gradient(b, grad)
	if err != nil {
		return 0, err
	}
	copy(theta[w:], b)
	return o.regularise(loss, theta, grad), nil
}

// gradient returns the sum of the losses with the logits z and a bias, and writes the sums of their
// gradients to grad.
func (o *objective) gradient(b, grad []float64) (loss float64, err error) {
	clear(grad)
	err = o.inTurn(func(l *lane, lo, hi int) error {
		r := l.residuals(o, b, lo, hi)
		_, from, err := o.part(l, lo, hi)
		if err != nil {
			return err
		}
		l.sum.Clear()
		return l.sum.Add(r.u, r.ld, from, from+hi-lo)
	}, func(l *lane) error {
		loss += l.loss
		o.addBias(grad, l)
		return l.sum.AddTo(grad[:o.k*o.f], 1)
	})
	return loss, err
}

// logits writes W z of all examples to z, by products in float32.
func (o *objective) logits(theta []float64) error {
	zero := true
	for i := range o.w32 {
		o.w32[i] = float32(theta[i])
		zero = zero && o.w32[i] == 0
	}
	o.roomForLogits()
	if zero { // where most begin
		clear(o.z)
		return nil
	}
	rows, err := o.floats(o.lanes[0])
	if err == nil {
		err = rows.Pack(&o.weights, o.w32, o.k, o.threads)
	}
	if err != nil {
		return fmt.Errorf("train: fit: %w", err)
	}
	return o.eachChunk(func(l *lane, lo, hi int) error {
		rows, from, err := o.part(l, lo, hi)
		if err != nil {
			return err
		}
		return rows.Times(o.z[lo*o.ld:hi*o.ld], o.ld, &o.weights, from, from+hi-lo)
	})
}

// roomForLogits makes room for z.
func (o *objective) roomForLogits() {
	if o.z == nil {
		o.z = make([]float32, o.n*o.ld)
	}
}

// eachChunk has lanes work on chunks of rows side by side.
func (o *objective) eachChunk(do func(l *lane, lo, hi int) error) error {
	return par.Each(o.ctx, len(o.lanes), o.chunks(), func(worker, c int) error {
		return do(o.lanes[worker], c*o.chunk, min((c+1)*o.chunk, o.n))
	})
}

// residuals makes residuals of the logits z of the rows lo to hi-1, in the lane's own memory.
func (l *lane) residuals(o *objective, b []float64, lo, hi int) rowsOf[float32] {
	for j, v := range b {
		l.b32[j] = float32(v)
	}
	r := rowsOf[float32]{l.u[:(hi-lo)*o.ld], o.ld, lo, hi}
	z := o.z[lo*o.ld : hi*o.ld]
	if o.ex.MultiLabel != nil || o.targets.off != 0 {
		copy(r.u, z)
		l.loss = residuals(o.targets, r, l.b32[:o.k], l.biasG)
		return r
	}
	sums := l.biasG[:o.ld]
	clear(sums)
	l.loss = 0
	for i := lo; i < hi; i++ {
		at := (i - lo) * o.ld
		l.loss += certainResidual(o.targets, i, r.u[at:at+o.ld], z[at:at+o.ld], l.b32, sums)
	}
	return r
}

// addBias adds the lane's gradient by the bias to grad.
func (o *objective) addBias(grad []float64, l *lane) {
	for i, g := range l.biasG {
		grad[o.k*o.f+i] += g
	}
}

// regularise makes sums over the examples means, and adds the L2 term.
func (o *objective) regularise(loss float64, theta, grad []float64) float64 {
	n := float64(o.n)
	for i := range grad {
		grad[i] /= n
	}
	square := 0.0
	for i, w := range theta[:o.k*o.f] {
		square += w * w
		grad[i] += o.l2 * w
	}
	return loss/n + o.l2/2*square
}

// inTurn has lanes compute chunks of rows side by side and then, in the order of the chunks whoever
// computed them, add what they got to the rest.
func (o *objective) inTurn(compute func(l *lane, lo, hi int) error, add func(l *lane) error) error {
	var (
		mu   sync.Mutex
		turn int
		stop bool
	)
	moved := sync.NewCond(&mu)
	return par.Each(o.ctx, len(o.lanes), o.chunks(), func(worker, c int) (err error) {
		l := o.lanes[worker]
		err = errUndone
		defer func() { // in a panic too, or the others wait for ever
			mu.Lock()
			defer mu.Unlock()
			for turn != c && !stop {
				moved.Wait()
			}
			if stop = stop || err != nil; !stop {
				err = add(l)
				stop = err != nil
			}
			turn++
			moved.Broadcast()
		}()
		err = compute(l, c*o.chunk, min((c+1)*o.chunk, o.n))
		return err
	})
}

// errUndone stands for the result of a chunk until there is one.
var errUndone = errors.New("train: fit: a chunk was not computed")
