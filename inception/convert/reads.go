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
	readsMean       reads = iota // the bottleneck
	readsMaximum                 // global max pooling
	readsCells                   // all of it, channels last
	readsChannels                // all of it, channels first
	readsBoth                    // its mean, then its maximum
	readsBothTurned              // its maximum, then its mean
	readsSum                     // the sum of the two
)

// classify gives weights, whose recipe is known, the head.
func (src *source) classify(w *inception.Weights) {
	switch {
	case src.headErr != nil:
		return
	case src.reads == readsMaximum:
		w.Reads = inception.LastMaximum()
	case src.reads >= readsBoth:
		w.Reads = inception.LastMeanMaximum()
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
	if src.reads == readsBothTurned {
		at := make([]int, features)
		for i := range at {
			at[i] = (i + features/2) % features
		}
		return at
	}
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

// reordered are values in another order: for each, its place in v; a nil order is theirs.
func reordered[T any](v []T, order []int) []T {
	if order == nil {
		return v
	}
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

// both returns what a head behind an average and a maximum of the last block reads, joined in either order or
// added, and the node where they meet; nil where they do not.
func (w *walker) both(average *graph.Node) (reads, *graph.Node, error) {
	var highest *graph.Node
	for _, n := range w.readers(average.Inputs[0]) {
		if w.maximum(n) {
			highest = n
		}
	}
	if highest == nil {
		return readsMean, nil, nil
	}
	mean, meets, flat := w.alone(average)
	most, other, flat2 := w.alone(highest)
	if meets == nil || meets != other {
		return readsMean, nil, nil
	}
	switch in := meets.Inputs; {
	case w.d.kind(meets) == opConcat && w.joins(meets, flat && flat2):
		switch in = slices.DeleteFunc(slices.Clone(in), func(v string) bool { return w.g.Consts[v] != nil }); {
		case slices.Equal(in, []string{mean, most}):
			return readsBoth, meets, nil
		case slices.Equal(in, []string{most, mean}):
			return readsBothTurned, meets, nil
		}
	case (meets.Op == "Add" || meets.Op == "AddV2") && len(in) == 2:
		return readsSum, meets, nil
	}
	return readsMean, nil, fmt.Errorf("%v joins the average and the maximum of its last block in a way that is not read",
		meets)
}

// alone follows a pool through what only drops axes: the value behind that, what reads it, and whether an axis was
// dropped.
func (w *walker) alone(n *graph.Node) (v string, reader *graph.Node, flat bool) {
	flat = n.Op == "ReduceMean" && n.Attrs["keepdims"].Int == 0 && len(n.Attrs) > 0
	for range 8 {
		if len(w.outputs[n]) != 1 {
			return "", nil, false
		}
		v = w.outputs[n][0]
		readers := w.readers(v)
		if len(readers) != 1 {
			return "", nil, false
		}
		kind := w.d.kind(readers[0])
		if kind != opPass && kind != opFlatten {
			return v, readers[0], flat
		}
		n, flat = readers[0], flat || kind == opFlatten
	}
	return "", nil, false
}

// joins reports whether a concatenation of two pools' channels puts one behind the other. Where channels come last,
// any axis does; else it has to be the second, or the last where the others are gone.
func (w *walker) joins(n *graph.Node, flat bool) bool {
	if w.d.layout() == hwio {
		return true
	}
	axis := n.Attrs["axis"].Int
	return axis == 1 || axis == -3 && !flat || axis == -1 && flat
}

// maximum reports whether a node takes the maximum over height and width.
func (w *walker) maximum(n *graph.Node) bool {
	axes := n.Attrs["axes"].Ints
	if len(n.Inputs) > 1 {
		if k := w.constant(n.Inputs[1]); k != nil {
			axes = k.Ints
		}
	}
	height := int64(2)
	if w.d.layout() == hwio {
		height = 1
	}
	switch n.Op {
	case "GlobalMaxPool":
		return true
	case "MaxPool": // over all of it, as PyTorch's exporter writes an adaptive one
		p, err := w.d.pool(w.matcher, n)
		return err == nil && w.side > 0 && p.kernel == [2]int{w.side, w.side} && p.pad == [4]int{}
	case "Max", "ReduceMax":
		return plane(axes, height)
	}
	return false
}

// plane reports whether axes of four are height, whose number is given, and width, in any order and counted from
// either end.
func plane(axes []int64, height int64) bool {
	if len(axes) != 2 {
		return false
	}
	a, b := (axes[0]+4)%4, (axes[1]+4)%4
	return axes[0] >= -4 && axes[1] >= -4 && min(a, b) == height && max(a, b) == height+1 && max(axes[0], axes[1]) < 4
}
