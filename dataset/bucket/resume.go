package bucket

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // it is what services say of objects
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"time"
)

// How a body that ends too early is gone on with.
const (
	resumes    = 8                      // requests in a row that may bring nothing
	firstPause = 100 * time.Millisecond // before the second of them; then twice as long each time
	lastPause  = 5 * time.Second
	// stall is how long no byte may come before the request is given up for another
	stall = 30 * time.Second
)

// OpenRange opens n bytes of an object from off on. Where a body ends too early or stands still, it
// goes on from there with another request, under the object's ETag; an object that was written anew
// meanwhile is ErrChanged, and one that brings nothing in 8 requests in a row an error that says
// how far it came.
func OpenRange(ctx context.Context, b Bucket, o Object, off, n int64) io.ReadCloser {
	return &reader{ctx: ctx, b: b, o: o, at: off, end: off + n, stall: stall, pause: firstPause}
}

// reader is what OpenRange opens.
type reader struct {
	ctx     context.Context
	b       Bucket
	o       Object
	at, end int64
	body    io.ReadCloser // nil between requests
	cancel  context.CancelFunc
	timer   *time.Timer // cancels a request that brings nothing
	tries   int         // requests in a row that brought nothing
	last    error       // of them
	stall   time.Duration
	pause   time.Duration
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if r.at >= r.end {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	p = p[:min(int64(len(p)), r.end-r.at)]
	for {
		if r.body == nil {
			if err := r.request(); err != nil {
				return 0, err
			}
		}
		r.timer.Reset(r.stall)
		n, err := r.body.Read(p)
		if n > 0 {
			r.at, r.tries = r.at+int64(n), 0
			if err != nil {
				r.give(err)
			}
			return n, nil
		}
		if err != nil {
			r.give(err)
		}
	}
}

// give ends a request that brings no more.
func (r *reader) give(err error) {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	r.last = err
	_ = r.close()
}

// close ends the request, if there is one.
func (r *reader) close() error {
	if r.body == nil {
		return nil
	}
	r.timer.Stop()
	r.cancel()
	err := r.body.Close()
	r.body = nil
	return err
}

// request begins the next request, after a pause where the one before brought nothing.
func (r *reader) request() error {
	for ; ; r.tries++ {
		if r.tries >= resumes {
			return fmt.Errorf("%s: ended after %d of %d bytes, and %d requests for the rest brought nothing: %w",
				name(r.b, r.o.Key), r.at, r.o.Size, resumes, r.last)
		}
		if err := wait(r.ctx, r.pause, r.tries); err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(r.ctx)
		timer := time.AfterFunc(r.stall, cancel)
		body, err := r.b.Get(ctx, r.o.Key, r.at, r.end-r.at, r.o.ETag)
		if err == nil {
			r.body, r.cancel, r.timer = body, cancel, timer
			r.tries++ // until a byte comes
			return nil
		}
		timer.Stop()
		cancel()
		if errors.Is(err, ErrChanged) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) ||
			r.ctx.Err() != nil {
			return fmt.Errorf("%s: %w", name(r.b, r.o.Key), err)
		}
		r.last = err
	}
}

// wait waits before the tries-th repetition, a time that grows and is drawn, so that many that were
// cut together do not come back together.
func wait(ctx context.Context, first time.Duration, tries int) error {
	if tries == 0 {
		return ctx.Err()
	}
	pause := min(first<<(tries-1), lastPause)
	select {
	case <-time.After(pause/2 + rand.N(pause/2+1)):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close implements io.Closer.
func (r *reader) Close() error { return r.close() }

// Fetch reads an object whole. Where its MD5 is known, or its ETag is one, as that of an object that was
// written in one part is with most services, what came is held against it; what differs is fetched once more,
// and is right when it comes a second time: that service's ETags are something else.
func Fetch(ctx context.Context, b Bucket, o Object) (data []byte, err error) {
	if o.Size < 0 || o.Size > math.MaxInt {
		return nil, fmt.Errorf("%s: is listed with %d bytes, which cannot be held", name(b, o.Key), o.Size)
	}
	data = make([]byte, o.Size)
	err = twice(b, o, func() ([md5.Size]byte, error) {
		r := o.Open(ctx, b)
		_, err := io.ReadFull(r, data)
		return md5.Sum(data), errors.Join(err, r.Close()) //nolint:gosec // see above
	})
	return data, err
}

// twice fetches an object until what came, of which fetch says the MD5, is as it was listed or came
// twice.
func twice(b Bucket, o Object, fetch func() ([md5.Size]byte, error)) error {
	want, err := hex.DecodeString(cmp.Or(o.MD5, o.ETag))
	unknown := err != nil || len(want) != md5.Size
	var before [md5.Size]byte
	for try := range 6 {
		got, err := fetch()
		if err != nil || unknown || bytes.Equal(got[:], want) || try > 0 && got == before {
			return err
		}
		before = got
	}
	return fmt.Errorf("%s: came with other bytes each time it was fetched: something between here and there changes them",
		name(b, o.Key))
}
