package kernel

import (
	"sync"
	"unsafe"
)

// Slab hands out memory for weights and activations, in pieces that start at a
// cache line. It asks the system for huge pages where there are any: a network
// streams a hundred megabytes an image, and prefetching stops at the end of each
// page. It is safe for concurrent use.
type Slab struct {
	mu   sync.Mutex
	free []float32
}

const (
	slabChunk = 2 << 20 / 4 // floats
	slabLine  = 16          // floats of a cache line
)

// Lines is n floats rounded up to whole cache lines, which is what a piece takes.
func Lines(n int) int { return (n + slabLine - 1) / slabLine * slabLine }

// Reserve gets memory for pieces of n floats in all, see [Lines], at once: nothing between them stays
// unused, and most of it can be huge pages. Pieces beyond it come from chunks.
func (s *Slab) Reserve(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reserve(n)
}

func (s *Slab) reserve(n int) {
	s.free = make([]float32, n+slabLine)
	hugePages(unsafe.Slice((*byte)(unsafe.Pointer(&s.free[0])), 4*len(s.free)))
	s.free = s.free[alignment(s.free):]
}

// Alloc returns n zeros.
func (s *Slab) Alloc(n int) []float32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = max(n, 1)
	if n > len(s.free) {
		s.reserve(max(Lines(n), slabChunk))
	}
	piece := s.free[:n:n]
	s.free = s.free[min(Lines(n), len(s.free)):]
	return piece
}
