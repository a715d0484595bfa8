package engine

import (
	"fmt"
	"slices"

	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/kernel"
)

// value is where one value of the network lives.
type value struct {
	name    string
	c, h, w int     // logical extents; a vector is [C,1,1]
	per     int     // channels a word: 1 of float32, 2 of bfloat16 or 4 bytes
	lanes   []int   // its channels' lanes, counted from its first block
	buf     *buffer // the memory it is a part of; nil for the network's input
	block   int     // its first channel block there
}

// span returns the number of lanes up to the last one in use.
func (v *value) span() int { return slices.Max(v.lanes[max(0, len(v.lanes)-2):]) + 1 }

// words returns the number of words a pixel up to the last one in use.
func (v *value) words() int { return (v.span() + v.per - 1) / v.per }

// tensor describes the value inside an image's arena.
func (v *value) tensor() kernel.Tensor { return v.buf.tensor.Slice(v.block, v.words()) }

// buffer is one allocation of the arena: a value, or a concatenation together
// with its parts.
type buffer struct {
	name        string // of the value that it was made for
	words, h, w int
	thin        bool // one word a pixel
	halo        kernel.Border
	tensor      kernel.Tensor // once it is allocated
	allocated   bool
	first, last int // the regions that write it first and read it last
}

// size returns the floats of an image that b takes, rounded up so that every
// buffer starts on a cache line of its own.
func (b *buffer) size() int {
	const line = 16
	return (b.layout().Size() + line - 1) / line * line
}

// layout returns the tensor of b, at index 0.
func (b *buffer) layout() kernel.Tensor {
	if b.thin {
		return kernel.Thin(b.h, b.w, b.halo)
	}
	return kernel.Padded(b.words, b.h, b.w, b.halo)
}

// layOut gives every value its lanes and its buffer. It returns the parts of concatenations that could
// not be written in place: they must be copied. whole are those that bfloat16 leaves float32, nil for none.
func layOut(net *ir.Net, steps []ir.Step, vals []ir.Value, f format, whole []bool) (values []*value, copies []copyStep,
	err error) {
	for i, v := range vals {
		n := &value{name: v.Name, c: v.Shape[0], h: 1, w: 1, per: 1}
		if len(v.Shape) == 3 && i != net.Input && (i >= len(whole) || !whole[i]) { // vectors are float32
			n.per = f.channels()
		}
		switch len(v.Shape) {
		case 1:
		case 3:
			n.h, n.w = v.Shape[1], v.Shape[2]
		default:
			return nil, nil, fmt.Errorf("engine: value %q: got shape %v, want [C,H,W] or [F]", v.Name, v.Shape)
		}
		values = append(values, n)
	}
	values[net.Input].lanes = count(values[net.Input].c)
	for _, s := range steps {
		out := values[s.Out]
		switch s.Kind {
		case ir.Conv, unpack:
			out.lanes = count(out.c)
			if f == rounded {
				out.lanes = changePlaces(out.lanes)
			}
		case ir.Dense, ir.Softmax, ir.Moments, ir.Flatten:
			out.lanes = count(out.c)
		case ir.Concat:
			start := 0
			for _, i := range s.In {
				for _, l := range values[i].lanes {
					out.lanes = append(out.lanes, start+l)
				}
				start += kernel.Blocks(values[i].words()) * kernel.Block * out.per
			}
		default:
			out.lanes = values[s.In[0]].lanes
			if s.Kind == ir.GlobalAvgPool && f == pairs {
				out.lanes = changePlaces(out.lanes)
			}
		}
	}
	// Backwards, so that a concatenation inside another is placed by it.
	for i := len(steps) - 1; i >= 0; i-- {
		if s := steps[i]; s.Kind == ir.Concat {
			copies = append(copies, placeParts(net, values, s)...)
		}
	}
	for i, v := range values {
		if v.buf == nil && v.lanes != nil && i != net.Input {
			v.place()
		}
	}
	return values, copies, nil
}

// copyStep copies a value to channel block block of buffer to.
type copyStep struct {
	from, to, block int
}

// placeParts gives the parts of a concatenation their slice of it.
func placeParts(net *ir.Net, values []*value, s ir.Step) (copies []copyStep) {
	out := values[s.Out]
	if out.buf == nil {
		out.place()
	}
	block := 0
	for _, i := range s.In {
		part := values[i]
		if part.buf == nil && i != net.Input {
			part.buf, part.block = out.buf, out.block+block
		} else {
			copies = append(copies, copyStep{from: i, to: s.Out, block: block})
		}
		block += kernel.Blocks(part.words())
	}
	return copies
}

// place gives v a buffer of its own.
func (v *value) place() {
	v.buf = &buffer{name: v.name, words: v.words(), h: v.h, w: v.w, first: -1}
}

func count(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}
