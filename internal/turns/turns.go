// Package turns shares the processors between decoding pictures and the network's forward passes.
package turns

import (
	"context"
	"slices"
	"sync"
)

// Turns says when a picture may be decoded. A forward pass works on every processor in step, and a
// decoder that takes one of them away holds all the others up, so while a pass runs no decoding
// begins, or only as much as the network leaves processors for. Decoders wait in the order of their
// coming, those of large pictures in a queue of their own: they take half of the turns at most, and
// never the only one that is left, so that small pictures need not wait for them. A pass never
// waits. Safe for concurrent use.
type Turns struct {
	mu           sync.Mutex
	alone        int // decoders at once when no pass runs
	beside       int // decoders at once while one does
	active       int // decoders, those of large pictures among them
	large        int // those
	passes       int
	waiting      []chan struct{}
	waitingLarge []chan struct{}
	idle         chan struct{} // closed when no decoder is active or waiting; nil when nobody asked
}

// New lets so many decoders work at once while no pass runs, and beside of them while one does.
func New(decoders, beside int) *Turns {
	t := &Turns{alone: decoders}
	t.SetBeside(beside)
	return t
}

// SetBeside says how many decoders may work while a pass runs.
func (t *Turns) SetBeside(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.beside = min(t.alone, max(n, 0))
	t.admit()
}

// BeginDecode waits for a decoder's turn. After it succeeds, EndDecode must be called.
func (t *Turns) BeginDecode(ctx context.Context) error { return t.begin(ctx, &t.waiting, t.EndDecode) }

// BeginLarge is BeginDecode of a picture that takes long. After it succeeds, EndLarge must be
// called.
func (t *Turns) BeginLarge(ctx context.Context) error {
	return t.begin(ctx, &t.waitingLarge, t.EndLarge)
}

func (t *Turns) begin(ctx context.Context, queue *[]chan struct{}, end func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	turn := make(chan struct{})
	t.mu.Lock()
	*queue = append(*queue, turn)
	t.admit()
	t.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	i := slices.Index(*queue, turn)
	if i >= 0 {
		*queue = slices.Delete(*queue, i, i+1)
		t.admit()
	}
	t.mu.Unlock()
	if i < 0 { // its turn came at the same moment
		end()
	}
	return ctx.Err()
}

// EndDecode gives a decoder's turn to the next.
func (t *Turns) EndDecode() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.active--
	t.admit()
}

// EndLarge gives the turn of a large picture's decoder to the next.
func (t *Turns) EndLarge() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.active--
	t.large--
	t.admit()
}

// BeginPass says that a forward pass begins, and EndPass that one has ended.
func (t *Turns) BeginPass() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.passes++
}

// EndPass says that a forward pass has ended.
func (t *Turns) EndPass() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.passes--
	t.admit()
}

// Idle returns a channel that is closed when no decoder is active or waiting.
func (t *Turns) Idle() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	t.admit()
	return idle
}

// admit lets in whom there is room for, and tells who waits for the decoders to be idle.
func (t *Turns) admit() {
	room := t.alone
	if t.passes > 0 {
		room = t.beside
	}
	// where only large pictures are in, one more may come
	for len(t.waiting) > 0 && (t.active < room || room > 0 && t.active == t.large && t.active == room) {
		close(t.waiting[0])
		t.waiting = t.waiting[1:]
		t.active++
	}
	for len(t.waitingLarge) > 0 && t.active < room && t.large < max(1, t.alone/2) {
		close(t.waitingLarge[0])
		t.waitingLarge = t.waitingLarge[1:]
		t.active++
		t.large++
	}
	if t.idle != nil && t.active == 0 && len(t.waiting) == 0 && len(t.waitingLarge) == 0 {
		close(t.idle)
		t.idle = nil
	}
}
