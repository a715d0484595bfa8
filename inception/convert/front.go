package convert

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
)

// front is what a file computes in front of the first convolution: y = scale x + shift of its own
// input x, for R, G and B as the network sees them; nil slices are 1 and 0.
type front struct {
	affine
	input  string // the graph's own
	resize bool   // it is resized in the file
	pixels bool   // the input is known to be 0..255: its type is uint8, or a picture is decoded
	err    error  // why it could not be read
}

var errFront = errors.New("say with --mean R,G,B --std R,G,B (in 0..255) what the network itself wants")

// front reads the graph in front of the first convolution.
func (m *matcher) front() *front {
	f := &front{}
	f.err = m.before(m.first, &f.affine, f, 0)
	if f.err != nil {
		f.err = fmt.Errorf("%w: %w", f.err, errFront)
	}
	return f
}

// resizers and decoders are operators that stand between a picture and its pixels.
var (
	resizers = map[string]bool{"ResizeBilinear": true, "ResizeNearestNeighbor": true, "ResizeBicubic": true,
		"Resize": true, "Upsample": true, "Placeholder": true}
	decoders = map[string]bool{"DecodeJpeg": true, "DecodePng": true, "DecodeImage": true, "DecodeBmp": true}
)

// before walks from a value to the graph's input and puts what it finds in front of a.
func (m *matcher) before(v string, a *affine, f *front, depth int) error {
	for range 64 {
		n := m.g.By[v]
		if n == nil || len(n.Inputs) == 0 || decoders[n.Op] {
			f.input, f.pixels = v, f.pixels || n != nil && decoders[n.Op] || m.g.Bytes[v]
			return nil
		}
		var err error
		switch kind := m.d.kind(n); {
		case kind == opPass || kind == opFlatten || resizers[n.Op] || n.Op == "Transpose":
			v, f.resize = n.Inputs[0], f.resize || resizers[n.Op]
		case kind == opAffine:
			v, err = m.d.affine(m, n, a)
		case n.Op == "Gather" || n.Op == "GatherV2" || n.Op == "GatherND" || n.Op == "ReverseV2" || n.Op == "Slice" ||
			n.Op == "StridedSlice":
			v, err = m.reordered(n, a)
		case kind == opConcat && depth == 0:
			v, err = m.perChannel(n, a)
		default:
			err = errors.New("stands in front of the network and is not arithmetic on channels")
		}
		if err != nil {
			return fmt.Errorf("%v: %w", n, err)
		}
	}
	return errors.New("more than 64 operators stand in front of the network")
}

// reordered reads a node that turns the order of the channels round.
func (m *matcher) reordered(n *graph.Node, a *affine) (string, error) {
	reversed := n.Op == "ReverseV2"
	if !reversed {
		for _, in := range n.Inputs[1:] {
			if k := m.constant(in); k != nil && slices.Equal(k.Ints, []int64{2, 1, 0}) {
				reversed = true
			}
		}
	}
	if !reversed {
		return "", errors.New("picks channels or pixels in a way that rehead does not follow")
	}
	slices.Reverse(a.scale)
	slices.Reverse(a.shift)
	return n.Inputs[0], nil
}

// perChannel reads three channels that are picked, scaled and shifted one by one and joined again,
// as torchvision's transform_input does.
func (m *matcher) perChannel(n *graph.Node, a *affine) (string, error) {
	inputs, err := m.d.concat(m, n)
	if err == nil && len(inputs) != 3 {
		err = fmt.Errorf("joins %d values, want three channels", len(inputs))
	}
	if err != nil {
		return "", err
	}
	scale, shift, from := make([]float64, 3), make([]float64, 3), ""
	for c, v := range inputs {
		one := &affine{}
		source, channel := m.channel(v, one)
		if channel != int64(c) || c > 0 && source != from || len(one.scale) > 1 || len(one.shift) > 1 {
			return "", errors.New("joins what are not the three channels, each scaled by constants")
		}
		from, scale[c], shift[c] = source, 1, 0
		if len(one.scale) == 1 {
			scale[c] = one.scale[0]
		}
		if len(one.shift) == 1 {
			shift[c] = one.shift[0]
		}
	}
	return from, a.before(scale, shift)
}

// channel follows a value to the node that picks one channel, and returns what it picks from and
// which; -1 when it finds none.
func (m *matcher) channel(v string, a *affine) (string, int64) {
	for range 16 {
		n := m.g.By[v]
		if n == nil || len(n.Inputs) == 0 {
			return "", -1
		}
		switch kind := m.d.kind(n); {
		case n.Op == "Gather" || n.Op == "Slice":
			if len(n.Inputs) > 1 {
				if k := m.constant(n.Inputs[1]); k != nil && len(k.Ints) == 1 {
					return n.Inputs[0], k.Ints[0]
				}
			}
			return "", -1
		case kind == opPass || kind == opFlatten:
			v = n.Inputs[0]
		case kind == opAffine:
			var err error
			if v, err = m.d.affine(m, n, a); err != nil {
				return "", -1
			}
		default:
			return "", -1
		}
	}
	return "", -1
}

