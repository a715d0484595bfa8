package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/internal/turns"
)

// pipeline is what the models of a server share: who may come in, how many pictures are decoded at
// once, how many decoded ones may wait, and how many forward passes run.
type pipeline struct {
	limits   picture.Limits
	maxBatch int
	window   int           // pictures of one request that may be under way
	maxQueue int64         // pictures that all requests may have waiting or under way
	admitted atomic.Int64  //
	turns    *turns.Turns  // says when a picture may be decoded
	decoding *room         // bytes of decoding
	buffers  *places       // one for each decoded picture that waits or runs
	passes   chan struct{} // a place for each forward pass
	fetch    *fetcher      // nil when pictures are not fetched
	observe  observer
	pace     pace
}

// record is one picture of a request, or the reason why it cannot be read.
type record struct {
	input *inception.Input
	url   string // where it is to be fetched
	err   error

	explainer explainer // when set, explains the picture's top labels
	top       int
	why       *inception.Explanation // which it leaves here
}

func newPipeline(cfg Config, observe observer) *pipeline {
	p := &pipeline{
		limits:   cfg.Limits,
		maxBatch: cfg.MaxBatch,
		window:   cfg.MaxBatch + cfg.decoders,
		maxQueue: int64(cfg.MaxQueue),
		turns:    turns.New(cfg.decoders, cfg.decodersBeside),
		decoding: &room{limit: cfg.MaxDecodeBytes},
		buffers:  newPlaces(2*cfg.MaxBatch*cfg.passes + cfg.decoders),
		passes:   make(chan struct{}, cfg.passes),
	}
	if cfg.Fetch != nil {
		p.fetch = newFetcher(*cfg.Fetch)
	}
	p.observe = pacedObserver{observer: observe, pace: &p.pace}
	return p
}

// admit takes places in the queue for a request of n pictures, or answers at once that there is no
// room, rather than let the queue, and the waiting in it, grow. A request of many pictures takes as
// many places as it uses at once.
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
	e := busy("more pictures are waiting than the server can answer in time; try again")
	e.retry = max(time.Second, wait/2)
	return e
}

