package boundtest

import "testing"

// recorder notes whether it was failed.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Errorf(string, ...any) { r.failed = true }

var kept []byte

func TestReader(t *testing.T) {
	for _, c := range []struct {
		size, allocates int
		fails           bool
	}{{100, 1 << 20, false}, {100, 2*network + 1<<20, true}, {network, 2*network + 1<<20, false}} {
		r := &recorder{TB: t}
		done := Reader(r, c.size)
		kept = make([]byte, c.allocates)
		done()
		if r.failed != c.fails {
			t.Errorf("%d bytes allocated for %d: failed %v, want %v", c.allocates, c.size, r.failed, c.fails)
		}
		kept = nil
	}
	if n := Allocated(func() { kept = make([]byte, 1<<20) }); n < 1<<20 {
		t.Errorf("%d bytes counted, want at least %d", n, 1<<20)
	}
}
