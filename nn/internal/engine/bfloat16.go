package engine

import (
	"fmt"
	"slices"

	"github.com/c236555e/rehead/nn/internal/device"
	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/kernel"
)

// A network of bfloat16 computes what one of float32 does, with every [C,H,W] value but the input, and
// what convolves the input where only Winograd's tiles read that, rounded to bfloat16, and the weights
// that are multiplied as they are, which Winograd's and those of the planar input are not; sums and
// vectors are float32. Kernels that store bfloat16 take two channels a word. Sets without them store
// float32 and round what a convolution or a mean gives in a step of its own: slower, and with assembly
// the same bits, as lanes change places so that sums are taken in the same order.

// A format is how activations are stored.
type format uint8

const (
	floats  format = iota // float32
	pairs                 // bfloat16, two channels a word
	rounded               // float32 that bfloat16 can hold
	octets                // bytes
)

// formatOf returns the format of a network that is compiled like that.
func formatOf(set kernel.Set, cfg device.Config) format {
	switch {
	case cfg.Ranges != nil:
		return octets
	case cfg.BFloat16 && set.Pairs():
		return pairs
	case cfg.BFloat16:
		return rounded
	}
	return floats
}

// channels is the number of channels of a word.
func (f format) channels() int {
	switch f {
	case octets:
		return kernel.WordChannels
	case pairs:
		return kernel.PairChannels
	}
	return 1
}

// changePlaces returns the lanes with those of a pair the other way round.
func changePlaces(lanes []int) []int {
	changed := make([]int, len(lanes))
	for c, lane := range lanes {
		changed[c] = kernel.PairLane(lane)
	}
	return changed
}

// round is a step of the engine's own: a value as bfloat16 has it.
const round ir.Kind = 202

// rewriteBFloat16 returns the network's steps and values as rewrite does, with steps that round where
// kernels do not, and the values that stay float32, or an error that names the first step that bfloat16
// cannot do.
func rewriteBFloat16(net *ir.Net, cfg device.Config, rounds bool) ([]ir.Step, []ir.Value, []bool, error) {
	before, values := rewrite(net)
	whole := wholeValues(net, before, values, cfg.Lean)
	var steps []ir.Step
	for _, s := range before {
		out := values[s.Out]
		if len(out.Shape) == 3 && (s.Kind == ir.Affine || s.Kind == ir.ReLU || s.Kind == ir.Softmax) {
			return nil, nil, nil, fmt.Errorf("engine: bfloat16: step %q: got a %v that no convolution took into itself: "+
				"compile it with float32", s.Name, s.Kind)
		}
		exact := s.Kind == ir.MaxPool || s.Kind == ir.Concat || len(out.Shape) != 3 || whole[s.Out]
		if !rounds || exact {
			steps = append(steps, s)
			continue
		}
		last := ir.Step{Kind: round, Name: s.Name, In: []int{len(values)}, Out: s.Out}
		values = append(values, ir.Value{Name: out.Name + " before rounding", Shape: out.Shape})
		s.Out = len(values) - 1
		steps = append(steps, s, last)
	}
	return steps, values, whole, nil
}

// wholeValues says which values of a network of bfloat16 stay float32: what a convolution of the input
// gives, where nothing but Winograd's convolutions of two dimensions read it, which transform it as
// float32. Few channels average out no errors, and all that follows is made from these: rounding them
// moved the results of photographs by 0.009 of their norm, more than all weights together.
func wholeValues(net *ir.Net, steps []ir.Step, values []ir.Value, lean bool) []bool {
	whole := make([]bool, len(values))
	for _, s := range steps {
		whole[s.Out] = s.Kind == ir.Conv && s.In[0] == net.Input && !slices.Contains(net.Outputs, s.Out)
	}
	for _, s := range steps {
		in, out, w := values[s.In[0]].Shape, values[s.Out].Shape, s.Window
		if s.Kind == ir.Conv && w.KH > 1 && w.KW > 1 {
			spec := wanted{ins: in[0], outs: out[0], alike: true, lean: lean, Spec: kernel.Spec{
				In: kernel.Tensor{H: in[1], W: in[2]}, Out: kernel.Tensor{H: out[1], W: out[2]},
				KH: w.KH, KW: w.KW, StrideH: w.StrideH, StrideW: w.StrideW, PadTop: w.Top, PadLeft: w.Left}}
			if _, fast := tiling(kernel.Ref, &spec); fast {
				continue
			}
		}
		for _, v := range s.In {
			whole[v] = false
		}
	}
	return whole
}

// round adds the rounding of a value.
func (p *planner) round(s ir.Step, t *task) {
	set, from, to := p.set, p.values[s.In[0]].tensor(), p.values[s.Out].tensor()
	t.divide("round to bfloat16", kernel.Blocks(from.C), p.values[s.Out], func(im image, first, end int) {
		kernel.RoundBFloat16(set, im.arena, to, im.arena, from, first, end)
	})
}

// unpackStep makes t convert the network's input.
func (p *planner) unpackStep(out *value, t *task) {
	to, lanes := out.tensor(), slices.Clone(out.lanes)
	t.algorithm = "convert"
	if p.format == pairs {
		t.run = func(im image, _ int, _ []float32) { kernel.UnpackPairs(im.arena, to, im.in, len(lanes)) }
		return
	}
	t.run = func(im image, _ int, _ []float32) { kernel.Unpack(im.arena, to, im.in, lanes) }
}

// meanPairs makes t average over all pixels.
func (p *planner) meanPairs(s ir.Step, t *task) {
	in, out := p.values[s.In[0]], p.values[s.Out].tensor()
	from := in.tensor()
	t.divide("bfloat16 mean", kernel.Blocks(from.C), in, func(im image, first, end int) {
		kernel.MeanPairs(im.arena, out, im.arena, from, first, end)
	})
}

// spread16 gives weights and bias a row for each lane of the output.
func spread16(spec *wanted, out *value) {
	lanes := out.words() * out.per
	each := len(spec.Filter) / out.c
	filter, bias := make([]float32, lanes*each), make([]float32, lanes)
	for c, lane := range out.lanes {
		copy(filter[lane*each:][:each], spec.Filter[c*each:])
		if spec.Bias != nil {
			bias[lane] = spec.Bias[c]
		}
	}
	spec.Filter, spec.Bias = filter, bias
}
