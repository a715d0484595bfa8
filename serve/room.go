package serve

import (
	"context"
	"slices"
	"sync"
)

// room is memory that decoders share. Small pictures pass large ones that wait, and three quarters
// of it are kept for large ones that wait, so that neither keep the others out. A picture that
// takes more than all that large ones may have takes that.
type room struct {
	limit int64

	mu             sync.Mutex
	small, large   int64    // bytes that are held
	waiting        []*claim // in the order of their coming
	waitingOfLarge int
}

// claim is a picture that waits for room.
type claim struct {
	need  int64
	large bool
	ready chan struct{}
}

// acquire waits until there is room for need bytes.
func (r *room) acquire(ctx context.Context, need int64) (release func(), err error) {
	c := &claim{need: min(need, r.forLarge()), large: need > r.limit/smallShare, ready: make(chan struct{})}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.waiting = append(r.waiting, c)
	if c.large {
		r.waitingOfLarge++
	}
	r.admit()
	r.mu.Unlock()
	select {
	case <-c.ready:
		return func() { r.give(c) }, nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	i := slices.Index(r.waiting, c)
	if i >= 0 {
		r.remove(i)
		r.admit() // small ones may pass now
	}
	r.mu.Unlock()
	if i < 0 { // its room came at the same moment
		r.give(c)
	}
	return nil, ctx.Err()
}

func (r *room) forLarge() int64 { return r.limit - r.limit/4 }

func (r *room) give(c *claim) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*r.held(c) -= c.need
	r.admit()
}

func (r *room) held(c *claim) *int64 {
	if c.large {
		return &r.large
	}
	return &r.small
}

func (r *room) remove(i int) {
	if r.waiting[i].large {
		r.waitingOfLarge--
	}
	r.waiting = slices.Delete(r.waiting, i, i+1)
}

// admit lets in whom there is room for: of the large ones the first alone, of the small ones any.
func (r *room) admit() {
	blocked := false // a large one waits that came before
	for i := 0; i < len(r.waiting); {
		c := r.waiting[i]
		fits := r.small+r.large+c.need <= r.limit
		if c.large {
			fits = fits && !blocked && r.large+c.need <= r.forLarge()
			blocked = blocked || !fits
		} else if r.waitingOfLarge > 0 {
			fits = fits && r.small+c.need <= r.limit-r.forLarge()
		}
		if !fits {
			i++
			continue
		}
		*r.held(c) += c.need
		r.remove(i)
		close(c.ready)
	}
}

// places are for pictures that are decoded, wait for the network, or run. Who has the fewest other
// pictures under way comes first, so that a request of thousands lets one of one pass; one place of
// four goes to who has waited longest, so that it comes in too.
type places struct {
	total   int // never changes
	mu      sync.Mutex
	free    int
	came    int64   // pictures that had to wait
	given   int64   // places that were left to them
	waiting []*seat // by rank, then in the order of their coming
}

type seat struct {
	rank  int64
	came  int64
	ready chan struct{}
}

func newPlaces(n int) *places { return &places{total: n, free: n} }

// enter waits for a place.
func (p *places) enter(ctx context.Context, rank int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := &seat{rank: rank, ready: make(chan struct{})}
	p.mu.Lock()
	if p.free > 0 { // nobody waits
		p.free--
		p.mu.Unlock()
		return nil
	}
	p.came++
	s.came = p.came
	at, _ := slices.BinarySearchFunc(p.waiting, rank+1, func(w *seat, rank int64) int { return int(w.rank - rank) })
	p.waiting = slices.Insert(p.waiting, at, s)
	p.mu.Unlock()
	select {
	case <-s.ready:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	i := slices.Index(p.waiting, s)
	if i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	p.mu.Unlock()
	if i < 0 { // its place came at the same moment
		p.leave()
	}
	return ctx.Err()
}

// leave gives a place to who waits.
func (p *places) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		p.free++
		return
	}
	next := 0
	if p.given++; p.given%oneOfMany == 0 {
		for i, s := range p.waiting {
			if s.came < p.waiting[next].came {
				next = i
			}
		}
	}
	close(p.waiting[next].ready)
	p.waiting = slices.Delete(p.waiting, next, next+1)
}
