package cuda

import (
	"fmt"

	"github.com/c236555e/rehead/nn/cuda/internal/kernels"
	"github.com/c236555e/rehead/nn/internal/arena"
	"github.com/c236555e/rehead/nn/internal/ir"
)

// value is where one value of the network lives.
type value struct {
	name    string
	c, h, w int // logical extents; a vector is [C,1,1]
	vector  bool
	lanes   []int // its channels' lanes, counted from its first
	buf     *buffer
	first   int // its first lane in buf
}

// span returns the number of lanes that the value takes, whole groups.
func (v *value) span() int { return roundUp(v.lanes[len(v.lanes)-1]+1, kernels.Lanes) }

func (v *value) area() int { return v.h * v.w }

// buffer is one allocation: a value, or a concatenation together with its parts. Its place and size
// are those of one image, in bytes; n images take n times as much, and lie one behind the other.
type buffer struct {
	arena.Buffer
	lanes   int
	element int // bytes
	h, w    int
}

// imageAlignment is what every buffer begins at a multiple of.
const imageAlignment = 512

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// copyStep copies a value to the lanes of buffer to that begin with first.
type copyStep struct{ from, to, first int }

// layOut gives every value its lanes and its buffer. It returns the parts of concatenations that
// cannot be written in place: they must be copied.
func layOut(net *ir.Net, element int) (values []*value, copies []copyStep, err error) {
	for _, v := range net.Values {
		n := &value{name: v.Name, c: v.Shape[0], h: 1, w: 1}
		switch len(v.Shape) {
		case 1:
			n.vector = true
		case 3:
			n.h, n.w = v.Shape[1], v.Shape[2]
		default:
			return nil, nil, fmt.Errorf("cuda: value %q: got shape %v, want [C,H,W] or [F]", v.Name, v.Shape)
		}
		values = append(values, n)
	}
	values[net.Input].lanes = count(values[net.Input].c)
	for _, s := range net.Steps {
		out, in := values[s.Out], values[s.In[0]]
		switch s.Kind {
		case ir.Conv, ir.Dense:
			out.lanes = count(out.c)
		case ir.Concat:
			start := 0
			for _, i := range s.In {
				out.lanes = append(out.lanes, shifted(values[i].lanes, start)...)
				start += values[i].span()
			}
		case ir.Moments:
			for run := range ir.MomentRuns {
				out.lanes = append(out.lanes, shifted(in.lanes, run*in.span())...)
			}
		default:
			out.lanes = in.lanes
		}
	}
	// Backwards, so that a concatenation inside another is placed by it.
	for i := len(net.Steps) - 1; i >= 0; i-- {
		if s := net.Steps[i]; s.Kind == ir.Concat {
			values[s.Out].place(element)
			first := values[s.Out].first
			for _, i := range s.In {
				if part := values[i]; part.buf == nil {
					part.buf, part.first = values[s.Out].buf, first
				} else {
					copies = append(copies, copyStep{from: i, to: s.Out, first: first})
				}
				first += values[i].span()
			}
		}
	}
	for _, v := range values {
		if v.lanes != nil {
			v.place(element)
		}
	}
	return values, copies, nil
}

// place gives v a buffer of its own if it has none.
func (v *value) place(element int) {
	if v.buf != nil {
		return
	}
	if v.vector {
		element = 4
	}
	v.buf = &buffer{lanes: v.span(), element: element, h: v.h, w: v.w}
	v.buf.First = -1
	v.buf.Size = roundUp(v.area()*v.buf.lanes*element, imageAlignment)
}

func count(n int) []int {
	lanes := make([]int, n)
	for i := range lanes {
		lanes[i] = i
	}
	return lanes
}

func shifted(lanes []int, by int) []int {
	moved := make([]int, len(lanes))
	for i, l := range lanes {
		moved[i] = l + by
	}
	return moved
}
