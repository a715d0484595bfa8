// Package arena gives buffers that are needed at different times places in one block of memory.
package arena

import "slices"

// Buffer is a piece of memory that is in use from one step to another, both included.
type Buffer struct {
	Size        int
	First, Last int
	At          int // its place, which Place finds
}

// Place gives every buffer its place and returns the size of the block. The largest are placed
// first, each at the lowest place that is free for its life.
func Place(buffers []*Buffer) (total int) {
	order := slices.Clone(buffers)
	slices.SortStableFunc(order, func(a, b *Buffer) int { return b.Size - a.Size })
	var placed []*Buffer // by place
	for _, b := range order {
		b.At = 0
		for _, o := range placed {
			if o.First > b.Last || b.First > o.Last {
				continue
			}
			if o.At >= b.At+b.Size {
				break
			}
			b.At = max(b.At, o.At+o.Size)
		}
		i, _ := slices.BinarySearchFunc(placed, b.At, func(o *Buffer, at int) int { return o.At - at })
		placed = slices.Insert(placed, i, b)
		total = max(total, b.At+b.Size)
	}
	return total
}
