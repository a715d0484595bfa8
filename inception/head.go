package inception

import (
	"fmt"
	"strconv"

	"github.com/c236555e/rehead/internal/safetensors"
)

// Activation says how logits become probabilities.
type Activation string

// The activations.
const (
	Softmax Activation = "softmax" // one label a picture: probabilities add up to 1
	Sigmoid Activation = "sigmoid" // any number of labels a picture: each probability is of its own
)

// Head is the classifier on the bottleneck, or on what else Model.Reads says: logits = W x + B, where
// x is the bottleneck itself or what the layers Before make of it. The head that rehead trains is
// linear: it has none.
type Head struct {
	Classes    int
	Features   int         // of the bottleneck
	Before     []HeadLayer // applied to the bottleneck in their order; at most 32
	W          []float32   // [Classes,Features], or [Classes,width of the last layer]
	B          []float32   // [Classes]
	Activation Activation  // "" means Softmax
}

// maxLayers and maxUnits bound a head.
const (
	maxLayers = 32
	maxUnits  = 1 << 16
)

// Linear reports whether the logits are a linear function of the bottleneck.
func (h *Head) Linear() bool { return len(h.Before) == 0 }

// Inputs is the length of what W is multiplied with.
func (h *Head) Inputs() int {
	n := h.Features
	for _, l := range h.Before {
		n = l.width(n)
	}
	return n
}

// Parameters is the number of the head's weights and biases.
func (h *Head) Parameters() int {
	n := len(h.W) + len(h.B)
	for _, l := range h.Before {
		n += len(l.W) + len(l.B)
	}
	return n
}

// Logits computes the logits in float64 for one bottleneck [Features]. dst is [Classes]. Other
// lengths are refused, also of the head's own slices.
func (h *Head) Logits(bottleneck []float32, dst []float64) error {
	if h == nil || len(bottleneck) != h.Features || len(dst) != h.Classes || !h.sized() {
		return fmt.Errorf("inception: head: got a bottleneck of %d values and room for %d logits, want what the head takes "+
			"and gives", len(bottleneck), len(dst))
	}
	if h.Linear() {
		product(h.W, h.B, bottleneck, dst)
		return nil
	}
	values := h.forward(bottleneck)
	product(h.W, h.B, values[len(values)-1], dst)
	return nil
}

// sized says whether every slice has its length.
func (h *Head) sized() bool {
	n := h.Features
	for i := range h.Before {
		l := &h.Before[i]
		if w, b, units, err := l.sizes(n); err != nil || len(l.W) != w || len(l.B) != b || l.Units != units {
			return false
		}
		n = l.width(n)
	}
	return len(h.B) == h.Classes && (n == 0 && len(h.W) == 0 || n > 0 && len(h.W)%n == 0 && len(h.W)/n == h.Classes)
}

// product computes W x + B.
func product[T float32 | float64](w, b []float32, x []T, dst []float64) {
	f := len(x)
	for k := range dst {
		row := w[k*f : (k+1)*f]
		var a0, a1, a2, a3 float64 // four sums, so that additions need not wait for each other
		i := 0
		for ; i+4 <= len(row); i += 4 {
			w, v := row[i:i+4:i+4], x[i:i+4:i+4]
			a0 += float64(w[0]) * float64(v[0])
			a1 += float64(w[1]) * float64(v[1])
			a2 += float64(w[2]) * float64(v[2])
			a3 += float64(w[3]) * float64(v[3])
		}
		for ; i < len(row); i++ {
			a0 += float64(row[i]) * float64(x[i])
		}
		dst[k] = (a0 + a1) + (a2 + a3) + float64(b[k])
	}
}

// forward returns the bottleneck and what each layer Before makes of it.
func (h *Head) forward(bottleneck []float32) [][]float64 {
	x := make([]float64, len(bottleneck))
	for i, v := range bottleneck {
		x[i] = float64(v)
	}
	values := [][]float64{x}
	for i := range h.Before {
		x = h.Before[i].apply(x)
		values = append(values, x)
	}
	return values
}

// gradient is the derivative of class k's logit with respect to the bottleneck, at a bottleneck; of
// a linear head, its row of weights.
func (h *Head) gradient(k int, bottleneck []float32) []float64 {
	n := h.Inputs()
	g := make([]float64, n)
	for i, w := range h.W[k*n : (k+1)*n] {
		g[i] = float64(w)
	}
	if h.Linear() {
		return g
	}
	values := h.forward(bottleneck[:h.Features])
	for i := len(h.Before) - 1; i >= 0; i-- {
		g = h.Before[i].backward(values[i], values[i+1], g)
	}
	return g
}

