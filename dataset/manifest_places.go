package dataset

import (
	"hash/maphash"
	"math/bits"
	"strings"
)

// places finds items by their paths: a table of hashes with open addressing, which takes 8 to 16
// bytes a picture where a map of paths takes 50 to 100. The zero value is empty.
type places struct {
	seed maphash.Seed
	slot []int32 // an item's place and 1, or 0; a power of two of them, at most half of them taken
}

// find is the place of the item with this path.
func (p *places) find(items []Item, path string) (at int, ok bool) {
	if len(p.slot) == 0 {
		return 0, false
	}
	i := p.search(items, path)
	return int(p.slot[i]) - 1, p.slot[i] != 0
}

// search is the slot of a path: its own, or the empty one that it would take.
func (p *places) search(items []Item, path string) int {
	last := len(p.slot) - 1
	i := int(maphash.String(p.seed, path)) & last
	for p.slot[i] != 0 && items[p.slot[i]-1].Path != path {
		i = (i + 1) & last
	}
	return i
}

// add takes up the last item, whose path no other has.
func (p *places) add(items []Item) {
	if 2*len(items) > len(p.slot) {
		p.grow(items[:len(items)-1], len(items))
	}
	p.slot[p.search(items, items[len(items)-1].Path)] = int32(len(items))
}

// grow makes room for n items, of which there are some already.
func (p *places) grow(items []Item, n int) {
	size := 1 << bits.Len(uint(max(2*n, 64)-1))
	if size <= len(p.slot) {
		return
	}
	p.seed, p.slot = maphash.MakeSeed(), make([]int32, size)
	for i := range items {
		p.slot[p.search(items, items[i].Path)] = int32(i) + 1
	}
}

// block holds strings in pieces of memory that many of them share.
type block struct{ piece strings.Builder }

// join is a and b in one string.
func (k *block) join(a, b string) string {
	if n := len(a) + len(b); k.piece.Cap()-k.piece.Len() < n {
		k.piece = strings.Builder{}
		k.piece.Grow(max(n, 1<<16))
	}
	from := k.piece.Len()
	k.piece.WriteString(a)
	k.piece.WriteString(b)
	return k.piece.String()[from:]
}
