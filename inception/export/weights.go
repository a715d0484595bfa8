package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/internal/safetensors"
)

// normEps is what the batch norms of torchvision's and Keras's networks add to the variance.
const normEps = 0.001

// normVariance is a batch norm's variance with which it divides by one.
const normVariance float32 = 1 - normEps

// weights writes the network's weights under another library's names: each convolution with a batch
// norm that only adds the bias.
func (n *network) weights(w io.Writer, names Names) error {
	if err := n.fits(names); err != nil {
		return err
	}
	list := n.torchvision
	if names == NamesKeras {
		list = n.kerasWeights
	}
	tensors, err := list()
	if err != nil {
		return err
	}
	meta, err := n.described()
	if err != nil {
		return err
	}
	return safetensors.Write(w, meta, tensors)
}

// described is the metadata of a file that holds text by text.
func (n *network) described() (map[string]string, error) {
	recipe, err := json.Marshal(n.Recipe)
	if err != nil {
		return nil, err
	}
	meta := map[string]string{"format": "pt", "recipe": string(recipe), "trunk_digest": n.TrunkDigest,
		"flavor": string(n.Flavor), "tool": "rehead " + n.ToolVersion}
	if n.head == nil {
		return meta, nil
	}
	labels, err := n.labelled()
	for _, l := range labels {
		meta[l[0]] = l[1]
	}
	meta["activation"] = string(n.activation())
	return meta, err
}

// fits refuses what another library's network, which is fixed, would compute in another way.
func (n *network) fits(names Names) error {
	f := n.Flavor
	if f.MaxIn7c() {
		return fmt.Errorf("the last block's pool takes the maximum in this network (%s), and the average in %s's: write a "+
			".%s file, which holds any network", f, names, FormatKeras)
	}
	if border := f.CountBorder(); border != (names == NamesTorchvision) {
		ours, theirs, fit := "leave their border out", "count it", NamesKeras
		if border {
			ours, theirs, fit = "count their border", "leave it out", NamesTorchvision
		}
		return fmt.Errorf("the average pools of this network (%s) %s, and %s's %s: take the names of %s, or a .%s file, "+
			"which holds any network", f, ours, names, theirs, fit, FormatKeras)
	}
	if n.head != nil && n.Reads != nil {
		return fmt.Errorf("the head reads the %v, and %s's network the last block's mean: leave the head out "+
			"(--trunk-only), or write a .%s file, which holds any head", n.Reads, names, FormatKeras)
	}
	if n.head != nil && !n.head.Linear() {
		return fmt.Errorf("the head is %q, and %s's network has one dense layer there: leave the head out (--trunk-only), "+
			"or write a .%s file, which holds any head", n.head.Describe(), names, FormatKeras)
	}
	return nil
}

// convolutions are the trunk's, in the order in which the table lists them: that of their creation in
// torchvision and Keras.
func (n *network) convolutions() ([]*layer, error) {
	by := map[string]*layer{}
	for i, l := range n.layers {
		if l.kind == convolution {
			by[l.name] = &n.layers[i]
		}
	}
	list, err := inception.Layers(n.Width, n.Recipe.Size)
	if err != nil {
		return nil, err
	}
	out := make([]*layer, len(list))
	for i, l := range list {
		if out[i] = by[l.Path]; out[i] == nil {
			return nil, errors.New("the trunk lacks its convolution " + strconv.Quote(l.Path))
		}
	}
	return out, nil
}

func float(name string, values []float32, shape ...int) safetensors.Tensor {
	return safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape, Values: values}
}

// torchvision lists the tensors of torchvision's state dict.
func (n *network) torchvision() (out []safetensors.Tensor, err error) {
	list, err := n.convolutions()
	for _, l := range list {
		k := l.filter[0]
		out = append(out, float(l.name+".conv.weight", l.weight, l.filter[:]...),
			float(l.name+".bn.weight", filled(k, 1), k), float(l.name+".bn.bias", l.bias, k),
			float(l.name+".bn.running_mean", filled(k, 0), k),
			float(l.name+".bn.running_var", filled(k, normVariance), k))
	}
	if n.head != nil {
		w, b := n.last()
		out = append(out, float("fc.weight", w, n.head.Classes, n.head.Inputs()), float("fc.bias", b, n.head.Classes))
	}
	return out, err
}

// kerasWeights lists the variables of keras.applications.InceptionV3 by their paths in a session in
// which it was the first network.
func (n *network) kerasWeights() (out []safetensors.Tensor, err error) {
	list, err := n.convolutions()
	for i, l := range list {
		k, conv, norm := l.filter[0], numbered("conv2d", i), numbered("batch_normalization", i)
		out = append(out, float(conv+"/kernel", l.hwio(), l.filter[2], l.filter[3], l.filter[1], k),
			float(norm+"/beta", l.bias, k), float(norm+"/moving_mean", filled(k, 0), k),
			float(norm+"/moving_variance", filled(k, normVariance), k))
	}
	if n.head != nil {
		w, b := n.last()
		out = append(out, float("predictions/kernel", transposed(w, n.head.Classes), n.head.Inputs(), n.head.Classes),
			float("predictions/bias", b, n.head.Classes))
	}
	return out, err
}

// numbered is Keras's name of the i-th layer of a class.
func numbered(class string, i int) string {
	if i == 0 {
		return class
	}
	return class + "_" + strconv.Itoa(i)
}

// filled is n times v.
func filled(n int, v float32) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// transposed turns a matrix of the given number of rows.
func transposed(w []float32, rows int) []float32 {
	columns, out := len(w)/rows, make([]float32, len(w))
	for r := range rows {
		for c, v := range w[r*columns : (r+1)*columns] {
			out[c*rows+r] = v
		}
	}
	return out
}

// hwio is a convolution's weight in TensorFlow's order: [KH,KW,I,O].
func (l *layer) hwio() []float32 { return transposed(l.ohwi(), l.filter[0]) }

// ohwi is a convolution's weight in TensorFlow Lite's order, [O,KH,KW,I].
func (l *layer) ohwi() []float32 {
	ins, area := l.filter[1], l.filter[2]*l.filter[3]
	out := make([]float32, 0, len(l.weight))
	for o := range l.filter[0] {
		out = append(out, transposed(l.weight[o*ins*area:][:ins*area], ins)...)
	}
	return out
}
