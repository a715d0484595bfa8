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

// batcher lets pictures of different requests share forward passes. It never
// waits for company: a picture that finds the network idle runs at once, and
// those that arrive meanwhile form the next batch. So batching adds no latency
// to a lone request, and under load the batches grow by themselves.
type batcher struct {
	infer    func(ctx context.Context, n int, pixels []float32) ([]inception.Result, error)
	passes   chan struct{} // shared by all models: a place for each forward pass that may run at once
	maxBatch int
	observe  observer
	queue    chan *task
	done     sync.WaitGroup
}

// observer is told what the pipeline does; the metrics are one.
type observer interface {
	queued(wait time.Duration)
	passed(pictures int, took time.Duration)
	decoded(took time.Duration)
}

// task is one decoded picture on its way through the network.
type task struct {
	ctx    context.Context
	pixels []float32 // [3,Size,Size]
	since  time.Time
	reply  chan outcome // one place, so that the batcher never waits for a reader
}

type outcome struct {
	result inception.Result
	err    error
}

// newBatcher starts as many dispatchers as passes may run at once. At most
// capacity tasks may be submitted and unanswered.
func newBatcher(c Classifier, maxBatch, capacity int, passes chan struct{}, observe observer) *batcher {
	b := &batcher{infer: c.Infer, passes: passes, maxBatch: maxBatch, observe: observe, queue: make(chan *task, capacity)}
	for range cap(passes) {
		b.done.Go(b.dispatch)
	}
	return b
}

// run submits a picture and waits for its result, or for ctx. The pixels are
// the batcher's until it returns, and beyond when it returns early: the caller
// then must not reuse them, which reusable says.
func (b *batcher) run(ctx context.Context, pixels []float32) (r inception.Result, reusable bool, err error) {
	t := &task{ctx: ctx, pixels: pixels, since: time.Now(), reply: make(chan outcome, 1)}
	select {
	case b.queue <- t:
	case <-ctx.Done():
		return r, true, ctx.Err()
	}
	select {
	case o := <-t.reply:
		return o.result, true, o.err
	case <-ctx.Done():
		return r, false, ctx.Err()
	}
}

// close ends the dispatchers; no run may be under way or follow.
func (b *batcher) close() {
	close(b.queue)
	b.done.Wait()
}

// dispatch serves batches until the queue is closed.
func (b *batcher) dispatch() {
	var buffer []float32
	for first := range b.queue {
		b.passes <- struct{}{} // while this waits, the queue grows, and with it the batch
		batch := b.gather(first)
		if len(batch) > 0 {
			buffer = b.pass(batch, buffer)
		}
		<-b.passes
	}
}

// gather takes what is queued, up to the batch size, and leaves out the tasks
// whose requests have ended.
func (b *batcher) gather(first *task) []*task {
	batch := make([]*task, 0, b.maxBatch)
	keep := func(t *task) {
		if err := t.ctx.Err(); err != nil {
			t.reply <- outcome{err: err}
			return
		}
		b.observe.queued(time.Since(t.since))
		batch = append(batch, t)
	}
	keep(first)
	for len(batch) < b.maxBatch {
		select {
		case t, ok := <-b.queue:
			if !ok {
				return batch
			}
			keep(t)
		default:
			return batch
		}
	}
	return batch
}

// pass runs one batch and answers its tasks. buffer is kept between passes.
func (b *batcher) pass(batch []*task, buffer []float32) []float32 {
	pixels := batch[0].pixels
	if len(batch) > 1 {
		size := len(pixels)
		if cap(buffer) < len(batch)*size {
			buffer = make([]float32, b.maxBatch*size)
		}
		pixels = buffer[:len(batch)*size]
		for i, t := range batch {
			copy(pixels[i*size:], t.pixels)
		}
	}
	ctx, cancel := contextOfAll(batch)
	defer cancel()
	begin := time.Now()
	results, err := b.guarded(ctx, len(batch), pixels)
	b.observe.passed(len(batch), time.Since(begin))
	for i, t := range batch {
		o := outcome{err: err}
		if err == nil {
			o.result = results[i]
		} else if own := t.ctx.Err(); own != nil {
			o.err = own
		}
		t.reply <- o
	}
	return buffer
}

// guarded turns a panic of the forward pass, and an answer of the wrong length,
// into an error: a dispatcher must live on.
func (b *batcher) guarded(ctx context.Context, n int, pixels []float32) (results []inception.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("serve: the forward pass of %d pictures panicked: %v\n%s", n, p, debug.Stack())
		}
	}()
	results, err = b.infer(ctx, n, pixels)
	if err == nil && len(results) != n {
		err = fmt.Errorf("serve: the forward pass answered for %d pictures, want %d", len(results), n)
	}
	return results, err
}

// contextOfAll ends when every task's context has ended: a pass is worth its
// time as long as one request waits for it.
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
