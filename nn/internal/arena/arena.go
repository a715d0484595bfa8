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
	_, total = PlaceTwo(buffers, nil)
	return total
}

// PlaceTwo places the first buffers as Place does, and then the others around them. It returns the
// size of the block with the first alone, and with all.
func PlaceTwo(first, others []*Buffer) (least, total int) {
	placed, least := place(nil, first)
	_, total = place(placed, others)
	return least, max(least, total)
}

// place places buffers around those that are placed already, which are ordered by their places, and
// returns all of them and where the last of the new ones ends.
func place(placed, buffers []*Buffer) (all []*Buffer, total int) {
	order := slices.Clone(buffers)
	slices.SortStableFunc(order, func(a, b *Buffer) int { return b.Size - a.Size })
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
	return placed, total
}
