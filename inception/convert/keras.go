package convert

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// kerasNames maps the datasets of a Keras .h5 file. Keras numbers its layers in the order in which
// it creates them, which is that of inception.Layers; the number in a layer's name is all that is
// trusted, because the file's own list of layers is sorted differently. A network built after
// others in the same session starts at a higher number, so numbers count from the lowest.
//
// Paths look like conv2d_1/conv2d_1/kernel:0, without ":0" in Keras 3, below the name of a nested
// model, and in a file of a whole model start with model_weights/. The layers have no gamma (batch
// norm with scale=False); a file that has them is read too.
func kerasNames(tensors []raw.Tensor) (*source, error) {
	layers, err := inception.Layers(1, 299)
	if err != nil {
		return nil, err
	}
	src := &source{what: "Keras", flavor: inception.Keras, reason: "HDF5 with Keras's layer names", own: true,
		units: make(map[string]*unit, len(layers))}
	convs, norms := map[int]*unit{}, map[int]*norm{}
	for i := range tensors {
		t := tensors[i]
		layer, part, ok := splitKeras(t.Name)
		switch {
		case !ok:
			if strings.HasPrefix(t.Name, "optimizer_weights/") {
				src.ignored = append(src.ignored, t.Name)
				continue
			}
			return nil, tensorError(t, "is not a tensor that Keras's InceptionV3 has: use a file of this network")
		case strings.HasPrefix(layer, "conv2d"):
			err = kerasConv(convs, layer, part, t)
		case strings.HasPrefix(layer, "batch_normalization"):
			err = kerasNorm(norms, layer, part, t)
		case part == "kernel" || part == "bias":
			err = src.kerasDense(layer, part, t)
		default:
			err = tensorError(t, "belongs to no layer that Keras's InceptionV3 has")
		}
		if err != nil {
			return nil, err
		}
	}
	if err := src.kerasHead(); err != nil {
		return nil, err
	}
	return src, src.kerasNumbers(layers, convs, norms)
}

// numbered are the layers whose numbers count.
var numbered = regexp.MustCompile(`^(conv2d|batch_normalization)(_\d+)?$`)

// splitKeras cuts "conv2d_1/conv2d_1/kernel:0" into the layer and the kind of weight.
func splitKeras(name string) (layer, part string, ok bool) {
	name = strings.TrimPrefix(name, "model_weights/")
	f := strings.Split(name, "/")
	if len(f) < 2 || f[0] == "optimizer_weights" {
		return "", "", false
	}
	part = strings.TrimSuffix(f[len(f)-1], ":0")
	if inner := f[len(f)-2]; numbered.MatchString(inner) {
		return inner, part, true
	}
	return f[0], part, true
}

// number is the n of "conv2d_n"; a layer without one is the first that Keras made: number 0.
func number(layer, stem string) (int, bool) {
	s := strings.TrimPrefix(layer, stem)
	if s == "" {
		return 0, true
	}
	n, err := strconv.Atoi(strings.TrimPrefix(s, "_"))
	return n, err == nil && n > 0 && s[0] == '_' && n < 1<<20
}

func kerasConv(convs map[int]*unit, layer, part string, t raw.Tensor) error {
	n, ok := number(layer, "conv2d")
	if !ok || part != "kernel" && part != "bias" {
		return tensorError(t, "is not a kernel of a convolution called conv2d_N")
	}
	u := convs[n]
	if u == nil {
		u = &unit{layout: hwio}
		convs[n] = u
	}
	if part == "bias" {
		u.bias = &t
		return nil
	}
	if u.weight.Load != nil {
		return tensorError(t, "is a second kernel of layer %s", layer)
	}
	u.weight = t
	return nil
}

func kerasNorm(norms map[int]*norm, layer, part string, t raw.Tensor) error {
	k, ok := number(layer, "batch_normalization")
	if !ok {
		return tensorError(t, "is not part of a layer called batch_normalization_N")
	}
	n := norms[k]
	if n == nil {
		n = &norm{eps: bnEps}
		norms[k] = n
	}
	slot := map[string]**raw.Tensor{"gamma": &n.gamma, "beta": &n.beta, "moving_mean": &n.mean,
		"moving_variance": &n.variance}[part]
	if slot == nil || *slot != nil {
		return tensorError(t, "is unknown, or there twice, in a batch norm: want gamma, beta, "+
			"moving_mean and moving_variance")
	}
	*slot = &t
	return nil
}

// kerasDense takes a dense layer behind the pool, by any name.
func (src *source) kerasDense(layer, part string, t raw.Tensor) error {
	at := slices.IndexFunc(src.dense, func(l headLayer) bool { return l.path == layer })
	if at < 0 {
		at = len(src.dense)
		src.dense = append(src.dense, headLayer{path: layer, dense: &classifier{transposed: true}})
	}
	src.own = src.own && layer != "predictions"
	switch c := src.dense[at].dense; {
	case part == "bias" && c.bias == nil:
		c.bias = &t
	case part == "kernel" && c.weight.Load == nil && len(t.Shape) == 2:
		c.weight = t
	default:
		return tensorError(t, "is a second %s of layer %q, or not of two axes", part, layer)
	}
	return nil
}

