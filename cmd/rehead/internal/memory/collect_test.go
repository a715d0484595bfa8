package memory

import (
	"runtime/debug"
	"testing"
)

func TestCollect(t *testing.T) {
	for heap, want := range map[int64]int{0: 30, 20 << 20: 30, 100 << 20: 20, 185 << 20: 10, 4 << 30: 10} {
		if got := share(heap); got != want {
			t.Errorf("a heap of %d bytes: got %d %%, want %d", heap, got, want)
		}
	}
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "77")
	Collect()
	if got := debug.SetGCPercent(77); got != 77 {
		t.Errorf("GOGC is 77: got %d", got)
	}
	t.Setenv("GOGC", "")
	Collect()
	if got := debug.SetGCPercent(77); got < leastGarbage || got > mostGarbage {
		t.Errorf("got %d %%, want %d to %d", got, leastGarbage, mostGarbage)
	}
}
