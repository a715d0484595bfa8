package cuda

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/c236555e/rehead/nn/cuda/internal/kernels"
	"github.com/c236555e/rehead/nn/internal/arena"
	"github.com/c236555e/rehead/nn/internal/device"
	"github.com/c236555e/rehead/nn/internal/ir"
)

// plan is a network made ready for a GPU, whichever it is and wherever its memory lies. It is
// read-only.
type plan struct {
	precision kernels.Precision
	values    []*value
	tasks     []task
	constants []byte // weights and tables, uploaded once
	arena     int    // bytes of an image
	input     int    // floats of an image
	inputs    int    // the value that the caller feeds
	levels    levels // of its channels
	outputs   []output
	processor int // the number of the GPU's multiprocessors, which decides the tiles
}

// task is one launch.
type task struct {
	name   string
	module string // of which its kernel is
	reads  []int  // values
	writes int
	launch func(b batch) kernels.Launch
}

// batch is a number of images, and where on the GPU everything is.
type batch struct {
	n                         int
	arena, constants, in, out uint64
	bytes                     bool // in has bytes, which stand for levels
}

// output is one of the values that are handed back.
type output struct {
	value  int
	floats int // of an image
	before int // floats of an image of the outputs before it
	lanes  int // the table of its lanes, among the constants
}

// newPlan plans net, whose input's values may be of levels.
func newPlan(net *ir.Net, precision kernels.Precision, multiprocessors int, of levels) (*plan, error) {
	p := &plan{precision: precision, inputs: net.Input, input: net.Values[net.Input].Size(), processor: multiprocessors}
	values, copies, err := layOut(net, precision.Size)
	if err != nil {
		return nil, err
	}
	p.values = values
	if len(of) == values[net.Input].c {
		p.levels = of
	}
	p.unpack()
	for _, s := range net.Steps {
		if err := p.step(s, copies); err != nil {
			return nil, fmt.Errorf("cuda: step %q: %w", s.Name, err)
		}
	}
	before := 0
	for _, v := range net.Outputs {
		o := output{value: v, floats: net.Values[v].Size(), before: before}
		o.lanes = p.table(values[v].lanes)
		before += o.floats
		p.outputs = append(p.outputs, o)
	}
	p.place()
	return p, nil
}

// place gives every buffer its place in the arena. Tasks run one after the other.
func (p *plan) place() {
	var all []*arena.Buffer
	for at, t := range p.tasks {
		for _, v := range append(slices.Clone(t.reads), t.writes) {
			b := p.values[v].buf
			if b.First < 0 {
				b.First = at
				all = append(all, &b.Buffer)
			}
			b.Last = at
		}
	}
	for _, o := range p.outputs {
		p.values[o.value].buf.Last = len(p.tasks)
	}
	p.arena = arena.Place(all)
}

// at is where a value of a batch begins.
func (p *plan) at(b batch, v *value) uint64 {
	return b.arena + uint64(v.buf.At*b.n+v.first*v.buf.element)
}

// constant adds bytes to the constants and returns where they are.
func (p *plan) constant(data []byte) int {
	const alignment = 256
	at := roundUp(len(p.constants), alignment)
	p.constants = append(slices.Grow(p.constants, at+len(data)-len(p.constants))[:at], data...)
	return at
}

// table adds lanes to the constants.
func (p *plan) table(lanes []int) int {
	var data []byte
	for _, l := range lanes {
		data = binary.LittleEndian.AppendUint32(data, uint32(l))
	}
	return p.constant(data)
}

// floats adds numbers to the constants, each at its lane of span.
func (p *plan) floats(numbers []float32, lanes []int, span int) int {
	return p.constant(float32s(spread(numbers, 1, lanes, span)))
}

func float32s(numbers []float32) []byte {
	data, _ := kernels.Precisions()[0].Append(nil, numbers...) // float32 has them all
	return data
}

// spread turns rows of taps numbers a channel, [rows,C,taps], into [rows,taps,span], each channel at
// its lane and zeros elsewhere.
func spread(numbers []float32, taps int, lanes []int, span int) []float32 {
	rows := len(numbers) / (len(lanes) * taps)
	to := make([]float32, rows*taps*span)
	for r := range rows {
		for c, lane := range lanes {
			for t := range taps {
				to[(r*taps+t)*span+lane] = numbers[(r*len(lanes)+c)*taps+t]
			}
		}
	}
	return to
}

// needed lists the tasks that lead to the wanted outputs, in order.
func (p *plan) needed(wanted []bool) []task {
	need := make([]bool, len(p.values))
	for i, o := range p.outputs {
		need[o.value] = need[o.value] || wanted[i] && o.value != p.inputs
	}
	var list []task
	for i := len(p.tasks) - 1; i >= 0; i-- {
		if t := p.tasks[i]; need[t.writes] {
			for _, v := range t.reads {
				need[v] = true
			}
			list = append(list, t)
		}
	}
	slices.Reverse(list)
	return list
}

// pack is the launch that hands output i of a batch back.
func (p *plan) pack(b batch, i int) (module string, l kernels.Launch) {
	o := p.outputs[i]
	v := p.values[o.value]
	return p.module(v), kernels.Pack{
		X: p.at(b, v), Lanes: b.constants + uint64(o.lanes), Y: b.out + uint64(b.n*o.before*4), N: int32(b.n), C: int32(v.c),
		Area: int32(v.area()), LDX: int32(v.buf.lanes),
	}.Launch()
}

// module is the one whose kernels read and write a value.
func (p *plan) module(v *value) string {
	if v.vector {
		return device.Float32
	}
	return p.precision.Store
}
