package ptx

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// Memory is a GPU's global memory. Allocations lie apart from each other, so that what runs over
// the end of one meets none.
type Memory struct {
	First uint64 // the first address; 0 means 1<<32

	areas []*area // by address
	next  uint64
	turn  uint32 // counts launches
}

const (
	redZone   = 1 << 20
	alignment = 512
)

// area is an allocation.
type area struct {
	base uint64
	data []byte
	// wrote has for each word the launch that stored to it last, in the upper half, and the thread
	// of that launch.
	wrote []uint64
}

// Alloc returns the address of n fresh bytes of 0xFF.
func (m *Memory) Alloc(n int) uint64 {
	base := max(m.next, cmp.Or(m.First, 1<<32))
	a := &area{base: base, data: make([]byte, n), wrote: make([]uint64, (n+3)/4)}
	for i := range a.data {
		a.data[i] = 0xff
	}
	m.areas = append(m.areas, a)
	m.next = (base + uint64(n) + redZone + alignment - 1) / alignment * alignment
	return base
}

// Free ends an allocation. Its address is never given out again.
func (m *Memory) Free(at uint64) error {
	i := slices.IndexFunc(m.areas, func(a *area) bool { return a.base == at })
	if i < 0 {
		return fmt.Errorf("ptx: free %#x: no allocation begins there", at)
	}
	m.areas = slices.Delete(m.areas, i, i+1)
	return nil
}

// Live returns the number of allocations.
func (m *Memory) Live() int { return len(m.areas) }

// Bytes is the n bytes at an address, or an error unless all are of one allocation.
func (m *Memory) Bytes(at uint64, n int) ([]byte, error) {
	a := m.find(at, n)
	if a == nil {
		return nil, fmt.Errorf("ptx: %d bytes at %#x are not within one allocation", n, at)
	}
	return a.data[at-a.base:][:n], nil
}

// find returns the allocation that has those bytes, nil if none has all.
func (m *Memory) find(at uint64, n int) *area {
	i, exact := slices.BinarySearchFunc(m.areas, at, func(a *area, at uint64) int { return cmp.Compare(a.base, at) })
	if !exact {
		i--
	}
	if i < 0 || !m.areas[i].has(at, n) {
		return nil
	}
	return m.areas[i]
}

func (a *area) has(at uint64, n int) bool {
	return at >= a.base && at-a.base+uint64(n) <= uint64(len(a.data))
}

// loadGlobal returns n bytes of global memory for a lane to load.
func (w *warp) loadGlobal(lane int, at uint64, n int) []byte {
	a := w.global(lane, at, n)
	off := at - a.base
	for i := off / 4; i < (off+uint64(n)+3)/4; i++ {
		if k := a.wrote[i]; uint32(k>>32) == w.b.turn && k != w.key(lane) {
			w.fail(lane, "loads %#x, which another thread of this launch stored to", at)
		}
	}
	return a.data[off:][:n]
}

// storeGlobal returns n bytes of global memory for a lane to store to.
func (w *warp) storeGlobal(lane int, at uint64, n int) []byte {
	a := w.global(lane, at, n)
	off, key := at-a.base, w.key(lane)
	for i := off / 4; i < (off+uint64(n)+3)/4; i++ {
		if k := a.wrote[i]; uint32(k>>32) == w.b.turn && k != key {
			w.fail(lane, "stores to %#x, which another thread of this launch stored to", at)
		}
		a.wrote[i] = key
	}
	return a.data[off:][:n]
}

// key is the launch and the lane's thread, among those of the whole grid.
func (w *warp) key(lane int) uint64 {
	return uint64(w.b.turn)<<32 | uint64(w.b.first+uint32(w.id*32+lane))
}

func (w *warp) global(lane int, at uint64, n int) *area {
	if at%uint64(n) != 0 {
		w.fail(lane, "address %#x is not a multiple of %d", at, n)
	}
	if w.area == nil || !w.area.has(at, n) {
		if w.area = w.b.memory.find(at, n); w.area == nil {
			w.fail(lane, "%d bytes at %#x are in no allocation", n, at)
		}
	}
	return w.area
}

// word says what happened to 4 bytes of shared memory.
type word struct {
	written, read  int32 // the last interval between barriers in which it was
	writer, reader int32 // by which thread; several if by more than one
	flying         int16 // cp.async on their way to it
	set            bool
}

const several = -2

// The window of shared memory: a variable's address in it, and where the window lies among generic
// addresses.
const (
	sharedFirst   = 1024
	sharedGeneric = 1 << 48
)

// readShared returns n bytes of shared memory for a lane to read.
func (w *warp) readShared(lane int, at uint64, n int) []byte {
	b, me := w.b, int32(w.id*32+lane)
	data, words := w.shared(lane, at, n)
	for i := range words {
		s := &words[i]
		switch {
		case s.flying > 0:
			w.fail(lane, "reads shared memory at %d, which cp.async has not written yet", at)
		case !s.set:
			w.fail(lane, "reads shared memory at %d, which nothing wrote", at)
		case s.written == b.interval && s.writer != me:
			w.fail(lane, "reads shared memory at %d, which thread %d wrote since the last barrier", at, s.writer)
		}
		if s.read != b.interval {
			s.read, s.reader = b.interval, me
		} else if s.reader != me {
			s.reader = several
		}
	}
	return data
}

// writeShared returns n bytes of shared memory for a lane to write. flying is what is added to the
// number of copies under way.
func (w *warp) writeShared(lane int, at uint64, n int, flying int16) []byte {
	b, me := w.b, int32(w.id*32+lane)
	data, words := w.shared(lane, at, n)
	for i := range words {
		s := &words[i]
		if s.read == b.interval && s.reader != me {
			w.fail(lane, "writes shared memory at %d, which another thread read since the last barrier", at)
		}
		if s.written == b.interval && s.writer != me {
			w.fail(lane, "writes shared memory at %d, which thread %d wrote since the last barrier", at, s.writer)
		}
		s.written, s.writer = b.interval, me
		s.flying += flying
		if flying <= 0 {
			s.set = true
		}
	}
	return data
}

// shared returns n bytes of shared memory and what happened to their words.
func (w *warp) shared(lane int, at uint64, n int) ([]byte, []word) {
	if at >= sharedGeneric {
		at -= sharedGeneric
	}
	if at < sharedFirst || at+uint64(n) > sharedFirst+uint64(len(w.b.shared)) {
		w.fail(lane, "%d bytes of shared memory at %d are outside of its %d from %d", n, at, len(w.b.shared), sharedFirst)
	}
	if at%uint64(n) != 0 {
		w.fail(lane, "shared address %d is not a multiple of %d", at, n)
	}
	off := int(at - sharedFirst)
	return w.b.shared[off:][:n], w.b.words[off/4 : (off+n+3)/4]
}

func read(b []byte, n int) uint64 {
	switch n {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

func write(b []byte, n int, v uint64) {
	switch n {
	case 1:
		b[0] = byte(v)
	case 2:
		binary.LittleEndian.PutUint16(b, uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(b, uint32(v))
	default:
		binary.LittleEndian.PutUint64(b, v)
	}
}