// classify decodes the pictures and runs them through the model, a window of them at a time. The
// answers are in order; a picture that cannot be read has its own error, and the returned error
// means that none is answered. trim drops what the answer will not show of a result, which for
// thousands of pictures of a thousand classes is much; it may be called for several at once. What
// is fetched is taken from held.
func (p *pipeline) classify(ctx context.Context, m *model, records []record, held *ledger,
	trim func(*inception.Result)) (answers []inception.Result, err error) {
	begin, n := time.Now(), len(records)
	defer func() { m.batcher.stats.requested(begin, err) }()
	release, err := p.admit(ctx, n)
	if err != nil {
		return nil, err
	}
	defer release()
	results := make([]inception.Result, n)
	if n == 1 {
		if err := p.classifyOne(ctx, m, &records[0], held, 0, &results[0]); err != nil {
			return nil, err
		}
		trim(&results[0])
		return results, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var underWay atomic.Int64
	err = par.Each(ctx, p.window, n, func(_, i int) error {
		rank := underWay.Add(1) - 1
		defer underWay.Add(-1)
		if err := p.classifyOne(ctx, m, &records[i], held, rank, &results[i]); err != nil {
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

// classifyOne takes one picture the whole way. Its fault, if it has one, goes into its result; the
// returned error is the server's or the request's. rank is how many pictures its request has under
// way besides.
func (p *pipeline) classifyOne(ctx context.Context, m *model, r *record, held *ledger, rank int64,
	result *inception.Result) error {
	if r.err == nil && r.url != "" {
		var data []byte
		data, r.err = p.fetch.get(ctx, r.url, held)
		defer held.give(int64(cap(data)))
		r.input = &inception.Input{Data: data}
	}
	if r.err != nil {
		return blame(ctx, r.err, result)
	}
	if err := p.buffers.enter(ctx, rank); err != nil {
		return err
	}
	defer p.buffers.leave()
	r.input.Limits = p.limits
	if r.explainer != nil {
		return p.explain(ctx, m, r, result)
	}
	return p.classifyBatched(ctx, m, r.input, rank > 0, result)
}

// classifyBatched decodes a picture and has it classified with those of other requests; further says
// that its own has others under way.
func (p *pipeline) classifyBatched(ctx context.Context, m *model, in *inception.Input, further bool,
	result *inception.Result) error {
	pixels, tensor := m.buffer(), in.Pixels != nil
	var t *task
	err := p.decode(ctx, m, in, pixels, func() (err error) {
		t, err = m.batcher.submit(ctx, in, further)
		return err
	})
	if err != nil {
		m.recycle(pixels)
		return blame(ctx, err, result)
	}
	answer, finished, err := t.wait()
	if finished {
		m.recycle(pixels)
	}
	if err == nil && answer.Err != nil && tensor {
		return blame(ctx, fail(http.StatusUnprocessableEntity,
			"the network's answer for the tensor is not finite; its values are out of range"), result)
	}
	if err = errors.Join(err, answer.Err); err != nil {
		return err
	}
	*result = answer
	return nil
}

// blame puts an error that is the picture's into its result, and returns every other.
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

// bytesPerPixel is about what a picture takes while it is decoded and resized: its stored form, of
// up to 8 bytes a pixel, and one of 4 that is worked on.
const bytesPerPixel = 12

// need is what a picture takes while it is decoded. A form that takes more than all decoders may
// have, where a plain one of as many pixels would not, is refused.
func (p *pipeline) need(in *inception.Input) (int64, error) {
	pixels := int64(in.Info.Width) * int64(in.Info.Height)
	upright := in.Info
	upright.Orientation = 1
	stored, plain := picture.DecodedBytes(in.Data, upright), pixels*bytesPerPixel
	if stored > p.decoding.limit && stored > plain+1<<16 {
		return 0, fail(http.StatusRequestEntityTooLarge, "a %s of %dx%d pixels in this form takes %d bytes to decode, more "+
			"than the limit of %d; send it in a plain form, such as a JPEG that is not progressive", in.Info.Format,
			in.Info.Width, in.Info.Height, stored, p.decoding.limit)
	}
	return max(picture.DecodedBytes(in.Data, in.Info)+4*pixels, plain), nil
}

// room waits until the picture can be unpacked within the memory that all decoders share: a few
// pictures of tens of megapixels, which a few kilobytes can hold, must not exhaust the process.
// Pictures that their header already condemns get no further.
func (p *pipeline) room(ctx context.Context, in *inception.Input) (release func(), err error) {
	if in.Image != nil || in.Pixels != nil {
		return func() {}, nil
	}
	if err := in.ReadHeader(); err != nil {
		return nil, err
	}
	need, err := p.need(in)
	if err != nil {
		return nil, err
	}
	return p.decoding.acquire(ctx, need)
}

// decode makes a picture's tensor in pixels when there is room for it and its turn comes, and calls
// then, which may be nil, before its turn ends. Small pictures pass large ones that wait for
// either.
func (p *pipeline) decode(ctx context.Context, m *model, in *inception.Input, pixels []float32,
	then func() error) error {
	release, err := p.room(ctx, in)
	if err != nil {
		return err
	}
	defer release()
	begin, end := p.turns.BeginDecode, p.turns.EndDecode
	if work(in) > largePicture {
		begin, end = p.turns.BeginLarge, p.turns.EndLarge
	}
	if err := begin(ctx); err != nil {
		return err
	}
	defer end()
	if err := p.guardedDecode(ctx, m, in, pixels); err != nil || then == nil {
		return err
	}
	return then()
}

// largePicture is from how many pixels on a picture lets others pass, which are decoded in some
// tens of milliseconds.
const largePicture = 4 << 20

// work is about how many pixels of a plain picture take as long to decode. Each scan of a
// progressive JPEG is a pass over the whole picture, however few bytes it has.
func work(in *inception.Input) int64 {
	scans := int64(0)
	if in.Info.Format == "jpeg" {
		scans = int64(bytes.Count(in.Data, []byte{0xff, 0xda}))
	}
	return int64(in.Info.Width) * int64(in.Info.Height) * (4 + scans) / 4
}

// guardedDecode decodes behind a recover: what a stranger sent must not end the process, in any
// decoder.
func (p *pipeline) guardedDecode(ctx context.Context, m *model, in *inception.Input, pixels []float32) (err error) {
	begin := time.Now()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("serve: decoding a picture panicked: %v\n%s", r, debug.Stack())
		}
		p.observe.decoded(time.Since(begin))
	}()
	return in.Decode(ctx, m.Model().Recipe, pixels)
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

// pace is a moving average of the seconds that a picture takes in a forward pass, from which
// waiting times are estimated.
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

// pacedObserver passes everything on and keeps the pace.
type pacedObserver struct {
	observer
	pace *pace
}

func (p pacedObserver) passed(pictures int, took time.Duration) {
	p.pace.add(pictures, took)
	p.observer.passed(pictures, took)
}
