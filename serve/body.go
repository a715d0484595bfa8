package serve

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
)

const firstRead = 64 << 10

// readBody reads the whole body, up to limit bytes. Memory grows with what has arrived, never with
// what the header promises, and each growth is asked of the budget first, so that slow or many
// senders cannot exhaust the process. release gives the memory back to the budget.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, b *budget) (body []byte, release func(), err error) {
	held := int64(0)
	release = func() { b.release(held) }
	if r.ContentLength > limit {
		return nil, release, &http.MaxBytesError{Limit: limit}
	}
	reader := http.MaxBytesReader(w, r.Body, limit)
	for {
		if len(body) == cap(body) {
			size := nextSize(int64(cap(body)), r.ContentLength, limit)
			if !b.acquire(size - held) {
				return nil, release, busy("the server holds the most bytes of requests that it may; try again")
			}
			held = size
			body = append(make([]byte, 0, size), body...)
		}
		n, err := reader.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			return body, release, nil
		}
		if err != nil {
			return nil, release, bodyError(err)
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

// drain reads on, for about as much again as the limit, so that a client that sends its whole body
// before it reads gets the answer rather than a reset. A client that waits for "100 Continue" has
// sent nothing yet.
func drain(r *http.Request, limit int64) {
	if strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		return
	}
	_, _ = io.CopyN(io.Discard, r.Body, limit)
}
