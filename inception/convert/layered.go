package convert

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// A state dict has the layers with weights of a classifier, by name, and nothing of those without:
// activations and dropout. nn.Sequential numbers its modules, so that a gap in the numbers says that
// something stands there; what it is has to be said by whoever knows.

// headLayer is a layer with weights.
type headLayer struct {
	path  string
	dense *classifier
	norm  *norm
}

// headEps is what PyTorch's BatchNorm1d adds to its variances unless it is told otherwise.
const headEps = 1e-5

// hidden are the activations that may be asked for between dense layers.
var hidden = map[string]inception.LayerKind{
	"none": "", "relu": inception.LayerReLU, "relu6": inception.LayerReLU6, "leaky_relu": inception.LayerLeakyReLU,
	"elu": inception.LayerELU, "selu": inception.LayerSELU, "tanh": inception.LayerTanh,
	"sigmoid": inception.LayerSigmoid, "swish": inception.LayerSwish, "gelu": inception.LayerGELU,
	"gelu_tanh": inception.LayerGELUTanh, "softplus": inception.LayerSoftplus, "softsign": inception.LayerSoftsign,
	"mish": inception.LayerMish, "hard_swish": inception.LayerHardSwish,
}

// slopes are PyTorch's defaults of the activations that have a number.
var slopes = map[inception.LayerKind]float64{inception.LayerLeakyReLU: 0.01, inception.LayerELU: 1}

// headLayers groups a classifier's tensors into layers, in the order of their names.
func headLayers(tensors map[string]raw.Tensor) ([]headLayer, error) {
	parts := map[string]map[string]*raw.Tensor{}
	for name, t := range tensors {
		at := strings.LastIndexByte(name, '.')
		stem, part := name[:max(at, 0)], name[at+1:]
		if parts[stem] == nil {
			parts[stem] = map[string]*raw.Tensor{}
		}
		parts[stem][part] = &t
	}
	var out []headLayer
	for _, stem := range slices.SortedFunc(maps.Keys(parts), byNumber) {
		p, l := parts[stem], headLayer{path: stem}
		n := len(p)
		switch w := p["weight"]; {
		case p["running_mean"] != nil && p["running_var"] != nil:
			l.norm = &norm{gamma: w, beta: p["bias"], mean: p["running_mean"], variance: p["running_var"], eps: headEps}
			n -= 2
		case w != nil && (len(w.Shape) == 2 || len(w.Shape) == 4):
			l.dense = &classifier{weight: *w, bias: p["bias"]}
		default:
			return nil, fmt.Errorf("its layer %q has no weights of a dense layer or a batch norm", stem)
		}
		for _, part := range []string{"weight", "bias"} {
			if p[part] != nil {
				n--
			}
		}
		if n != 0 {
			return nil, fmt.Errorf("its layer %q has other weights than a dense layer or a batch norm", stem)
		}
		out = append(out, l)
	}
	return out, nil
}

// byNumber compares dotted names, the numbers in them as numbers.
func byNumber(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		m, errM := strconv.Atoi(x[i])
		n, errN := strconv.Atoi(y[i])
		c := cmp.Compare(x[i], y[i])
		if errM == nil && errN == nil {
			c = cmp.Compare(m, n)
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x), len(y))
}

// gap reports whether a module without weights may stand between two layers: their numbers in one
// nn.Sequential leave room for it, or they are not numbered.
func gap(a, b string) bool {
	i, j := strings.LastIndexByte(a, '.'), strings.LastIndexByte(b, '.')
	m, errM := strconv.Atoi(a[i+1:])
	n, errN := strconv.Atoi(b[j+1:])
	return a[:max(i, 0)] != b[:max(j, 0)] || errM != nil || errN != nil || n != m+1
}

// places are the layers behind which an activation may stand: a dense layer that another follows,
// or the batch norm right behind it.
func places(layers []headLayer) (out []int, doubtful bool) {
	dense := 0
	for _, l := range layers {
		if l.dense != nil {
			dense++
		}
	}
	for i := 0; i < len(layers); i++ {
		if layers[i].dense == nil {
			doubtful = doubtful || len(out) == 0 && i+1 < len(layers) && gap(layers[i].path, layers[i+1].path)
			continue
		}
		if dense--; dense == 0 {
			break
		}
		j := i
		for layers[j+1].norm != nil && !gap(layers[j].path, layers[j+1].path) {
			j++
		}
		if gap(layers[j].path, layers[j+1].path) {
			out = append(out, j)
		}
		i = j
	}
	return out, doubtful
}

// sequential reads a classifier that is an nn.Sequential where its names alone say what it computes;
// otherwise the head waits for --head-activation.
func (src *source) sequential() {
	if len(src.layered) == 0 {
		return
	}
	layers, err := headLayers(src.layered)
	if err == nil && src.fc != nil {
		err = errors.New("it has a classifier of one layer and one of several")
	}
	if err != nil {
		src.fc, src.headErr = nil, fmt.Errorf("its classifier: %w: %s", err, exportLine)
		return
	}
	if at, doubtful := places(layers); len(at) > 0 || doubtful {
		src.headErr = fmt.Errorf("its classifier has several layers (%s), and a state dict does not say what stands "+
			"between them: `rehead weights convert --head-activation relu` (or none, tanh, gelu, ...) says it, or %s",
			paths(layers), exportLine)
		return
	}
	src.stack(layers, "", nil)
	src.doubts = append(src.doubts, fmt.Sprintf("of the classifier only %s has weights: a softmax is taken to follow",
		paths(layers)))
}

