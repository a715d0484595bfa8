package engine

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// spin is a job of units that only take time.
type spin struct {
	units, members int
	did            []slot // units that each member did
	sum            atomic.Uint64
}

func (s *spin) span(m int) (from, to int) {
	return m * s.units / s.members, (m + 1) * s.units / s.members
}

func (s *spin) unit(i, m int) {
	x := uint64(i)
	for range 20_000 { // some 20 us
		x = x*6364136223846793005 + 1442695040888963407
	}
	s.sum.Add(x)
	s.did[m].Add(1)
}

// beside is what else goes on in the program.
var beside = map[string]func(end <-chan struct{}, wait *sync.WaitGroup){
	"alone": func(<-chan struct{}, *sync.WaitGroup) {},
	"timers": func(end <-chan struct{}, wait *sync.WaitGroup) {
		for range 20 {
			wait.Go(func() {
				for tick := time.NewTicker(time.Millisecond); ; {
					select {
					case <-tick.C:
					case <-end:
						tick.Stop()
						return
					}
				}
			})
		}
	},
	"channels": func(end <-chan struct{}, wait *sync.WaitGroup) {
		for range 4 {
			there, back := make(chan int), make(chan int)
			wait.Go(func() {
				for v := range there {
					back <- v + 1
				}
				close(back)
			})
			wait.Go(func() {
				defer close(there)
				for {
					select {
					case <-end:
						return
					case <-time.After(100 * time.Microsecond):
						there <- 1
						<-back
					}
				}
			})
		}
	},
	"collections": func(end <-chan struct{}, wait *sync.WaitGroup) {
		wait.Go(func() {
			for {
				select {
				case <-end:
					return
				case <-time.After(5 * time.Millisecond):
					runtime.GC()
				}
			}
		})
	},
}

// BenchmarkTeam is 100 jobs of 16 units on two members beside what a program may do besides. spread is how
// many times the two do of what one would in that time.
func BenchmarkTeam(b *testing.B) {
	for _, name := range []string{"alone", "timers", "channels", "collections"} {
		b.Run(name, func(b *testing.B) {
			s := &spin{units: 16, members: 2, did: make([]slot, 2)}
			team := newTeam(2, s)
			one := time.Duration(1 << 62)
			for range 50 {
				began := time.Now()
				s.unit(0, 0)
				one = min(one, time.Since(began))
			}
			end, wait := make(chan struct{}), new(sync.WaitGroup)
			beside[name](end, wait)
			b.ResetTimer()
			for b.Loop() {
				team.begin()
				for range 100 {
					team.run()
				}
				team.end()
			}
			b.ReportMetric(float64(100*s.units*b.N)*one.Seconds()/b.Elapsed().Seconds(), "spread")
			close(end)
			wait.Wait()
			team.close()
		})
	}
}

// Members do every unit of every job once, whatever else goes on, and none of them sleeps through it.
func TestTeamBesideOthers(t *testing.T) {
	for name, others := range beside {
		end, wait := make(chan struct{}), new(sync.WaitGroup)
		others(end, wait)
		s := &spin{units: 7, members: 3, did: make([]slot, 3)}
		team := newTeam(3, s)
		for range 20 {
			team.begin()
			for range 5 {
				team.run()
			}
			team.end()
		}
		if got := s.did[0].Load() + s.did[1].Load() + s.did[2].Load(); got != 700 {
			t.Errorf("%s: got %d units, want 700", name, got)
		}
		close(end)
		wait.Wait()
		team.close()
	}
}
