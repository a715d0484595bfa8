package serve

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/par"
)

// pipeline is what the models of a server share: who may come in, how many
// pictures are decoded at once, how many decoded ones may wait, and how many
// forward passes run.
type pipeline struct {
	limits    picture.Limits
	maxBatch  int
	window    int          // pictures of one request that may be under way
	maxQueue  int64        // pictures that all requests may have waiting or under way
	admitted  atomic.Int64 //
	gate      *gate        // says when a picture may be decoded
	decoding  *semaphore.Weighted
	maxDecode int64         // bytes of decoding
	buffers   chan struct{} // a place for each decoded picture that waits or runs
	passes    chan struct{} // a place for each forward pass
	fetch     *fetcher      // nil when pictures are not fetched
	observe   observer
	pace      pace
}

// record is one picture of a request in one of the forms that it can come in,
// or the reason why it cannot be read.
type record struct {
	data   []byte      // an encoded picture
	url    string      // where one is to be fetched
	img    image.Image // a decoded picture, upright
	tensor []float32   // [3,Size,Size], made by the recipe elsewhere
	err    error

	explainer Explainer              // when set, explains the picture's top labels
	top       int                    //
	why       *inception.Explanation // which it leaves here
}

func newPipeline(cfg Config, observe observer) *pipeline {
	p := &pipeline{
		limits:    cfg.Limits,
		maxBatch:  cfg.MaxBatch,
		window:    cfg.MaxBatch + cfg.Decoders,
		maxQueue:  int64(cfg.MaxQueue),
		gate:      newGate(cfg.Decoders, cfg.DecodersBeside),
		decoding:  semaphore.NewWeighted(cfg.MaxDecodeBytes),
		maxDecode: cfg.MaxDecodeBytes,
		buffers:   make(chan struct{}, 2*cfg.MaxBatch*cfg.Passes+cfg.Decoders),
		passes:    make(chan struct{}, cfg.Passes),
	}
	if cfg.Fetch != nil {
		p.fetch = newFetcher(*cfg.Fetch)
	}
	p.observe = paced{observer: observe, pace: &p.pace}
	return p
}

// admit takes places in the queue for a request of n pictures, or answers at
// once that there is no room, rather than let the queue, and the waiting in it,
// grow. A request of many pictures takes as many places as it uses at once.
func (p *pipeline) admit(ctx context.Context, n int) (release func(), err error) {
	places := int64(min(n, p.window))
	waiting := p.admitted.Add(places)
	release = sync.OnceFunc(func() { p.admitted.Add(-places) })
	wait := p.pace.estimate(waiting - places)
	if waiting > p.maxQueue && waiting > places {
		release()
		return nil, p.full(wait)
	}
	if deadline, ok := ctx.Deadline(); ok && waiting > places && wait > time.Until(deadline) {
		release()
		return nil, p.full(wait)
	}
	return release, nil
}

func (p *pipeline) full(wait time.Duration) error {
	e := busy("the server has as many pictures waiting as it can answer in time; try again")
	e.retry = max(time.Second, wait/2)
	return e
}