func paths(layers []headLayer) string {
	var out []string
	for _, l := range layers[:min(len(layers), 6)] {
		out = append(out, l.path)
	}
	return strings.Join(out, ", ")
}

// stack makes the head of layers, with an activation behind some.
func (src *source) stack(layers []headLayer, kind inception.LayerKind, behind []int) {
	src.links, src.fc, src.headErr = nil, nil, nil
	for i, l := range layers {
		node := &graph.Node{Name: l.path, Op: "layer", At: -1}
		if l.dense != nil {
			src.links = append(src.links, link{kind: inception.LayerDense, dense: l.dense, node: node})
		} else {
			a, err := l.norm.affine()
			if err != nil {
				src.links, src.headErr = nil, err
				return
			}
			src.links = append(src.links, link{kind: inception.LayerScale, scale: a, node: node})
		}
		if kind != "" && slices.Contains(behind, i) {
			src.links = append(src.links, link{kind: kind, alpha: slopes[kind],
				node: &graph.Node{Name: string(kind), Op: string(kind), At: -1}})
		}
	}
	src.simplify()
}

// affine is what a batch norm does to each of its channels.
func (n *norm) affine() (*affine, error) {
	a := &affine{scale: make([]float64, n.mean.Len()), shift: make([]float64, n.mean.Len())}
	if len(a.scale) > maxVector {
		return nil, tensorError(*n.mean, "has %d channels, want at most %d", len(a.scale), maxVector)
	}
	for i := range a.scale {
		a.scale[i] = 1
	}
	return a, n.apply(a.scale, a.shift)
}

// said makes the head that --head-activation and --head-output describe.
func (src *source) said(o Options) error {
	if o.HeadActivation != "" {
		kind, ok := hidden[o.HeadActivation]
		if !ok {
			return fmt.Errorf("the head's activation is %q, want one of %s", o.HeadActivation,
				strings.Join(slices.Sorted(maps.Keys(hidden)), ", "))
		}
		if err := src.hidden(kind, o.HeadActivation); err != nil {
			return err
		}
	}
	return src.output(o.HeadOutput)
}

// hidden puts an activation between the layers of a state dict's classifier.
func (src *source) hidden(kind inception.LayerKind, name string) error {
	if len(src.dense) > 1 {
		return src.hiddenDense(kind, name)
	}
	tensors := src.layered
	if len(tensors) == 0 {
		tensors = src.classifierOutside()
	}
	if len(tensors) == 0 {
		return fmt.Errorf("--head-activation %s: it has no classifier of several layers whose activations are not known",
			name)
	}
	layers, err := headLayers(tensors)
	if err != nil {
		return fmt.Errorf("its classifier: %w: %s", err, exportLine)
	}
	at, _ := places(layers)
	if src.stack(layers, kind, at); src.headErr != nil {
		return src.headErr
	}
	var names []string
	for _, i := range at {
		names = append(names, layers[i].path)
	}
	src.doubts = append(src.doubts, fmt.Sprintf("of the classifier only %s have weights; as asked for, %s stands "+
		"behind %s", paths(layers), name, cmp.Or(strings.Join(names, ", "), "none of them")))
	return nil
}

// hiddenDense puts an activation behind all dense layers but the last.
func (src *source) hiddenDense(kind inception.LayerKind, name string) error {
	var at []int
	for i := range src.dense[1:] {
		at = append(at, i)
	}
	if src.stack(src.dense, kind, at); src.headErr != nil {
		return src.headErr
	}
	src.doubts = append(src.doubts, fmt.Sprintf("weights alone have the layers %s; as asked for, %s stands between them",
		paths(src.dense), name))
	return nil
}

// classifierOutside are the tensors of the one module beside the network that has layers, as in a
// class of one's own with a backbone and a classifier; nil when there are several.
func (src *source) classifierOutside() map[string]raw.Tensor {
	if src.fc != nil || src.prefix == "" {
		return nil
	}
	top := ""
	for _, t := range src.outside {
		if name, _, _ := strings.Cut(t.Name, "."); len(t.Shape) >= 2 {
			if top != "" && name != top {
				return nil
			}
			top = name
		}
	}
	out := map[string]raw.Tensor{}
	for _, t := range src.outside {
		if name, _, _ := strings.Cut(t.Name, "."); top != "" && name == top &&
			!strings.HasSuffix(t.Name, ".num_batches_tracked") {
			out[t.Name] = t
		}
	}
	return out
}

// output sets what the last layer's numbers go through, where the file does not say it.
func (src *source) output(name string) error {
	switch {
	case name == "":
		return nil
	case name != string(inception.Softmax) && name != string(inception.Sigmoid):
		return fmt.Errorf("the head's output is %q, want softmax or sigmoid", name)
	case src.bareLinks != nil:
		src.links, src.headErr, src.bare = src.bareLinks, nil, nil
		src.simplify()
	case src.ended:
		return fmt.Errorf("--head-output %s: the file says itself what its head ends in", name)
	}
	if src.headErr != nil || name == string(inception.Softmax) {
		return nil
	}
	if src.fc != nil {
		src.links, src.fc = []link{{kind: inception.LayerDense, dense: src.fc,
			node: &graph.Node{Name: "fc", Op: "layer", At: -1}}}, nil
	}
	src.activation = inception.Sigmoid
	return nil
}
