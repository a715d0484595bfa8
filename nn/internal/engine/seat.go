package engine

import (
	"sync/atomic"
	"time"
)

// seat is where a member runs. Beside other work Linux may wake two members' threads on one processor,
// where they wait for each other by turns of milliseconds, and leave them there for a tenth of a second,
// though what runs on the second processor could as well wait. So a member that waits long looks whether it
// does so on the processor that another one was last seen on, as another thread, and leaves it.
type seat struct {
	at       atomic.Uint64 // the thread's number, and 32 bits lower the processor's and 1; 0 where that is not known
	told     uint32        // the processor, as the system said
	worked   int           // times that the member found something to do
	since    time.Time     // it has waited, or last looked
	patience time.Duration
	_        [64]byte
}

const (
	seatEvery = 8                      // how often a member that has something to do notes where it runs
	patience  = 300 * time.Microsecond // a member waits before it looks around for the first time
	patient   = 10 * time.Millisecond  // and when it has left more often than there was something to do
)

// sit notes where member m runs.
func (t *team) sit(m int) {
	s := &t.seats[m]
	if thread, ok := processor(&s.told); ok {
		s.at.Store(uint64(thread)<<32 | uint64(s.told+1))
	}
}

// crowds tells whether a and b are different threads on one processor.
func (s *seat) crowds(other *seat) bool {
	a, b := s.at.Load(), other.at.Load()
	return a != 0 && b != 0 && uint32(a) == uint32(b) && a != b
}

// met says that member m had something to do.
func (t *team) met(m int) {
	s := &t.seats[m]
	s.patience = patience
	if s.worked++; s.worked%seatEvery == 1 {
		t.sit(m)
	}
}

// waits is called again and again while member m has nothing to do and others do; first for the first time.
func (t *team) waits(m int, first bool) {
	s := &t.seats[m]
	switch now := time.Now(); {
	case first:
		s.since = now
		return
	case now.Sub(s.since) < s.patience:
		return
	default:
		s.since = now
	}
	t.sit(m)
	for o := range t.seats {
		if s.crowds(&t.seats[o]) {
			s.patience = min(2*s.patience, patient)
			leave(t.seats)
			t.sit(m)
			return
		}
	}
}
