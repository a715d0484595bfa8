package convert

import (
	"fmt"
	"math"
	"strconv"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
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
	fc      *classifier // a plain classifier, or none
	head    *graph.Node // of a graph: where the logits are made
	labels  []string
	own     bool // the classifier is somebody's own, whatever its number of classes
	size    int  // side of the input, 0 where the file does not say
	front   *front
	gain    float64 // of the first convolution
	rounded bool    // weights are quantised to few levels

	// Of a state dict: what stands in front of the network's names, the tensors of a classifier of
	// several layers by name, and those that lie outside the network.
	prefix  string
	layered map[string]raw.Tensor
	dense   []headLayer // of Keras's weights alone: the dense layers, in their order where that is known
	outside []raw.Tensor
	open    undecided
	given   bool     // mean and deviation are asked for
	doubts  []string // what the file does not tell, for people

	links      []link // of a graph: what follows the bottleneck when it is no plain classifier
	reads      reads  // of the last block, what links begin with
	activation inception.Activation
	bare       error           // why a chain without a last activation is not read; nil: logits of a softmax
	bareLinks  []link          // that chain
	ended      bool            // the file has a last activation
	refused    error           // why the network is of no use but for its trunk
	headErr    error           // why what follows the bottleneck could not be read
	recipe     *picture.Recipe // nil: the flavour's
	ignored    []string        // tensors that inference does not use
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
	if src.refused != nil {
		return nil, src.refused
	}
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
		if l.Path == "Conv2d_1a_3x3" {
			src.gain = gainOf(w)
		}
		tensors[l.Path+".weight"] = inception.Tensor{Shape: l.Shape[:], Data: w}
		tensors[l.Path+".bias"] = inception.Tensor{Shape: []int{shape[0]}, Data: b}
	}
	if src.fc != nil {
		if err := src.fc.add(tensors); err != nil {
			return nil, err
		}
	}
	w, err := inception.NewWeights(src.flavor, width, src.what+" "+src.name, tensors)
	if err != nil {
		return nil, err
	}
	if w.Recipe, err = src.prepare(w.Recipe); err != nil {
		return nil, err
	}
	src.classify(w)
	if w.Notes = src.facts(); w.Reads != nil {
		w.Notes["reads"] = w.Reads.String()
	}
	if n := src.outputs(); len(src.labels) == n && n > 0 && src.headErr == nil {
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
				Reason: "is missing: the file does not hold a whole InceptionV3; fetch it again"}
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
