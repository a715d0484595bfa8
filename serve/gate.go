package serve

import (
	"context"
	"slices"
	"sync"
)

// gate shares the cores between decoding and the network. A forward pass works
// on every core in step, and a decoder that takes one of them away holds all the
// others up, so while a pass runs no decoding begins, or only as much as the
// network leaves cores for. Decoders wait in the order of their coming.
type gate struct {
	mu      sync.Mutex
	alone   int // decoders at once when no pass runs
	beside  int // decoders at once while one does
	active  int
	passes  int
	waiting []chan struct{}
	quiet   chan struct{} // closed when no decoder is active or waiting; nil when nobody asked
}

func newGate(alone, beside int) *gate { return &gate{alone: alone, beside: min(alone, beside)} }

// spare says how many cores the network leaves to decoders while it runs.
func (g *gate) spare(cores int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.beside = min(g.alone, max(cores, 0))
	g.admit()
}

// enter waits for a decoder's place. After it succeeds, leave must be called.
func (g *gate) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	turn := make(chan struct{})
	g.mu.Lock()
	g.waiting = append(g.waiting, turn)
	g.admit()
	g.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.waiting, turn); i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	} else { // its turn came at the same moment
		g.active--
	}
	g.admit()
	return ctx.Err()
}

// leave gives a decoder's place to the next.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.active--
	g.admit()
}

// begin says that a pass begins, and end that one has ended.
func (g *gate) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.passes++
}

func (g *gate) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.passes--
	g.admit()
}

// admit lets in whom there is room for, and tells who waits for quiet.
func (g *gate) admit() {
	room := g.alone
	if g.passes > 0 {
		room = g.beside
	}
	for g.active < room && len(g.waiting) > 0 {
		close(g.waiting[0])
		g.waiting = g.waiting[1:]
		g.active++
	}
	if g.quiet != nil && g.active == 0 && len(g.waiting) == 0 {
		close(g.quiet)
		g.quiet = nil
	}
}

// settled returns a channel that is closed when no decoder is active or waiting.
func (g *gate) settled() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.quiet == nil {
		g.quiet = make(chan struct{})
	}
	settled := g.quiet
	if g.active == 0 && len(g.waiting) == 0 {
		close(g.quiet)
		g.quiet = nil
	}
	return settled
}
