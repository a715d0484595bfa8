package convert

import (
	"errors"
	"fmt"
	"slices"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
)

// reads is what a head reads of the last block.
type reads uint8

const (
	readsMean     reads = iota // the bottleneck
	readsMaximum               // global max pooling
	readsCells                 // all of it, channels last
	readsChannels              // all of it, channels first
)

// classify gives weights, whose recipe is known, the head.
func (src *source) classify(w *inception.Weights) {
	switch {
	case src.headErr != nil:
		return
	case src.reads == readsMaximum:
		w.Reads = inception.LastMaximum()
	case src.reads != readsMean && src.links != nil:
		w.Reads = inception.LastCells(w.Recipe.Size)
	}
	if src.links == nil {
		return
	}
	if w.Head, src.headErr = src.chain(w.Reads.Length(w.Width), w.Reads); src.headErr != nil {
		w.Head, w.Reads = nil, nil
	}
}

// channelsLast is the order in which a head reads the last block, of values that lie as in the file:
// for each, its place there. nil: the same.
func (src *source) channelsLast(features int, f *inception.Features) []int {
	if src.reads != readsChannels {
		return nil
	}
	cells := f.Side * f.Side
	channels := features / cells
	at := make([]int, features)
	for i := range at {
		at[i] = i%channels*cells + i/channels
	}
	return at
}

// reordered are values in another order: for each, its place in v.
func reordered[T any](v []T, order []int) []T {
	out := make([]T, len(order))
	for i, at := range order {
		out[i] = v[at]
	}
	return out
}

// unpooled returns the chain behind the last block of a graph without a global average pool, and what
// its head reads: the maxima, or the block as it is.
func (w *walker) unpooled(last *graph.Node) ([]link, reads, error) {
	order := readsChannels
	if w.d.layout() == hwio {
		order = readsCells
	}
	for range 8 {
		var readers []*graph.Node
		for _, v := range w.outputs[last] {
			readers = append(readers, w.readers(v)...)
		}
		if len(readers) == 0 {
			return nil, readsMean, nil
		}
		n := readers[0]
		if len(readers) > 1 {
			return nil, readsMean, fmt.Errorf("both %v and %v read its last block: cut off all but one way to its end before "+
				"the network is saved", n, readers[1])
		}
		switch {
		case w.maximum(n):
			links, err := w.after(n)
			return links, readsMaximum, err
		case n.Op == "Reshape" || n.Op == "Flatten":
			links, err := w.after(n)
			return links, order, err
		case w.d.kind(n) == opPass:
		case n.Op == "Transpose" && w.d.layout() == oihw && order == readsChannels &&
			slices.Equal(n.Attrs["perm"].Ints, []int64{0, 2, 3, 1}):
			order = readsCells
		default:
			return nil, readsMean, fmt.Errorf("%v reads its last block, want a global average or maximum pool, or a "+
				"flattening, in front of the head", n)
		}
		last = n
	}
	return nil, readsMean, errors.New("more than 8 operators stand between its last block and its head")
}

// maximum reports whether a node takes the maximum over height and width.
func (w *walker) maximum(n *graph.Node) bool {
	axes := n.Attrs["axes"].Ints
	if len(n.Inputs) > 1 {
		if k := w.constant(n.Inputs[1]); k != nil {
			axes = k.Ints
		}
	}
	slices.Sort(axes)
	want := [][]int64{{2, 3}, {-2, -1}}
	if w.d.layout() == hwio {
		want = [][]int64{{1, 2}, {-3, -2}}
	}
	switch n.Op {
	case "GlobalMaxPool":
		return true
	case "Max", "ReduceMax":
		return slices.ContainsFunc(want, func(a []int64) bool { return slices.Equal(a, axes) })
	}
	return false
}