// kerasHead makes a classifier of the dense layers; of several, weights alone do not say what stands
// between them.
func (src *source) kerasHead() error {
	for _, l := range src.dense {
		if l.dense.weight.Load == nil {
			return tensorError(*l.dense.bias, "is a classifier's bias, but its kernel is missing: fetch the file again")
		}
	}
	switch {
	case len(src.dense) == 0:
	case len(src.dense) == 1 && src.dense[0].dense.rows() == 1: // a softmax of one class says nothing
		src.links, src.activation = []link{{kind: inception.LayerDense, dense: src.dense[0].dense}}, inception.Sigmoid
	case len(src.dense) == 1:
		src.fc = src.dense[0].dense
	case src.inOrder():
		src.headErr = fmt.Errorf("has %d dense layers (%s), and weights alone do not say what stands between them: "+
			"`rehead weights convert --head-activation relu` (or none, tanh, gelu, ...) says it, or save the whole model with "+
			"model.save(\"x.keras\")", len(src.dense), paths(src.dense))
	default:
		src.headErr = fmt.Errorf("has %d dense layers (%s), and weights alone do not say their order: save the whole model "+
			"with model.save(\"x.keras\")", len(src.dense), paths(src.dense))
		src.dense = nil
	}
	return nil
}

// denseName is how Keras calls dense layers that were given no name.
var denseName = regexp.MustCompile(`^dense(_(\d+))?$`)

// inOrder sorts the dense layers by the numbers in their names and reports whether each reads what the
// one before it gives. Layers with names of their own must differ in what they read.
func (src *source) inOrder() bool {
	counted := !slices.ContainsFunc(src.dense, func(l headLayer) bool { return !denseName.MatchString(l.path) })
	if counted {
		slices.SortStableFunc(src.dense, func(a, b headLayer) int {
			m, _ := number(a.path, "dense")
			n, _ := number(b.path, "dense")
			return cmp.Compare(m, n)
		})
	}
	reads := func(l headLayer) int { return l.dense.weight.Shape[0] }
	gives := func(l headLayer) int { return l.dense.weight.Shape[1] }
	if !counted { // the first reads what none of the others gives
		for i := range src.dense {
			rest := src.dense[i:]
			next := slices.IndexFunc(rest, func(l headLayer) bool {
				if i > 0 {
					return reads(l) == gives(src.dense[i-1])
				}
				return !slices.ContainsFunc(rest, func(o headLayer) bool { return gives(o) == reads(l) })
			})
			if next < 0 {
				return false
			}
			rest[0], rest[next] = rest[next], rest[0]
		}
	}
	seen := map[int]bool{}
	for i, l := range src.dense {
		if i > 0 && reads(l) != gives(src.dense[i-1]) || !counted && seen[reads(l)] {
			return false
		}
		seen[reads(l)] = true
	}
	return true
}

// kerasNumbers gives the layers their paths in the order of their numbers.
func (src *source) kerasNumbers(layers []inception.Layer, convs map[int]*unit, norms map[int]*norm) error {
	if len(convs) != len(layers) || len(norms) != len(layers) {
		if src.headErr != nil {
			return src.headErr
		}
		return fmt.Errorf("has %d convolutions and %d batch norms, want %d of each: it is not an InceptionV3", len(convs),
			len(norms), len(layers))
	}
	c, n := lowest(convs), lowest(norms)
	for i, l := range layers {
		u, bn := convs[c+i], norms[n+i]
		lacks := ""
		switch {
		case u == nil || u.weight.Load == nil:
			lacks = fmt.Sprintf("conv2d_%d/conv2d_%d/kernel:0", c+i, c+i)
		case bn == nil || bn.beta == nil:
			lacks = fmt.Sprintf("batch_normalization_%d/batch_normalization_%d/beta:0", n+i, n+i)
		case bn.mean == nil:
			lacks = fmt.Sprintf("batch_normalization_%d/batch_normalization_%d/moving_mean:0", n+i, n+i)
		case bn.variance == nil:
			lacks = fmt.Sprintf("batch_normalization_%d/batch_normalization_%d/moving_variance:0", n+i, n+i)
		}
		if lacks != "" {
			return &inception.FormatError{Tensor: lacks, Offset: -1,
				Reason: "is missing: the layers are numbered with a gap; fetch the file again"}
		}
		u.norm = bn
		src.units[l.Path] = u
	}
	return nil
}

// lowest is the smallest key.
func lowest[V any](m map[int]V) int {
	first, out := true, 0
	for k := range m {
		if first || k < out {
			first, out = false, k
		}
	}
	return out
}
