package serve

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// firstRead is what a body takes before it has arrived: as much as net/http's own buffer of a
// connection, so that thousands of senders that go no further take little.
const firstRead = 4 << 10

// readBody reads the whole body, up to limit bytes, into what is taken from held.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, held *ledger) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	body, err := held.read(http.MaxBytesReader(w, r.Body, limit), r.ContentLength, limit)
	var status *statusError
	if err != nil && !errors.As(err, &status) {
		err = bodyError(err)
	}
	return body, err
}

// read reads all of r, at most limit bytes and one more. Memory grows with what has arrived, never
// with what was announced (below 0: nothing), and each growth is taken first, so that slow or many
// senders cannot exhaust the process.
func (l *ledger) read(r io.Reader, announced, limit int64) (data []byte, err error) {
	for {
		if len(data) == cap(data) {
			old, size := int64(cap(data)), nextSize(int64(cap(data)), announced, limit)
			if err := l.take(size); err != nil { // the old buffer is held until the new one is filled
				l.give(old)
				return nil, err
			}
			data = append(make([]byte, 0, size), data...)
			l.give(old)
		}
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) || err == nil && int64(len(data)) > limit {
			return data, nil
		}
		if err != nil {
			l.give(int64(cap(data)))
			return nil, err
		}
	}
}

// nextSize doubles a buffer. One byte beyond the announced length lets the final read report the
// end without another growth.
func nextSize(size, announced, limit int64) int64 {
	next := max(2*size, firstRead)
	if announced >= 0 && next > announced+1 {
		next = max(announced+1, size+1)
	}
	return min(next, limit+1)
}

// bodyError blames the sender for a body that ends early or is malformed, but not for what has a
// status of its own.
func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	return fail(http.StatusBadRequest, "the body ended before its announced length, or its chunks are malformed")
}

// drainTime is how long a refused sender may take for the rest of its body.
const drainTime = 5 * time.Second

// drain reads on, for about as much again as the limit, so that a client that sends its whole body
// before it reads gets the answer, which has been written, rather than a reset. A client that waits
// for "100 Continue" has sent nothing yet.
func drain(w http.ResponseWriter, r *http.Request, limit int64) {
	if strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		return
	}
	control := http.NewResponseController(w)
	_ = control.Flush()
	_ = control.SetReadDeadline(time.Now().Add(drainTime))
	_, _ = io.CopyN(io.Discard, r.Body, limit)
}
