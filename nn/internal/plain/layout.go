package plain

import (
	"cmp"
	"slices"

	"github.com/c236555e/rehead/nn/internal/ir"
)

// layout says where each value of a network lives while one image is computed.
type layout struct {
	offset []int   // of each value in the arena, -1 for the network's input
	arena  int     // float32 values in all
	copies [][]int // for each Concat step: the arguments that must be copied
}

// align keeps values apart by whole cache lines.
const align = 16

// place plans the arena. An argument of a Concat is computed where it belongs
// in the result, so that joining costs nothing, unless it is the network's
// input or belongs to another Concat already. Values whose lives do not
// overlap share memory.
func place(net *ir.Net) *layout {
	l := &layout{offset: make([]int, len(net.Values)), copies: make([][]int, len(net.Steps))}
	parent, inner := make([]int, len(net.Values)), make([]int, len(net.Values))
	for v := range parent {
		parent[v] = -1
	}
	for s := range net.Steps {
		step := &net.Steps[s]
		if step.Kind != ir.Concat {
			continue
		}
		at := 0
		for i, v := range step.In {
			if v != net.Input && parent[v] < 0 {
				parent[v], inner[v] = step.Out, at
			} else {
				l.copies[s] = append(l.copies[s], i)
			}
			at += net.Values[v].Size()
		}
	}
	root := func(v int) (int, int) {
		at := 0
		for parent[v] >= 0 {
			at += inner[v]
			v = parent[v]
		}
		return v, at
	}
	homes := lives(net, func(v int) int { r, _ := root(v); return r })
	l.arena = pack(homes)
	base := make([]int, len(net.Values))
	for _, h := range homes {
		base[h.value] = h.at
	}
	for v := range l.offset {
		r, at := root(v)
		l.offset[v] = base[r] + at
	}
	l.offset[net.Input] = -1
	return l
}

// life is the memory of one value, with those that lie inside it, and the
// steps from the first that writes to the last that reads it.
type life struct {
	value, size, at int
	first, last     int
}

func lives(net *ir.Net, root func(int) int) []life {
	all := make([]life, len(net.Values))
	for v := range all {
		all[v] = life{value: v, size: net.Values[v].Size(), first: len(net.Steps), last: -1}
	}
	touch := func(v, step int) {
		h := &all[root(v)]
		h.first, h.last = min(h.first, step), max(h.last, step)
	}
	for s := range net.Steps {
		touch(net.Steps[s].Out, s)
		for _, v := range net.Steps[s].In {
			touch(v, s)
		}
	}
	for _, v := range net.Outputs {
		touch(v, len(net.Steps))
	}
	return slices.DeleteFunc(all, func(h life) bool {
		return h.value == net.Input || h.last < 0 || root(h.value) != h.value
	})
}

// pack gives each life its place, the largest first, each as low as those that
// live at the same time allow, and returns the size of the arena.
func pack(homes []life) int {
	slices.SortStableFunc(homes, func(a, b life) int { return cmp.Compare(b.size, a.size) })
	arena := 0
	for i := range homes {
		h := &homes[i]
		var taken []life
		for _, o := range homes[:i] {
			if o.first <= h.last && h.first <= o.last {
				taken = append(taken, o)
			}
		}
		slices.SortFunc(taken, func(a, b life) int { return cmp.Compare(a.at, b.at) })
		for _, o := range taken {
			if o.at >= h.at+h.size {
				break
			}
			h.at = max(h.at, (o.at+o.size+align-1)/align*align)
		}
		arena = max(arena, h.at+h.size)
	}
	return arena
}
