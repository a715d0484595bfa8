package serve

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/c236555e/rehead/inception"
)

// batcher lets pictures of different requests share forward passes. A picture that finds the
// network idle, and nobody else's picture being decoded, runs at once; those that arrive meanwhile
// form the next batch. So batching adds no latency to a lone request, and under load the batches
// grow by themselves. Where other pictures are being decoded, a batch waits for them, for a quarter
// of the time at most that a full one takes: the cores that decode them would be missing to its
// pass anyway.
//
// A request of many pictures keeps a request of one from no pass: its further ones have a queue of
// their own, of which one comes after three others, or where no other waits. After a pass with
// requests of one they take a quarter of the next at most: the answered clients may ask again, and
// would wait for all of it.
type batcher struct {
	classify func(ctx context.Context, inputs ...*inception.Input) ([]inception.Result, error)
	shared   *pipeline
	maxBatch int
	queue    chan *task   // whose requests had no other under way when they came
	further  chan *task   // the others
	inARow   atomic.Int64 // of queue since the last of further
	single   atomic.Bool  // the last pass had one of queue
	stats    modelStats
	closed   chan struct{}
	done     sync.WaitGroup
}

// oneOfMany is that of so many in a row, or in a pass, one is a further picture of a request of many.
const oneOfMany = 4

// observer is told what the pipeline does; the metrics are one.
type observer interface {
	queued(wait time.Duration)
	passed(pictures int, took time.Duration)
	decoded(took time.Duration)
}

// task is one decoded picture on its way through the network.
type task struct {
	ctx     context.Context
	input   *inception.Input
	further bool // its request had others under way
	since   time.Time
	reply   chan outcome // one place, so that the batcher never waits for a reader
}

type outcome struct {
	result inception.Result
	err    error
}

// newBatcher starts as many dispatchers as passes may run at once.
func newBatcher(c Classifier, shared *pipeline) *batcher {
	b := &batcher{classify: c.Classify, shared: shared, maxBatch: shared.maxBatch, closed: make(chan struct{}),
		queue: make(chan *task, shared.buffers.total), further: make(chan *task, shared.buffers.total)}
	for range cap(shared.passes) {
		b.done.Go(b.dispatch)
	}
	return b
}

// submit queues a decoded picture, which is the batcher's until the reply; further says that its
// request had others under way when it came.
func (b *batcher) submit(ctx context.Context, in *inception.Input, further bool) (*task, error) {
	t := &task{ctx: ctx, input: in, further: further, since: time.Now(), reply: make(chan outcome, 1)}
	queue := b.queue
	if further {
		queue = b.further
	}
	select {
	case queue <- t:
		return t, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// wait returns the picture's result. Where the request ends first the picture stays the batcher's:
// finished says whether the caller may reuse its pixels.
func (t *task) wait() (r inception.Result, finished bool, err error) {
	select {
	case o := <-t.reply:
		return o.result, true, o.err
	case <-t.ctx.Done():
		return r, false, t.ctx.Err()
	}
}

// close ends the dispatchers; no submit may be under way or follow.
func (b *batcher) close() {
	close(b.closed)
	b.done.Wait()
}

// next returns the picture whose turn it is, nil where none waits.
func (b *batcher) next(further chan *task) *task {
	order := [2]chan *task{b.queue, further}
	if b.inARow.Load() >= oneOfMany-1 {
		order = [2]chan *task{further, b.queue}
	}
	for _, queue := range order {
		select {
		case t := <-queue:
			return b.count(t)
		default:
		}
	}
	return nil
}

// count notes from which queue a picture was taken.
func (b *batcher) count(t *task) *task {
	if t.further {
		b.inARow.Store(0)
	} else {
		b.inARow.Add(1)
	}
	return t
}

// await waits for the picture that comes next, of queue or, unless that is nil, of further, until
// stop or the batcher is closed, which makes it nil.
func (b *batcher) await(further chan *task, stop, idle <-chan struct{}) (t *task, isIdle bool) {
	if t := b.next(further); t != nil {
		return t, false
	}
	select {
	case t := <-b.queue:
		return b.count(t), false
	case t := <-further:
		return b.count(t), false
	case <-idle:
		return nil, true
	case <-stop:
	case <-b.closed:
	}
	return nil, false
}

// dispatch serves batches until the batcher is closed and nothing waits.
func (b *batcher) dispatch() {
	for {
		first, _ := b.await(b.further, nil, nil)
		if first == nil {
			return
		}
		b.shared.passes <- struct{}{} // while this waits, the queue grows, and with it the batch
		if batch := b.gather(first); len(batch) > 0 {
			b.shared.turns.BeginPass()
			b.pass(batch)
			b.shared.turns.EndPass()
		}
		<-b.shared.passes
	}
}

// gather makes a batch of the first task, of what is queued, and of what is decoded soon, without
// the tasks whose requests have ended.
func (b *batcher) gather(first *task) []*task {
	batch, further, most := make([]*task, 0, b.maxBatch), b.further, b.maxBatch
	if b.single.Load() {
		most = max(1, b.maxBatch/oneOfMany)
	}
	keep := func(t *task) {
		if err := t.ctx.Err(); err != nil {
			t.reply <- outcome{err: err}
			return
		}
		b.shared.observe.queued(time.Since(t.since))
		batch = append(batch, t)
		if t.further {
			if most--; most == 0 {
				further = nil // no more in this pass
			}
		}
	}
	keep(first)
	soon, cancel := context.WithTimeout(context.Background(), b.shared.pace.estimate(int64(b.maxBatch))/4)
	defer cancel()
	for settled := false; len(batch) < b.maxBatch; {
		t := b.next(further)
		if t == nil && (settled || len(batch) == 0) {
			return batch
		}
		if t == nil {
			t, settled = b.await(further, soon.Done(), b.shared.turns.Idle())
			if settled { // a decoder leaves after it has queued its picture: one more look
				continue
			}
		}
		if t == nil {
			return batch
		}
		keep(t)
	}
	return batch
}

// pass runs one batch and answers its tasks.
func (b *batcher) pass(batch []*task) {
	inputs, single := make([]*inception.Input, len(batch)), false
	for i, t := range batch {
		inputs[i], single = t.input, single || !t.further
	}
	b.single.Store(single)
	ctx, cancel := contextOfAll(batch)
	defer cancel()
	begin := time.Now()
	results, err := b.guarded(ctx, inputs)
	took := time.Since(begin)
	b.stats.passed(len(batch), took)
	b.shared.observe.passed(len(batch), took)
	for i, t := range batch {
		o := outcome{err: err}
		if err == nil {
			o.result = results[i]
		} else if own := t.ctx.Err(); own != nil {
			o.err = own
		}
		t.reply <- o
	}
}

// guarded turns a panic of the forward pass, and an answer of the wrong length, into an error: a
// dispatcher must live on.
func (b *batcher) guarded(ctx context.Context, inputs []*inception.Input) (results []inception.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("serve: the forward pass of %d pictures panicked: %v\n%s", len(inputs), p, debug.Stack())
		}
	}()
	results, err = b.classify(ctx, inputs...)
	if err == nil && len(results) != len(inputs) {
		err = fmt.Errorf("serve: the forward pass answered for %d pictures, want %d", len(results), len(inputs))
	}
	return results, err
}

// contextOfAll ends when every task's context has ended: a pass is worth its time as long as one
// request waits for it.
func contextOfAll(batch []*task) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	var waiting atomic.Int64
	waiting.Store(int64(len(batch)))
	stops := make([]func() bool, len(batch))
	for i, t := range batch {
		stops[i] = context.AfterFunc(t.ctx, func() {
			if waiting.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}
