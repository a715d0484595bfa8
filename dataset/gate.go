package dataset

import "sync"

// decodedBytes is about what Decode and Apply take for a picture.
func decodedBytes(data []byte, info Info) int64 {
	each := int64(4)
	switch info.Format {
	case "png", "tiff", "webp":
		each = 8
	case "gif":
		each = 2
	case "jpeg":
		if h := scanJPEG(data[:min(len(data), 1<<16)]); h.frame == 0xc2 {
			each = 16 // coefficients of the whole picture, 4 bytes each
		}
	}
	if info.Orientation > 1 {
		each += 8
	}
	return each*int64(info.Width)*int64(info.Height) + 1<<16
}

// gate lets work in as long as it fits into a budget of bytes; what is larger than all of it goes
// in alone.
type gate struct {
	mu     sync.Mutex
	free   *sync.Cond
	budget int64
	used   int64
	closed bool
}

func newGate(budget int64) *gate {
	g := &gate{budget: budget}
	g.free = sync.NewCond(&g.mu)
	return g
}

func (g *gate) enter(n int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.closed && g.used > 0 && g.used+n > g.budget {
		g.free.Wait()
	}
	if g.closed {
		return false
	}
	g.used += n
	return true
}

func (g *gate) leave(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.used -= n
	g.free.Broadcast()
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.free.Broadcast()
}
