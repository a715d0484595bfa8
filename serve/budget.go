package serve

import (
	"net/http"
	"sync/atomic"
)

// budget counts bytes against a bound. An eighth of it is kept for requests that hold little: no
// few large ones keep the small ones out.
type budget struct {
	limit int64
	used  atomic.Int64
}

// A request that holds more than a smallShare of a bound is large; largeShare is what all large
// ones leave to the small ones.
const (
	smallShare = 64
	largeShare = 8
)

// acquire takes n bytes for a request that holds so many then, or nothing when they would pass the
// bound. A request that is alone may take all.
func (b *budget) acquire(n, holds int64) bool {
	limit := b.limit
	used := b.used.Add(n)
	if holds > limit/smallShare && used > holds {
		limit -= limit / largeShare
	}
	if used > limit {
		b.used.Add(-n)
		return false
	}
	return true
}

// ledger is what one request holds of a budget. A nil one takes nothing; it is safe for concurrent
// use.
type ledger struct {
	budget *budget
	held   atomic.Int64
}

// take takes n bytes more, or says why not.
func (l *ledger) take(n int64) error {
	if l == nil || n == 0 {
		return nil
	}
	holds := l.held.Add(n)
	if l.budget.acquire(n, holds) {
		return nil
	}
	l.held.Add(-n)
	if holds > l.budget.limit {
		return fail(http.StatusRequestEntityTooLarge,
			"the request and its answer take more than the limit of %d bytes for all requests together; send it in parts",
			l.budget.limit)
	}
	return busy("the server holds the most bytes of requests that it may; try again")
}

// give gives n bytes back.
func (l *ledger) give(n int64) {
	if l != nil {
		l.held.Add(-n)
		l.budget.used.Add(-n)
	}
}

// release gives back everything; nothing may be taken afterwards.
func (l *ledger) release() { l.give(l.held.Load()) }
