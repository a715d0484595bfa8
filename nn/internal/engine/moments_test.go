package engine

import (
	"context"
	"testing"

	"github.com/c236555e/rehead/nn/internal/device"
	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/ref"
)

// momentNet is three convolutions with the moments of each, outputs 1 to 3 beside the average of
// the last; its blocks are outputs too.
func momentNet() (*maker, []int) {
	m := newMaker(3, 3, 13, 11)
	x := m.net.Input
	var blocks, moments []int
	for _, c := range []int{40, 17, 64} {
		x = m.exact(x, c, same(3, 3))
		m.net.Steps[len(m.net.Steps)-1].ReLU = true
		blocks = append(blocks, x)
		moments = append(moments, m.step(ir.Step{Kind: ir.Moments, In: []int{x}}, ir.MomentRuns*c))
	}
	mean := m.step(ir.Step{Kind: ir.GlobalAvgPool, In: []int{x}}, 64)
	m.net.Outputs = append(append([]int{mean}, moments...), blocks...)
	return m, m.net.Outputs
}

// TestUnwantedCostNothing: what only an output needs that is not wanted is not computed, and does
// not count when work is divided.
func TestUnwantedCostNothing(t *testing.T) {
	m, outputs := momentNet()
	e, err := Compile(m.net, device.Config{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	tasks := func(out [][]float32) int {
		e.load(0, 1, 3*13*11, uniform(1, 3*13*11), out)
		defer clear(e.images)
		n := 0
		e.team.begin()
		defer e.team.end()
		for _, r := range e.plan.regions {
			e.runRegion(r)
			n += len(e.tasks)
			if from, to := e.boundary(0), e.boundary(2); from != 0 || to != e.units() {
				t.Errorf("the units of a region go from %d to %d, want 0 to %d", from, to, e.units())
			}
		}
		return n
	}
	out := make([][]float32, len(outputs))
	out[0] = make([]float32, 64)
	bare := tasks(out)
	out[2] = make([]float32, m.net.Values[outputs[2]].Size())
	if got := tasks(out); got != bare+1 { // the moments, written where they are wanted
		t.Errorf("moments of one block take %d tasks more, want 1", got-bare)
	}
}

// units is the number of units of the current region.
func (e *Executor) units() int {
	n := 0
	for _, t := range e.tasks {
		n += t.parts * len(e.images)
	}
	return n
}

// TestByteMomentsOfNetwork compares the moments of a network of bytes with those of its own blocks.
func TestByteMomentsOfNetwork(t *testing.T) {
	m, outputs := momentNet()
	in := uniform(5, 3*13*11)
	e, err := Compile(m.net, device.Config{Threads: 2, Ranges: rangesOf(t, m.net, in)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	out := make([][]float32, len(outputs))
	for i, o := range outputs {
		out[i] = make([]float32, m.net.Values[o].Size())
	}
	if err := e.Run(context.Background(), 1, in, out); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		s := m.net.Values[outputs[4+i]].Shape
		want := make([]float32, ir.MomentRuns*s[0])
		ref.Moments(want, out[4+i], ref.Image{N: 1, C: s[0], H: s[1], W: s[2]})
		if d := distance(out[1+i], want); !(d <= 1e-6) {
			t.Errorf("moments of block %d are off by %.2g of their norm", i, d)
		}
	}
	if d := distance(out[3][:64], out[0]); !(d <= 1e-6) {
		t.Errorf("the last block's mean is off by %.2g of the average", d)
	}
}
