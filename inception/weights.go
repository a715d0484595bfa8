package inception

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/internal/safetensors"
	"github.com/c236555e/rehead/nn"
)

// FormatError says which file and tensor is wrong, where, and what to do about it.
type FormatError = safetensors.FormatError

// Tensor is a dense float32 tensor, outermost axis first.
type Tensor struct {
	Shape []int
	Data  []float32
}

// Weights are the numbers of one network, batch norm already folded into convolutions.
//
// Tensors holds, under torchvision's paths, "<path>.weight" [O,I,KH,KW] and "<path>.bias" [O] for
// each of the 94 convolutions, and, when Classes > 0, "fc.weight" [K,F] and "fc.bias" [K]. A
// Weights is not changed after it is made; graphs and programs share its slices.
type Weights struct {
	Flavor  Flavor
	Width   float64           // width multiplier, 1 for the published network
	Source  string            // where the numbers come from, for people
	Recipe  picture.Recipe    // the flavour's, unless the file says otherwise
	Classes int               // classes of the classifier, 0 without one
	Labels  []string          // the classifier's labels in order; nil when the file has none
	Notes   map[string]string // what else a file's metadata says; kept, never interpreted
	Tensors map[string]Tensor
	// Head is what follows the trunk in a foreign file when it is more than that classifier (then
	// Classes is 0); rehead's own weight files have none, models do.
	Head *Head
	// BFloat16 makes the trunk compute with nn.BFloat16; see Narrowed. Weight files have it not.
	BFloat16 bool
	// Reads is what Head reads, or, without one, what a foreign file's network ends in; nil means the
	// bottleneck. rehead's own weight files have none.
	Reads *Features
	// Ranges makes the trunk compute with nn.Int8; nil means nn.Float32. See Quantized. Weight
	// files have none.
	Ranges nn.Ranges
	// Digest is the hex SHA-256 that names the trunk: flavour, and name, shape and values of every
	// convolution's tensors. Neither the file's layout nor the classifier is part of it, and
	// float16 storage only as far as it changed the values.
	Digest string

	float string // the digest in float32, where the precision is another
}

// maxClasses bounds the classifier of a weight file.
const maxClasses = 1 << 20

// Features returns the length of the bottleneck, 2048 at width 1.
func (w *Weights) Features() int { return features(w.Width) }

// slot is a tensor that the network needs.
type slot struct {
	name  string
	shape []int
}

func (s slot) elements() int {
	n := 1
	for _, d := range s.shape {
		n *= d
	}
	return n
}

// slots lists the tensors of the convolutions in the order of the table.
func slots(width float64) ([]slot, error) {
	layers, err := Layers(width, MinSize)
	if err != nil {
		return nil, err
	}
	list := make([]slot, 0, 2*len(layers)+2)
	for _, l := range layers {
		list = append(list, slot{l.Path + ".weight", l.Shape[:]}, slot{l.Path + ".bias", l.Shape[:1]})
	}
	return list, nil
}

