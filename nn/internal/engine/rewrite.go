package engine

import (
	"slices"

	"github.com/c236555e/rehead/nn/internal/ir"
)

// unpack is a step of the engine's own: the network's input, [C,H,W], into the
// blocked layout.
const unpack ir.Kind = 200

// rewrite returns the network's steps and values in the form that is planned:
//
//   - an average pool that only feeds a 1x1 convolution with fewer outputs than
//     inputs is moved behind it, where the bias and ReLU follow; both are linear,
//     so the result is the same but for rounding;
//   - if the input feeds anything but convolutions without padding, which read
//     it as it is, a step converts it for those.
func rewrite(net *ir.Net) (steps []ir.Step, values []ir.Value) {
	steps, values = slices.Clone(net.Steps), slices.Clone(net.Values)
	uses := make([]int, len(values))
	for _, s := range steps {
		for _, i := range s.In {
			uses[i]++
		}
	}
	for _, o := range net.Outputs {
		uses[o]++
	}
	for p := range steps {
		pool := &steps[p]
		if pool.Kind != ir.AvgPool || uses[pool.Out] != 1 {
			continue
		}
		c := slices.IndexFunc(steps, func(s ir.Step) bool { return slices.Contains(s.In, pool.Out) })
		if c < 0 || !pointwise(steps[c]) || len(steps[c].B) >= values[pool.In[0]].Shape[0] {
			continue
		}
		conv := steps[c]
		mid := len(values)
		shape := slices.Clone(values[pool.In[0]].Shape)
		shape[0] = len(conv.B)
		values = append(values, ir.Value{Name: conv.Name + " before pool", Shape: shape})
		// The convolution takes the pool's place in the order, and the pool its.
		first := conv
		first.In, first.Out, first.B, first.ReLU = pool.In, mid, nil, false
		second := *pool
		second.In, second.Out, second.B, second.ReLU = []int{mid}, conv.Out, conv.B, conv.ReLU
		steps[p], steps[c] = first, second
	}
	return unpackInput(net, steps, values)
}

// pointwise reports whether s is a 1x1 convolution of every pixel.
func pointwise(s ir.Step) bool {
	return s.Kind == ir.Conv && s.Window == (ir.Window{KH: 1, KW: 1, StrideH: 1, StrideW: 1})
}

// unpackInput adds the step that converts the input, if one is needed.
func unpackInput(net *ir.Net, steps []ir.Step, values []ir.Value) ([]ir.Step, []ir.Value) {
	blocked := -1
	for i := range steps {
		s := &steps[i]
		if !slices.Contains(s.In, net.Input) || planar(*s) {
			continue
		}
		if blocked < 0 {
			blocked = len(values)
			v := values[net.Input]
			v.Name += " blocked"
			values = append(values, v)
		}
		s.In = slices.Clone(s.In)
		for j := range s.In {
			if s.In[j] == net.Input {
				s.In[j] = blocked
			}
		}
	}
	if blocked >= 0 {
		first := ir.Step{Kind: unpack, Name: values[blocked].Name, In: []int{net.Input}, Out: blocked}
		steps = slices.Insert(steps, 0, first)
	}
	return steps, values
}

// planar reports whether s can read the network's input as the caller gave it.
func planar(s ir.Step) bool {
	w := s.Window
	return s.Kind == ir.Conv && w.Top == 0 && w.Bottom == 0 && w.Left == 0 && w.Right == 0
}
