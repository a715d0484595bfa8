package engine

import (
	"fmt"
	"slices"

	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/kernel"
	"github.com/c236555e/rehead/nn/internal/ref"
)

// Steps of small heads and nets, in plain Go and float32 alone: no network here spends its time in them.

// onlyFloats names the first step that is computed with float32 alone.
func onlyFloats(net *ir.Net, f format) error {
	if f == floats {
		return nil
	}
	for _, s := range net.Steps {
		if slices.Contains([]ir.Kind{ir.Activation, ir.Add, ir.Flatten}, s.Kind) {
			return fmt.Errorf("engine: step %q: got a %v in a network of fewer bits: compile it with float32", s.Name, s.Kind)
		}
	}
	return nil
}

// activation prepares a function of each element.
func (p *planner) activation(s ir.Step, t *task) error {
	f, ok := ref.Function(s.Function, s.Alpha)
	if !ok {
		return fmt.Errorf("engine: step %q: got function %q, want one of package ref", s.Name, s.Function)
	}
	from, to := p.values[s.In[0]].tensor(), p.values[s.Out].tensor()
	t.algorithm, t.parts = s.Function, kernel.Blocks(from.C)
	t.cost = 8 * float64(from.H*from.W*kernel.Block)
	t.run = func(im image, part int, _ []float32) {
		for y := range from.H {
			row := im.arena[from.Index(part*kernel.Block, y, 0):][:from.W*kernel.Block]
			ref.Activation(im.arena[to.Index(part*kernel.Block, y, 0):], row, f.F)
		}
	}
	return nil
}

// sum prepares the sum of several values, whose channels may be in different lanes.
func (p *planner) sum(s ir.Step, t *task) {
	first, to, lanes := p.values[s.In[0]].tensor(), p.values[s.Out].tensor(), p.values[s.Out].lanes
	others := make([]*value, 0, len(s.In)-1)
	for _, i := range s.In[1:] {
		others = append(others, p.values[i])
	}
	t.algorithm = "add"
	t.run = func(im image, _ int, _ []float32) {
		kernel.Copy(im.arena, to, im.arena, first)
		for _, v := range others {
			from := v.tensor()
			for c, lane := range lanes {
				for y := range to.H {
					row, out := im.arena[from.Index(v.lanes[c], y, 0):], im.arena[to.Index(lane, y, 0):]
					for x := range to.W {
						out[x*kernel.Block] += row[x*kernel.Block]
					}
				}
			}
		}
	}
}

// flatten prepares a vector of a [C,H,W] value.
func (p *planner) flatten(s ir.Step, t *task) {
	in, out := p.values[s.In[0]], p.values[s.Out].tensor()
	from, lanes := in.tensor(), in.lanes
	size, spare := in.c*in.h*in.w, kernel.Blocks(out.C)*kernel.Block
	t.algorithm = "flatten"
	t.run = func(im image, _ int, _ []float32) {
		dst := im.arena[out.Off:][:spare]
		kernel.Pack(dst, im.arena, from, lanes)
		clear(dst[size:])
	}
}
