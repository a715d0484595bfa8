package engine

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// team is a fixed set of goroutines that share out the units of one job after
// another. The caller of run is a member for as long as the job takes.
//
// The units of a job are divided into one range a member, so that each stays
// with neighbouring data; a member that has finished its own range helps with
// the others'. What is left of a range is one word, so that a unit is claimed by
// one compare-and-swap, and a member that comes late finds either nothing or
// the current job.
type team struct {
	job    job
	left   []slot       // what is left of each member's range: end<<32 | next
	done   atomic.Int64 // units of the current job that are finished
	active atomic.Bool  // between begin and end
	closed atomic.Bool
	parked []slot // 1 while the member sleeps
	seats  []seat
	wake   []chan struct{}
	wait   sync.WaitGroup
}

// slot is a word on a cache line of its own.
type slot struct {
	atomic.Uint64
	_ [120]byte
}

// job is a number of units and what does one of them.
type job interface {
	// span returns member m's range of the units.
	span(m int) (from, to int)
	// unit does unit i on behalf of member m.
	unit(i, m int)
}

const (
	spinTight  = 2000 // rounds of waiting before giving way to other goroutines
	spinBefore = 4000 // and before going to sleep
)

// newTeam starts a team of n members for one job at a time, always the same
// value. One of the members is the caller of run.
func newTeam(n int, j job) *team {
	t := &team{job: j, left: make([]slot, n), parked: make([]slot, n), seats: make([]seat, n),
		wake: make([]chan struct{}, n)}
	for m := 1; m < n; m++ {
		t.wake[m] = make(chan struct{}, 1)
		t.wait.Add(1)
		go t.member(m)
	}
	return t
}

// begin wakes the members: run follows soon, and often.
func (t *team) begin() {
	t.active.Store(true)
	for m := 1; m < len(t.left); m++ {
		if t.parked[m].CompareAndSwap(1, 0) {
			t.wake[m] <- struct{}{}
		}
	}
}

// end lets the members sleep.
func (t *team) end() { t.active.Store(false) }

// close ends the members' goroutines. No job is under way or follows.
func (t *team) close() {
	t.closed.Store(true)
	t.begin()
	t.wait.Wait()
}

// run does all units of the job, between begin and end. Nobody else is doing
// one when it starts or when it returns, so the job may change in between.
func (t *team) run() {
	t.done.Store(0)
	total := 0
	for m := range t.left {
		from, to := t.job.span(m)
		total += to - from
		t.left[m].Store(uint64(to)<<32 | uint64(from))
	}
	for spins := 0; t.done.Load() < int64(total); spins++ {
		if t.work(0) {
			spins = 0
		} else if spins > spinTight {
			t.waits(0, spins == spinTight+1)
			runtime.Gosched()
		}
	}
}

// work does what units there are and reports whether there were any.
func (t *team) work(m int) bool {
	worked := false
	for v := range t.left {
		left := &t.left[(m+v)%len(t.left)]
		for {
			at := left.Load()
			next, end := uint32(at), uint32(at>>32)
			if next >= end {
				break
			}
			if left.CompareAndSwap(at, at+1) {
				t.job.unit(int(next), m)
				t.done.Add(1)
				worked = true
			}
		}
	}
	if worked {
		t.met(m)
	}
	return worked
}

// member is the life of one goroutine of the team.
func (t *team) member(m int) {
	defer t.wait.Done()
	for spins := 0; !t.closed.Load(); spins++ {
		switch {
		case t.work(m):
			spins = 0
		case spins < spinTight:
		case t.active.Load():
			t.waits(m, spins == spinTight)
			runtime.Gosched()
		case spins < spinBefore:
			runtime.Gosched()
		default:
			t.sleep(m)
			spins = 0
		}
	}
}

// sleep parks the member until begin.
func (t *team) sleep(m int) {
	t.parked[m].Store(1)
	if (t.active.Load() || t.closed.Load()) && t.parked[m].CompareAndSwap(1, 0) {
		return // it began in the meantime and did not see us asleep
	}
	<-t.wake[m]
}