// What people feed networks with: pixels as they are, 0..1, and ImageNet's mean and deviation.
var (
	imagenetMean = [3]float64{0.485 * 255, 0.456 * 255, 0.406 * 255}
	imagenetStd  = [3]float64{0.229 * 255, 0.224 * 255, 0.225 * 255}
)

// scaling turns what a file computes into a recipe's mean and deviation, for pixels of 0..255. What
// the file's own input is, is told from the numbers: the trunk must end up with values of some
// ones.
func (f *front) scaling() (mean, std [3]float32, ok bool, err error) {
	if f == nil {
		return mean, std, false, nil
	}
	if f.err != nil {
		return mean, std, false, f.err
	}
	scale, shift := []float64{1, 1, 1}, make([]float64, 3)
	if err := f.put(scale, shift); err != nil {
		return mean, std, false, fmt.Errorf("the scaling in front of the network: %w: %w", err, errFront)
	}
	identity := true
	for c := range 3 {
		identity = identity && scale[c] == 1 && shift[c] == 0
	}
	if identity && !f.pixels {
		return mean, std, false, nil
	}
	unit, offset, err := f.takes(scale, shift)
	if err != nil {
		return mean, std, false, err
	}
	for c := range 3 { // net = scale (unit pixel + offset) + shift
		s := 1 / (scale[c] * unit[c])
		std[c], mean[c] = tidy(s), tidy(-(scale[c]*offset[c]+shift[c])*s)
		if !(std[c] > 0) {
			return mean, std, false, fmt.Errorf("the scaling in front of the network turns channel %d round: %w", c, errFront)
		}
	}
	return mean, std, true, nil
}

// takes tells what the file's input is, in terms of pixels.
func (f *front) takes(scale, shift []float64) (unit, offset [3]float64, err error) {
	transform, pixels, ones, raw := true, true, true, true
	for c := range 3 {
		s, t := scale[c], shift[c]
		transform = transform && math.Abs(s-imagenetStd[c]/127.5) < 1e-3 && math.Abs(t-(imagenetMean[c]/127.5-1)) < 1e-3
		pixels = pixels && s*255 >= 0.4 && s*255 <= 20 && math.Abs(t) <= 20
		raw = raw && s > 0.4 && s <= 20 && t <= -20 && s*255+t > 0
		ones = ones && s > 0.9 && s <= 20 && t <= 0 && s+t > 0
	}
	for c := range 3 {
		switch {
		case f.pixels || pixels || raw:
			unit[c] = 1
		case transform:
			unit[c], offset[c] = 1/imagenetStd[c], -imagenetMean[c]/imagenetStd[c]
		case ones:
			unit[c] = 1.0 / 255
		default:
			return unit, offset, fmt.Errorf("the file scales its input by %.4g and shifts it by %.4g, "+
				"which fits neither pixels "+
				"of 0..255 nor of 0..1: %w", scale, shift, errFront)
		}
	}
	return unit, offset, nil
}

// tidy undoes float32's rounding of a number that has three decimals.
func tidy(v float64) float32 {
	if v == 0 {
		return 0 // and not -0
	}
	if r := math.Round(v*1000) / 1000; math.Abs(r-v) <= 2e-6*math.Abs(v)+1e-6 {
		return float32(r)
	}
	return float32(v)
}

// prepare is the recipe of a network: its flavour's, changed by what its file says.
func (src *source) prepare(r picture.Recipe) (picture.Recipe, error) {
	if src.recipe != nil {
		r = *src.recipe
	}
	if src.size != 0 && src.size != r.Size {
		if src.size < inception.MinSize || src.size > picture.MaxSize {
			return r, fmt.Errorf("its input has %d pixels a side, want %d to %d", src.size, inception.MinSize, picture.MaxSize)
		}
		r = inception.Resized(r, src.size)
	}
	if src.given {
		return r, nil
	}
	mean, std, ok, err := src.front.scaling()
	if err != nil {
		return r, err
	}
	switch {
	case ok:
		r.Mean, r.Std = mean, std
	case src.front != nil && src.recipe == nil && src.gain < foldedGain:
		r.Mean, r.Std = [3]float32{}, [3]float32{1, 1, 1}
	case src.front != nil && src.recipe == nil && src.gain < 3*foldedGain:
		return r, fmt.Errorf("its first convolution's weights (%.2g in the root mean square) fit "+
			"neither pixels of 0..255 nor "+
			"scaled ones: %w", src.gain, errFront)
	}
	return r, nil
}

// foldedGain is the root mean square of a first convolution's weights, batch norm folded in, below
// which the network takes pixels of 0..255 as they are: converters fold a scaling in front into
// them. Those of published networks, which take -1..1, are far above 0.1, and 1/127.5 of them below
// this.
const foldedGain = 0.012

// gainOf is the root mean square of weights.
func gainOf(w []float32) float64 {
	sum := 0.0
	for _, v := range w {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(max(len(w), 1)))
}
