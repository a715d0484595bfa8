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
type batcher struct {
	classify func(ctx context.Context, inputs ...*inception.Input) ([]inception.Result, error)
	shared   *pipeline
	maxBatch int
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
	ctx   context.Context
	input *inception.Input
	since time.Time
	reply chan outcome // one place, so that the batcher never waits for a reader
}

type outcome struct {
	result inception.Result
	err    error
}

// newBatcher starts as many dispatchers as passes may run at once.
func newBatcher(c Classifier, shared *pipeline) *batcher {
	b := &batcher{classify: c.Classify, shared: shared, maxBatch: shared.maxBatch,
		queue: make(chan *task, shared.buffers.total)}
	for range cap(shared.passes) {
		b.done.Go(b.dispatch)
	}
	return b
}

// submit queues a decoded picture, which is the batcher's until the reply.
func (b *batcher) submit(ctx context.Context, in *inception.Input) (*task, error) {
	t := &task{ctx: ctx, input: in, since: time.Now(), reply: make(chan outcome, 1)}
	select {
	case b.queue <- t:
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
	close(b.queue)
	b.done.Wait()
}

// dispatch serves batches until the queue is closed.
func (b *batcher) dispatch() {
	for first := range b.queue {
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
	batch := make([]*task, 0, b.maxBatch)
	keep := func(t *task) {
		if err := t.ctx.Err(); err != nil {
			t.reply <- outcome{err: err}
			return
		}
		b.shared.observe.queued(time.Since(t.since))
		batch = append(batch, t)
	}
	keep(first)
	timer := time.NewTimer(b.shared.pace.estimate(int64(b.maxBatch)) / 4)
	defer timer.Stop()
	for settled := false; len(batch) < b.maxBatch; {
		select {
		case t, ok := <-b.queue:
			if !ok {
				return batch
			}
			keep(t)
			continue
		default:
		}
		if settled || len(batch) == 0 {
			return batch
		}
		select {
		case t, ok := <-b.queue:
			if !ok {
				return batch
			}
			keep(t)
		case <-b.shared.turns.Idle(): // a decoder leaves after it has queued its picture: one more look
			settled = true
		case <-timer.C:
			return batch
		}
	}
	return batch
}

// pass runs one batch and answers its tasks.
func (b *batcher) pass(batch []*task) {
	inputs := make([]*inception.Input, len(batch))
	for i, t := range batch {
		inputs[i] = t.input
	}
	ctx, cancel := contextOfAll(batch)
	defer cancel()
	begin := time.Now()
	results, err := b.guarded(ctx, inputs)
	b.shared.observe.passed(len(batch), time.Since(begin))
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
