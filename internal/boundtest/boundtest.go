// Package boundtest holds what reads files of others to bounds of time and memory.
package boundtest

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

const (
	// network is how many bytes InceptionV3 with 1000 classes has in float32.
	network = 4 * 23_835_000
	tick    = 50 * time.Millisecond
	most    = 5 * time.Second
)

// Allocated returns the bytes that f allocates, which bounds what it holds at any time.
func Allocated(f func()) uint64 {
	before := total()
	f()
	return total() - before
}

// total is how many bytes the process has allocated so far.
func total() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// Reader begins the reading of size bytes, and what it returns ends it: deferred, as
//
//	defer boundtest.Reader(t, len(b))()
//
// it is for the whole of a test. What takes longer than five seconds panics, so that a fuzzer keeps
// its input; what counts is the time of the processors, since a fuzzer may have to wait for one. What
// allocates more than four times the size, or twice a network in float32, whichever is larger, fails.
func Reader(t testing.TB, size int) (done func()) {
	t.Helper()
	stop, from := make(chan struct{}), spent()
	go func() {
		for spent()-from < most {
			select {
			case <-stop:
				return
			case <-time.After(tick):
			}
		}
		debug.SetTraceback("all")
		panic("reading takes longer than five seconds")
	}()
	before := total()
	return func() {
		close(stop)
		if n, limit := total()-before, uint64(max(4*size, 2*network)); n > limit {
			t.Errorf("%d bytes were allocated for %d, want at most %d", n, size, limit)
		}
	}
}
