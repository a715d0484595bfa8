package source

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/c236555e/rehead/dataset/picture"
)

// aheadBytes bounds what an Ahead holds, in bytes; the last picture begun may lie beyond. aheadTimes
// bounds it in pictures, as a multiple of those fetched at a time: many thousands of small ones would
// be read ahead else, and be no sooner there when they are asked for.
const (
	aheadBytes = 64 << 20
	aheadTimes = 4
)

// Ahead reads the pictures of a list before they are asked for, several at a time, where they lie
// in a Far store; others are read when they are asked for. What it holds is bounded by 64 MB and
// one picture, and by four times the number that the store fetches at a time; what was asked for once
// is not held any more, and what will not be is to be dropped. Safe for concurrent use.
type Ahead struct {
	of   Reading
	far  bool // there is something to read ahead
	most int  // pictures in begun
	stop func() bool
	wg   sync.WaitGroup

	mu      sync.Mutex
	room    *sync.Cond
	next    int            // the first that nobody has begun
	passed  map[int]bool   // of those from next on, what was asked for
	held    int64          // bytes of those begun that nobody has
	waiting int            // their number
	begun   map[int]*ahead // being read, or waiting
	done    bool
}

// Reading is what an Ahead reads.
type Reading struct {
	N      int              // pictures
	File   func(i int) File // the i-th of them, in the order in which they will be asked for
	Limits picture.Limits   // of one
	Skip   func(i int) bool // optional: those that will not be asked for; called by one goroutine at a time
}

// ahead is a picture that is being read, or waits.
type ahead struct {
	ready chan struct{} // closed when it is there
	data  []byte
	err   error
	size  int64 // as the store measured it
}

// looked is how many pictures of a list tell whether there is something to read ahead.
const looked = 4096

// NewAhead begins to read. Close ends it, and so does the end of ctx.
func NewAhead(ctx context.Context, of Reading) *Ahead {
	if of.N > math.MaxInt/2 || of.File == nil {
		of.N = 0
	}
	a := &Ahead{of: of, begun: map[int]*ahead{}, passed: map[int]bool{}}
	a.room = sync.NewCond(&a.mu)
	a.stop = context.AfterFunc(ctx, a.end)
	workers := 0
	for i := 0; i < of.N; i += max(1, of.N/looked) {
		if far, ok := of.File(i).Store.(Far); ok {
			workers = max(workers, far.AtOnce())
		}
	}
	a.far, a.most = workers > 0, aheadTimes*workers
	for range min(workers, of.N) {
		a.wg.Go(a.fetch)
	}
	return a
}

// fetch is one of the goroutines that read ahead.
func (a *Ahead) fetch() {
	for {
		i, p := a.begin()
		if p == nil {
			return
		}
		p.data, p.err = a.of.File(i).Read(a.of.Limits)
		close(p.ready)
	}
}

// begin is the next picture to be read, once there is room for it; nil at the end.
func (a *Ahead) begin() (int, *ahead) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.done && a.next < a.of.N {
		if a.held >= aheadBytes || a.waiting >= a.most {
			a.room.Wait()
			continue
		}
		i := a.next
		a.next++
		if a.passed[i] {
			delete(a.passed, i)
			continue
		}
		f := a.of.File(i)
		far, ok := f.Store.(Far)
		if !ok || a.of.Skip != nil && a.of.Skip(i) {
			continue
		}
		info, err := far.Stat(f.Path)
		if err != nil {
			continue // who asks for it is told so
		}
		p := &ahead{ready: make(chan struct{}), size: min(info.Size(), a.of.Limits.Bytes())}
		a.begun[i], a.held, a.waiting = p, a.held+p.size, a.waiting+1
		return i, p
	}
	return 0, nil
}

// Read is File.Read of the picture at place i of the list.
func (a *Ahead) Read(i int) ([]byte, error) {
	if a == nil || i < 0 || i >= a.of.N {
		return nil, fmt.Errorf("dataset: read ahead: got place %d, want that of a picture in the list", i)
	}
	p := a.take(i)
	if p == nil {
		return a.of.File(i).Read(a.of.Limits)
	}
	<-p.ready
	a.release(p)
	return p.data, p.err
}

// Drop says that the picture at place i will not be asked for, though it was not to be skipped.
func (a *Ahead) Drop(i int) {
	if a == nil || i < 0 || i >= a.of.N {
		return
	}
	if p := a.take(i); p != nil {
		a.release(p)
	}
}

// release makes room for others.
func (a *Ahead) release(p *ahead) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held, a.waiting = a.held-p.size, a.waiting-1
	a.room.Broadcast()
}

// take is what was begun of a picture, which is nobody else's from then on; nil for none.
func (a *Ahead) take(i int) *ahead {
	if !a.far {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.begun[i]
	delete(a.begun, i)
	if i >= a.next {
		a.passed[i] = true
	}
	return p
}

// end wakes who waits, for nothing more is to be read.
func (a *Ahead) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done = true
	a.room.Broadcast()
}

// Close ends the reading ahead, and waits for what is under way.
func (a *Ahead) Close() {
	if a == nil || a.stop == nil { // the zero value
		return
	}
	a.stop()
	a.end()
	a.wg.Wait()
}
