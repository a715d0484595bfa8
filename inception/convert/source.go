package convert

import (
	"fmt"
	"math"
	"strconv"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/graph"
	"github.com/c236555e/rehead/inception/convert/raw"
	"github.com/c236555e/rehead/inception/safetensors"
)

// bnEps is what every published InceptionV3 adds to its variances.
const bnEps = 1e-3

// source is a network as a file has it: which tensors make up which layer.
type source struct {
	name    string // the file, for Weights.Source
	sha256  string // of the file
	what    string // the format and how it was told, for people
	flavor  inception.Flavor
	reason  string // why this flavour
	units   map[string]*unit
	fc      *classifier
	head    *graph.Node // of a graph: where the logits are made
	labels  []string
	recipe  *picture.Recipe // nil: the flavour's
	ignored []string        // tensors that inference does not use
}

// layout is the order of a weight's axes in the file.
type layout uint8

const (
	oihw layout = iota // PyTorch, ONNX
	hwio               // TensorFlow, Keras
)

// unit is one convolution with what follows it up to its ReLU.
type unit struct {
	weight raw.Tensor
	layout layout
	bias   *raw.Tensor // of the convolution itself
	norm   *norm
	after  *affine // of a graph: everything between the convolution and its ReLU, bias and norm included
}

type tensor = raw.Tensor

// norm is a batch norm at inference: y = gamma (x - mean) / sqrt(variance + eps) + beta.
type norm struct {
	gamma, beta    *raw.Tensor // nil: 1 and 0
	mean, variance *raw.Tensor
	eps            float64
}

// classifier is the dense layer behind the bottleneck.
type classifier struct {
	weight     raw.Tensor // [K,F], or [F,K] when transposed; further axes of length 1 are allowed
	transposed bool
	bias       *raw.Tensor
}

// shape is a convolution weight's shape as [O,I,KH,KW].
func (u *unit) shape() ([4]int, error) {
	s := u.weight.Shape
	if len(s) != 4 {
		return [4]int{}, tensorError(u.weight, "has shape %v, want four axes of a convolution", s)
	}
	if u.layout == hwio {
		return [4]int{s[3], s[2], s[0], s[1]}, nil
	}
	return [4]int{s[0], s[1], s[2], s[3]}, nil
}

// assemble reads, folds and checks.
func assemble(src *source) (*inception.Weights, error) {
	width, err := src.width()
	if err != nil {
		return nil, err
	}
	layers, err := inception.Layers(width, 299)
	if err != nil {
		return nil, err
	}
	tensors := make(map[string]inception.Tensor, 2*len(layers)+2)
	for _, l := range layers {
		u := src.units[l.Path]
		shape, err := u.shape()
		if err != nil {
			return nil, err
		}
		if shape != l.Shape {
			return nil, tensorError(u.weight, "has shape %v [O,I,H,W], want %v at width %g", shape, l.Shape, width)
		}
		w, b, err := u.fold(shape)
		if err != nil {
			return nil, err
		}
		tensors[l.Path+".weight"] = inception.Tensor{Shape: l.Shape[:], Data: w}
		tensors[l.Path+".bias"] = inception.Tensor{Shape: []int{shape[0]}, Data: b}
	}
	if src.fc != nil {
		if err := src.fc.add(tensors, width); err != nil {
			return nil, err
		}
	}
	w, err := inception.NewWeights(src.flavor, width, src.what+" "+src.name, tensors)
	if err != nil {
		return nil, err
	}
	w.Notes = src.notes()
	if src.recipe != nil {
		w.Recipe = *src.recipe
	}
	if len(src.labels) == w.Classes && w.Classes > 0 {
		w.Labels = src.labels
	}
	return w, nil
}

// width finds the width multiplier m that explains every convolution's channels, max(int(m*d),16),
// and fails with the name of the first that no m explains together with those before it, or that is
// missing.
func (src *source) width() (float64, error) {
	base, err := inception.Layers(1, 299)
	if err != nil {
		return 0, err
	}
	lo, hi := 0.0, math.Inf(1)
	for _, l := range base {
		u := src.units[l.Path]
		if u == nil {
			return 0, &inception.FormatError{Tensor: l.Path, Offset: -1,
				Reason: "is missing: the file holds no whole InceptionV3; fetch it again"}
		}
		s, err := u.shape()
		if err != nil {
			return 0, err
		}
		d := float64(l.Shape[0])
		l2, h2 := float64(s[0])/d, float64(s[0]+1)/d
		if s[0] == 16 {
			l2 = 0
		}
		if s[0] < 16 || l2 >= hi || h2 <= lo {
			return 0, tensorError(u.weight, "has %d output channels, want %s", s[0], channels(lo, hi, l.Shape[0]))
		}
		lo, hi = max(lo, l2), min(hi, h2)
	}
	return src.round(lo, hi, base)
}

