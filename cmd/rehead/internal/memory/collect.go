package memory

import (
	"os"
	"runtime"
	"runtime/debug"
)

// Garbage may grow by a share of the heap before it is collected, in percent. Most of the heap is packed
// weights, which never die, so that the default of 100 would let it grow to their size again.
const (
	mostGarbage  = 30
	leastGarbage = 10
	// enough garbage for a few pictures, in bytes: a larger heap has a smaller share
	garbage = 20 << 20
)

// Collect gives back what nobody needs any more, and keeps garbage within its share from now on. An
// environment with GOGC keeps its own.
func Collect() {
	debug.FreeOSMemory()
	if os.Getenv("GOGC") != "" {
		return
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	debug.SetGCPercent(share(int64(m.HeapAlloc)))
}

// share is the percentage for a heap of so many bytes.
func share(heap int64) int {
	return int(min(max(100*garbage/max(heap, 1), leastGarbage), mostGarbage))
}