// classify decodes the pictures and runs them through the model, a window of
// them at a time. The answers are in order; a picture that cannot be read has
// its own error, and the returned error means that none is answered. trim drops
// what the answer will not show of a result, which for thousands of pictures of
// a thousand classes is much; it may be called for several at once.
func (p *pipeline) classify(ctx context.Context, m *model, records []record,
	trim func(*inception.Result)) ([]inception.Result, error) {
	n := len(records)
	release, err := p.admit(ctx, n)
	if err != nil {
		return nil, err
	}
	defer release()
	results := make([]inception.Result, n)
	if n == 1 {
		if err := p.one(ctx, m, &records[0], &results[0]); err != nil {
			return nil, err
		}
		return results, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err = par.Each(ctx, p.window, n, func(_, i int) error {
		if err := p.one(ctx, m, &records[i], &results[i]); err != nil {
			cancel(err)
		}
		trim(&results[i])
		records[i] = record{why: records[i].why}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// one takes one picture the whole way. Its fault, if it has one, goes into its
// result; the returned error is the server's or the request's.
func (p *pipeline) one(ctx context.Context, m *model, r *record, result *inception.Result) (err error) {
	if r.err == nil && r.url != "" {
		r.data, r.err = p.fetch.get(ctx, r.url)
	}
	if r.err != nil {
		return blame(ctx, r.err, result)
	}
	if err := enter(ctx, p.buffers); err != nil {
		return err
	}
	defer leave(p.buffers)
	pixels := m.buffer()
	if r.explainer != nil {
		defer m.recycle(pixels)
		if r.why, err = p.explain(ctx, m, r, pixels); err != nil {
			return blame(ctx, err, result)
		}
		x := r.why
		*result = inception.Result{Predictions: x.Predictions, Labels: x.Labels, Unknown: x.Unknown, Bottleneck: x.Bottleneck,
			Info: x.Info}
		return nil
	}
	t, info, err := p.submit(ctx, m, r, pixels)
	if err != nil {
		m.recycle(pixels)
		return blame(ctx, err, result)
	}
	answer, finished, err := t.wait()
	if finished {
		m.recycle(pixels)
	}
	if err == nil && answer.Err != nil && r.tensor != nil {
		return blame(ctx, fail(http.StatusUnprocessableEntity,
			"the network's answer for the tensor is not finite; its values are out of range"), result)
	}
	if err = errors.Join(err, answer.Err); err != nil {
		return err
	}
	*result = answer
	result.Info = info
	return nil
}

// blame puts an error that is the picture's into its result, and returns every
// other.
func blame(ctx context.Context, err error, result *inception.Result) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if asStatus(err).code >= http.StatusInternalServerError {
		return err
	}
	result.Err = err
	return nil
}

// bytesPerPixel is about what a picture takes while it is decoded and resized:
// its stored form, of up to 8 bytes a pixel, and one of 4 that is worked on.
const bytesPerPixel = 12

// room waits until the picture can be unpacked within the memory that all
// decoders share: a few pictures of tens of megapixels, which a few kilobytes
// can hold, must not exhaust the process. One that is larger than all of it is
// decoded alone. Pictures that their header already condemns get no further.
func (p *pipeline) room(ctx context.Context, r *record) (release func(), err error) {
	if r.data == nil {
		return func() {}, nil
	}
	info, err := picture.Inspect(r.data, p.limits)
	if err != nil {
		return nil, err
	}
	need := min(int64(info.Width)*int64(info.Height)*bytesPerPixel, p.maxDecode)
	if err := p.decoding.Acquire(ctx, need); err != nil {
		return nil, err
	}
	return func() { p.decoding.Release(need) }, nil
}

// submit decodes a picture when the gate lets it and queues it for the network.
func (p *pipeline) submit(ctx context.Context, m *model, r *record, pixels []float32) (*task, picture.Info, error) {
	release, err := p.room(ctx, r)
	if err != nil {
		return nil, picture.Info{}, err
	}
	defer release()
	if err := p.gate.enter(ctx); err != nil {
		return nil, picture.Info{}, err
	}
	defer p.gate.leave()
	info, err := p.decode(m, r, pixels)
	if err != nil {
		return nil, info, err
	}
	t, err := m.batcher.submit(ctx, pixels)
	return t, info, err
}

// decode makes the tensor, behind a recover: what a stranger sent must not end
// the process, whichever decoder it defeats.
func (p *pipeline) decode(m *model, r *record, pixels []float32) (info picture.Info, err error) {
	begin := time.Now()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("serve: decoding a picture panicked: %v\n%s", r, debug.Stack())
		}
		p.observe.decoded(time.Since(begin))
	}()
	recipe := m.Model().Recipe
	switch {
	case r.tensor != nil:
		copy(pixels, r.tensor)
		return info, nil
	case r.img != nil:
		return info, recipe.Apply(r.img, 1, pixels)
	}
	return recipe.Load(r.data, p.limits, pixels)
}

func enter(ctx context.Context, places chan struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func leave(places chan struct{}) { <-places }

// pace is a moving average of the seconds that a picture takes in a forward
// pass, from which waiting times are estimated.
type pace struct{ bits atomic.Uint64 }

func (p *pace) add(pictures int, took time.Duration) {
	now := took.Seconds() / float64(pictures)
	for {
		old := p.bits.Load()
		average := math.Float64frombits(old)
		if average == 0 {
			average = now
		}
		average += (now - average) / 8
		if p.bits.CompareAndSwap(old, math.Float64bits(average)) {
			return
		}
	}
}

// estimate is how long so many pictures take; 0 before the first pass.
func (p *pace) estimate(pictures int64) time.Duration {
	return time.Duration(float64(pictures) * math.Float64frombits(p.bits.Load()) * float64(time.Second))
}

// paced passes everything on and keeps the pace.
type paced struct {
	observer
	pace *pace
}

func (p paced) passed(pictures int, took time.Duration) {
	p.pace.add(pictures, took)
	p.observer.passed(pictures, took)
}