// channels says how many channels of d fit a width multiplier in lo..hi.
func channels(lo, hi float64, d int) string {
	if math.IsInf(hi, 1) {
		return "at least 16"
	}
	a, b := max(int(lo*float64(d)), 16), max(int(math.Ceil(hi*float64(d)))-1, 16)
	if a >= b {
		return fmt.Sprintf("%d as the layers before it say", a)
	}
	return fmt.Sprintf("%d to %d as the layers before it say", a, b)
}

// round returns the shortest decimal in [lo,hi) that gives the file's channels.
func (src *source) round(lo, hi float64, base []inception.Layer) (float64, error) {
	fits := func(m float64) bool {
		if m < lo || m >= hi || m <= 0 {
			return false
		}
		for _, l := range base {
			s, err := src.units[l.Path].shape()
			if err != nil || s[0] != max(int(m*float64(l.Shape[0])), 16) {
				return false
			}
		}
		return true
	}
	if fits(1) {
		return 1, nil
	}
	for digits := 1; digits <= 9; digits++ {
		p := math.Pow(10, float64(digits))
		for k := math.Floor(hi * p); k >= math.Max(1, math.Floor(lo*p)); k-- {
			m, err := strconv.ParseFloat(strconv.FormatFloat(k/p, 'f', digits, 64), 64)
			if err == nil && fits(m) {
				return m, nil
			}
			if k < hi*p-1000 {
				break
			}
		}
	}
	for _, m := range []float64{lo, (lo + hi) / 2} {
		if fits(m) {
			return m, nil
		}
	}
	return 0, fmt.Errorf("no width multiplier gives the channels of its convolutions (tried %g to %g): "+
		"it is not an InceptionV3", lo, hi)
}

// fold reads a unit and returns weight [O,I,H,W] and bias [O] with batch norm folded in.
func (u *unit) fold(shape [4]int) (w, b []float32, err error) {
	if w, err = finite(u.weight); err != nil {
		return nil, nil, err
	}
	o := shape[0]
	if u.layout == hwio {
		w = fromHWIO(w, shape)
	}
	scale, shift := make([]float64, o), make([]float64, o)
	for i := range scale {
		scale[i] = 1
	}
	if u.bias != nil {
		bias, err := vector(u.bias, o)
		if err != nil {
			return nil, nil, err
		}
		for i, v := range bias {
			shift[i] = float64(v)
		}
	}
	if u.norm != nil {
		if err := u.norm.apply(scale, shift); err != nil {
			return nil, nil, err
		}
	}
	if u.after != nil {
		if err := u.after.put(scale, shift); err != nil {
			return nil, nil, tensorError(u.weight, "%v", err)
		}
	}
	b = make([]float32, o)
	n := len(w) / o
	for i := range b {
		b[i] = float32(shift[i])
		s := scale[i]
		if s == 1 {
			continue
		}
		row := w[i*n : (i+1)*n]
		for j, v := range row {
			row[j] = float32(float64(v) * s)
		}
	}
	if at := safetensors.NotFinite(w); at >= 0 {
		return nil, nil, tensorError(u.weight,
			"is no longer finite once batch norm is folded in (element %d of the result)", at)
	}
	if at := safetensors.NotFinite(b); at >= 0 {
		return nil, nil, tensorError(u.weight, "has a bias that is not finite once batch norm is folded in (channel %d)", at)
	}
	return w, b, nil
}

// put copies a graph's scale and shift, of which one element stands for all.
func (a *affine) put(scale, shift []float64) error {
	for i, v := range [][]float64{a.scale, a.shift} {
		dst := [][]float64{scale, shift}[i]
		if len(v) > 1 && len(v) != len(dst) {
			return fmt.Errorf("has %d channels, but %d are scaled and shifted behind it", len(dst), len(v))
		}
		for j := range dst {
			if len(v) > 0 {
				dst[j] = v[j%len(v)]
			}
		}
	}
	return nil
}