// require checks names and shapes of what a file or a caller has against what the network needs,
// and returns the slots of everything: the convolutions in the order of the table, then the
// classifier if there is one.
func require(width float64, have map[string][]int,
	fail func(name, format string, args ...any) error) ([]slot, int, error) {
	list, err := slots(width)
	if err != nil {
		return nil, 0, err
	}
	classes := 0
	weight, hasWeight := have["fc.weight"]
	if _, hasBias := have["fc.bias"]; hasWeight || hasBias {
		if len(weight) == 2 {
			classes = weight[0]
		}
		if hasWeight && (classes < 1 || classes > maxClasses) {
			return nil, 0, fail("fc.weight", "got shape %v, want [K,%d] with K in 1..%d", weight, features(width), maxClasses)
		}
		list = append(list, slot{"fc.weight", []int{classes, features(width)}}, slot{"fc.bias", []int{classes}})
	}
	known := make(map[string]bool, len(list))
	for _, s := range list {
		known[s.name] = true
		shape, ok := have[s.name]
		if !ok {
			return nil, 0, fail(s.name, "is missing: a network of width %g needs it; fetch or convert the file again", width)
		}
		if !slices.Equal(shape, s.shape) {
			return nil, 0, fail(s.name, "got shape %v, want %v at width %g", shape, s.shape, width)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if !known[name] {
			return nil, 0, fail(name, "is unknown to the network: want only <path>.weight and <path>.bias of its "+
				"convolutions, fc.weight and fc.bias")
		}
	}
	return list, classes, nil
}

// NewWeights checks that tensors are exactly those of a network of the given width and returns them
// as Weights with the flavour's recipe. The map and its slices belong to the Weights from then on.
// What is wrong with a tensor is a *FormatError without a file's name.
func NewWeights(flavor Flavor, width float64, source string, tensors map[string]Tensor) (*Weights, error) {
	if _, err := ParseFlavor(string(flavor)); err != nil {
		return nil, err
	}
	fail := func(name, format string, args ...any) error {
		return &FormatError{Tensor: name, Offset: -1, Reason: fmt.Sprintf(format, args...)}
	}
	have := make(map[string][]int, len(tensors))
	for name, t := range tensors {
		have[name] = t.Shape
	}
	list, classes, err := require(width, have, fail)
	if err != nil {
		return nil, err
	}
	w := &Weights{Flavor: flavor, Width: width, Source: source, Recipe: flavor.Recipe(), Classes: classes,
		Tensors: tensors}
	sums := make([][sha256.Size]byte, len(list))
	err = par.Each(context.Background(), 0, len(list), func(_, i int) error {
		s := list[i]
		data := tensors[s.name].Data
		if len(data) != s.elements() {
			return fail(s.name, "got %d values, want %d for shape %v", len(data), s.elements(), s.shape)
		}
		if k := safetensors.NotFinite(data); k >= 0 {
			return fail(s.name, "value %d is %v, want finite values", k, data[k])
		}
		h := sha256.New()
		err := safetensors.WriteFloat32(h, data)
		h.Sum(sums[i][:0])
		return err
	})
	if err != nil {
		return nil, err
	}
	w.Digest = digest(flavor, list, sums)
	return w, nil
}

// digest names a trunk: a SHA-256 over the flavour and, in the order of the table, every tensor's
// name, shape and SHA-256 of its values as little-endian float32. It is a tree so that its leaves
// can be computed side by side.
func digest(flavor Flavor, list []slot, sums [][sha256.Size]byte) string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "rehead trunk digest 1\n%s\n", flavor) // a hash never fails to write
	for i, s := range list {
		if s.name == "fc.weight" || s.name == "fc.bias" {
			continue
		}
		_, _ = fmt.Fprintf(h, "%s %v %x\n", s.name, s.shape, sums[i])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Halved returns the weights as they are after they have been stored as float16 and read again. A
// head that will be saved beside a float16 trunk is best trained on them: the digest stays the same
// then.
func (w *Weights) Halved() (*Weights, error) {
	if w == nil {
		return nil, errors.New("inception: float16: got no weights")
	}
	tensors := make(map[string]Tensor, len(w.Tensors))
	for _, name := range slices.Sorted(maps.Keys(w.Tensors)) {
		t := w.Tensors[name]
		data := make([]float32, len(t.Data))
		for i, v := range t.Data {
			h, ok := safetensors.Half(v)
			if !ok {
				return nil, &FormatError{Tensor: name, Offset: -1,
					Reason: fmt.Sprintf("value %d is %v, which float16 cannot hold: use f32", i, v)}
			}
			data[i] = safetensors.FromHalf(h)
		}
		tensors[name] = Tensor{Shape: t.Shape, Data: data}
	}
	r, err := NewWeights(w.Flavor, w.Width, w.Source, tensors)
	if err != nil {
		return nil, err
	}
	r.Recipe, r.Labels, r.Notes, r.Head, r.Reads = w.Recipe, w.Labels, w.Notes, w.Head, w.Reads
	return r.withPrecision(w.BFloat16, w.Ranges)
}

// TrunkOnly returns the weights without their classifier; the digest is the same.
func (w *Weights) TrunkOnly() *Weights {
	if w.Classes == 0 && w.Head == nil && w.Reads == nil {
		return w
	}
	bare := *w
	bare.Classes, bare.Labels, bare.Head, bare.Reads = 0, nil, nil, nil
	bare.Tensors = maps.Clone(w.Tensors)
	delete(bare.Tensors, "fc.weight")
	delete(bare.Tensors, "fc.bias")
	return &bare
}

// WithRecipe returns the weights with another input recipe.
func (w *Weights) WithRecipe(r picture.Recipe) *Weights {
	if w.Recipe == r {
		return w
	}
	other := *w
	other.Recipe = r
	return &other
}
