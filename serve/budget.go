package serve

import "sync/atomic"

// budget counts bytes against a bound.
type budget struct {
	limit int64
	used  atomic.Int64
}

// acquire takes n bytes, or nothing when they would pass the bound.
func (b *budget) acquire(n int64) bool {
	if b.used.Add(n) > b.limit {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *budget) release(n int64) { b.used.Add(-n) }