// apply puts the batch norm behind y = scale x + shift.
func (n *norm) apply(scale, shift []float64) error {
	o := len(scale)
	one := make([]float32, o)
	gamma, beta := one, make([]float32, o)
	for i := range one {
		one[i] = 1
	}
	mean, err := vector(n.mean, o)
	if err != nil {
		return err
	}
	variance, err := vector(n.variance, o)
	if err != nil {
		return err
	}
	if n.gamma != nil {
		if gamma, err = vector(n.gamma, o); err != nil {
			return err
		}
	}
	if n.beta != nil {
		if beta, err = vector(n.beta, o); err != nil {
			return err
		}
	}
	for i := range scale {
		v := float64(variance[i]) + n.eps
		if v <= 0 {
			return tensorError(*n.variance, "channel %d has variance %g, want at least 0", i, variance[i])
		}
		s := float64(gamma[i]) / math.Sqrt(v)
		scale[i] *= s
		shift[i] = (shift[i]-float64(mean[i]))*s + float64(beta[i])
	}
	return nil
}

// add puts the classifier into tensors.
func (c *classifier) add(tensors map[string]inception.Tensor, width float64) error {
	var dims []int
	for i, d := range c.weight.Shape {
		if d != 1 || i == 0 && !c.transposed {
			dims = append(dims, d)
		}
	}
	f := bottleneck(tensors)
	if len(dims) == 2 && c.transposed {
		dims[0], dims[1] = dims[1], dims[0]
	}
	if len(dims) != 2 || dims[1] != f || dims[0] < 1 {
		return tensorError(c.weight, "has shape %v, want a classifier of %d features at width %g", c.weight.Shape, f, width)
	}
	w, err := finite(c.weight)
	if err != nil {
		return err
	}
	k := dims[0]
	if c.transposed {
		t := make([]float32, len(w))
		for i := range f {
			for j := range k {
				t[j*f+i] = w[i*k+j]
			}
		}
		w = t
	}
	b := make([]float32, k)
	if c.bias != nil {
		if b, err = vector(c.bias, k); err != nil {
			return err
		}
	}
	tensors["fc.weight"] = inception.Tensor{Shape: []int{k, f}, Data: w}
	tensors["fc.bias"] = inception.Tensor{Shape: []int{k}, Data: b}
	return nil
}

// bottleneck is the number of channels of Mixed_7c.
func bottleneck(tensors map[string]inception.Tensor) int {
	n := 0
	for _, p := range []string{"branch1x1", "branch3x3_2a", "branch3x3_2b", "branch3x3dbl_3a", "branch3x3dbl_3b",
		"branch_pool"} {
		n += len(tensors["Mixed_7c."+p+".bias"].Data)
	}
	return n
}

// vector reads a tensor of n elements, whatever axes of length 1 it has.
func vector(t *raw.Tensor, n int) ([]float32, error) {
	if t.Len() != n {
		return nil, tensorError(*t, "has shape %v, want [%d]", t.Shape, n)
	}
	return finite(*t)
}

// finite reads a tensor and refuses NaN and infinities.
func finite(t raw.Tensor) ([]float32, error) {
	if _, err := raw.Elements(t.Shape); err != nil {
		return nil, tensorError(t, "%v", err)
	}
	v, err := t.Float32s()
	if err != nil {
		return nil, &inception.FormatError{Tensor: t.Name, Offset: t.Offset, Reason: "cannot be read", Err: err}
	}
	if i := safetensors.NotFinite(v); i >= 0 {
		return nil, tensorError(t, "element %d is %v, want finite numbers only", i, v[i])
	}
	return v, nil
}

// fromHWIO reorders a weight's axes from [H,W,I,O] to [O,I,H,W].
func fromHWIO(src []float32, s [4]int) []float32 {
	o, in, hw := s[0], s[1], s[2]*s[3]
	dst := make([]float32, len(src))
	for p := range hw {
		for i := range in {
			row := src[(p*in+i)*o : (p*in+i+1)*o]
			at := i*hw + p
			for k, v := range row {
				dst[k*in*hw+at] = v
			}
		}
	}
	return dst
}
