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

const slabChunk = 16 << 20 / 4 // floats

// Alloc returns n zeros.
func (s *Slab) Alloc(n int) []float32 {
	const line = 16
	s.mu.Lock()
	defer s.mu.Unlock()
	n = max(n, 1)
	if n > len(s.free) {
		s.free = make([]float32, max(n, slabChunk)+line)
		hugePages(unsafe.Slice((*byte)(unsafe.Pointer(&s.free[0])), 4*len(s.free)))
		s.free = s.free[alignment(s.free):]
	}
	piece := s.free[:n:n]
	s.free = s.free[min((n+line-1)/line*line, len(s.free)):]
	return piece
}
