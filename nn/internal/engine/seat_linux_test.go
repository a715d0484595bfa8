package engine

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A member leaves a processor that another one was seen on, and is bound to none then.
func TestLeave(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var may, one, now unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		t.Fatal(err)
	}
	if may.Count() < 2 {
		t.Skip("there is one processor")
	}
	defer unix.SchedSetaffinity(0, &may) //nolint:errcheck // as it was
	moved := 0
	for range 20 { // the system may move a thread whenever it likes
		team := &team{seats: make([]seat, 2)}
		team.sit(0)
		one.Zero()
		one.Set(int(team.seats[0].told))
		if unix.SchedSetaffinity(0, &one) != nil || unix.SchedSetaffinity(0, &may) != nil {
			t.Fatal("the thread cannot be bound")
		}
		team.sit(1)
		leave(team.seats)
		team.sit(1)
		if team.seats[1].told != team.seats[0].told {
			moved++
		}
		if unix.SchedGetaffinity(0, &now) != nil || now != may {
			t.Fatal("the thread stays bound")
		}
		stay := make([]seat, may.Count()+1) // more members than processors
		stay[0].at.Store(team.seats[1].at.Load())
		leave(stay)
	}
	if moved < 10 {
		t.Errorf("left in %d of 20 times", moved)
	}
}

// Only threads that are not the same one crowd each other, and nothing is said of what is not known.
func TestCrowds(t *testing.T) {
	at := func(thread, cpu uint64) *seat {
		s := new(seat)
		s.at.Store(thread<<32 | cpu)
		return s
	}
	for _, c := range []struct {
		a, b *seat
		want bool
	}{
		{at(7, 1), at(8, 1), true}, {at(7, 1), at(7, 1), false}, {at(7, 1), at(8, 2), false}, {at(0, 0), at(8, 1), false},
		{at(7, 1), at(0, 0), false},
	} {
		if got := c.a.crowds(c.b); got != c.want {
			t.Errorf("%x and %x: got %t, want %t", c.a.at.Load(), c.b.at.Load(), got, c.want)
		}
	}
}