// Validate checks the head's sizes and values.
func (h *Head) Validate() error {
	bad := func(format string, args ...any) error { return fmt.Errorf("inception: head: "+format, args...) }
	if h == nil {
		return bad("got none")
	}
	least := 2
	if h.Activation == Sigmoid {
		least = 1 // yes or no
	}
	switch {
	case h.Classes < least || h.Classes > maxClasses:
		return bad("got %d classes, want %d to %d", h.Classes, least, maxClasses)
	case h.Features < 1 || h.Features > maxFeatures:
		return bad("got %d features, want 1 to %d", h.Features, maxFeatures)
	case h.Activation != "" && h.Activation != Softmax && h.Activation != Sigmoid:
		return bad("activation is %q, want %q or %q", h.Activation, Softmax, Sigmoid)
	case len(h.Before) > maxLayers:
		return bad("got %d layers before the last, want at most %d", len(h.Before), maxLayers)
	}
	n := h.Features
	for i := range h.Before {
		l := &h.Before[i]
		if err := l.validate(n); err != nil {
			return bad("layer %d: %w", i, err)
		}
		n = l.width(n)
	}
	switch {
	case len(h.W) != h.Classes*n:
		return bad("W has %d values, want %d x %d", len(h.W), h.Classes, n)
	case len(h.B) != h.Classes:
		return bad("B has %d values, want %d", len(h.B), h.Classes)
	case safetensors.NotFinite(h.W) >= 0:
		return bad("value %d of W is not finite", safetensors.NotFinite(h.W))
	case safetensors.NotFinite(h.B) >= 0:
		return bad("value %d of B is not finite", safetensors.NotFinite(h.B))
	}
	return nil
}

// Describe is the head in words, such as "dense 128, relu, dense 5, softmax".
func (h *Head) Describe() string {
	text := ""
	for _, l := range h.Before {
		text += string(l.Kind)
		if l.Kind == LayerDense {
			text += " " + strconv.Itoa(l.Units)
		}
		text += ", "
	}
	activation := h.Activation
	if activation == "" {
		activation = Softmax
	}
	return fmt.Sprintf("%sdense %d, %s", text, h.Classes, activation)
}

// layerEntry is a layer in model.json; its numbers are in the head's file.
type layerEntry struct {
	Kind  LayerKind `json:"kind"`
	Units int       `json:"units,omitempty"`
	Alpha float64   `json:"alpha,omitempty"`
}

func (h *Head) entries() (out []layerEntry) {
	for _, l := range h.Before {
		out = append(out, layerEntry{l.Kind, l.Units, l.Alpha})
	}
	return out
}

// layerTensors are a head's tensors beside the last layer's, with the shapes that they must have.
func (h *Head) layerTensors() []safetensors.Tensor {
	var out []safetensors.Tensor
	n := h.Features
	for i, l := range h.Before {
		name := "layer." + strconv.Itoa(i)
		weight := []int{n}
		if l.Kind == LayerDense {
			weight = []int{l.Units, n}
		}
		n = l.width(n)
		if l.Kind == LayerDense || l.Kind == LayerScale || l.Kind == LayerPReLU {
			out = append(out, safetensors.Tensor{Name: name + ".weight", DType: safetensors.F32, Shape: weight, Values: l.W})
		}
		if l.Kind == LayerDense || l.Kind == LayerScale {
			out = append(out, safetensors.Tensor{Name: name + ".bias", DType: safetensors.F32, Shape: []int{n}, Values: l.B})
		}
	}
	return out
}

// takeLayers reads the tensors of the layers, whose kinds and units are known.
func (h *Head) takeLayers(f *safetensors.File) error {
	tensors := h.layerTensors()
	for i := range h.Before {
		l := &h.Before[i]
		var parts []*[]float32
		switch l.Kind {
		case LayerDense, LayerScale:
			parts = []*[]float32{&l.W, &l.B}
		case LayerPReLU:
			parts = []*[]float32{&l.W}
		}
		for k, part := range parts {
			var err error
			if *part, err = matrix(f, tensors[k].Name, tensors[k].Shape...); err != nil {
				return err
			}
		}
		tensors = tensors[len(parts):]
	}
	return nil
}

// layers are those of model.json, still without their numbers; sizes are checked before they are
// used for any.
func layers(entries []layerEntry) (out []HeadLayer) {
	for _, e := range entries {
		out = append(out, HeadLayer{Kind: e.Kind, Units: min(max(e.Units, 0), maxUnits), Alpha: e.Alpha})
	}
	return out
}
