package plain

import (
	"math/rand/v2"
	"testing"

	"github.com/c236555e/rehead/nn/internal/ir"
)

// randomNet is a chain with branches and concatenations; only its structure
// matters here.
func randomNet(rng *rand.Rand) *ir.Net {
	net := &ir.Net{Values: []ir.Value{{Name: "input", Shape: []int{1 + rng.IntN(5), 3, 2}}}}
	for range 3 + rng.IntN(25) {
		s := ir.Step{Kind: ir.Conv, Out: len(net.Values), In: []int{rng.IntN(len(net.Values))}}
		c := 1 + rng.IntN(9)
		if rng.IntN(3) == 0 {
			s.Kind, c = ir.Concat, 0
			for range rng.IntN(4) {
				s.In = append(s.In, rng.IntN(len(net.Values)))
			}
			for _, v := range s.In {
				c += net.Values[v].Shape[0]
			}
		}
		net.Values = append(net.Values, ir.Value{Shape: []int{c, 3, 2}})
		net.Steps = append(net.Steps, s)
	}
	for range 1 + rng.IntN(3) {
		net.Outputs = append(net.Outputs, rng.IntN(len(net.Values)))
	}
	return net
}

// TestPlace replays the steps on a memory of labels: whatever a step reads must
// still be what was written for it.
func TestPlace(t *testing.T) {
	type label struct{ value, at int }
	for seed := range uint64(300) {
		net := randomNet(rand.New(rand.NewPCG(seed, 1)))
		l := place(net)
		arena := make([]label, l.arena)
		read := func(v int) []label {
			size := net.Values[v].Size()
			if v == net.Input {
				mine := make([]label, size)
				for i := range mine {
					mine[i] = label{v, i}
				}
				return mine
			}
			return arena[l.offset[v]:][:size]
		}
		// holds maps each value to the labels it must have: its own, or for a
		// concatenation those of its parts.
		holds := make([][]label, len(net.Values))
		holds[net.Input] = read(net.Input)
		check := func(v int) {
			for i, got := range read(v) {
				if got != holds[v][i] {
					t.Fatalf("seed %d: value %d at %d holds %v, want %v", seed, v, i, got, holds[v][i])
				}
			}
		}
		for s, step := range net.Steps {
			for _, v := range step.In {
				check(v)
			}
			if step.Kind != ir.Concat {
				dst := read(step.Out)
				for i := range dst {
					dst[i] = label{step.Out, i}
				}
				holds[step.Out] = append([]label(nil), dst...)
				continue
			}
			at := 0
			for i, v := range step.In {
				for _, c := range l.copies[s] {
					if c == i {
						copy(read(step.Out)[at:], read(v))
					}
				}
				holds[step.Out] = append(holds[step.Out], holds[v]...)
				at += net.Values[v].Size()
			}
			check(step.Out)
		}
		for _, v := range net.Outputs {
			check(v)
		}
	}
}

// TestPlaceShares checks that a chain needs two buffers, however long it is.
func TestPlaceShares(t *testing.T) {
	net := &ir.Net{Values: []ir.Value{{Shape: []int{1, 4, 4}}}}
	for i := range 20 {
		net.Values = append(net.Values, ir.Value{Shape: []int{1, 4, 4}})
		net.Steps = append(net.Steps, ir.Step{Kind: ir.ReLU, In: []int{i}, Out: i + 1})
	}
	net.Outputs = []int{20}
	if l := place(net); l.arena != 32 {
		t.Errorf("got an arena of %d values, want 32", l.arena)
	}
}
