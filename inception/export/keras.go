package export

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/export/internal/hdf5"
)

// kerasVersion is the release whose form is written; later ones load it.
const kerasVersion = "3.15.1"

// kerasModel is a Functional model of Keras's while it is put together, in the order of computation.
type kerasModel struct {
	layers []kerasLayer
	count  map[string]int // of the layers that were named after each class
}

// kerasLayer is a layer with what it reads.
type kerasLayer struct {
	class, name string
	config      map[string]any
	in          []int
	shape       []int // of what it gives: [H,W,C] or [C]
	vars        []variable
}

// variable is a layer's variable.
type variable struct {
	shape  []int
	values func() []float32
}

func stored(values []float32, shape ...int) variable {
	return variable{shape, func() []float32 { return values }}
}

// add adds a layer and returns its place; a name of "" is made of the class.
func (k *kerasModel) add(l kerasLayer) int {
	if l.name == "" {
		stem := snake[l.class]
		l.name = numbered(stem, k.count[stem])
		k.count[stem]++
	}
	if l.config == nil {
		l.config = map[string]any{}
	}
	l.config["name"] = l.name
	k.layers = append(k.layers, l)
	return len(k.layers) - 1
}

// on adds a layer that keeps the shape of the one that it reads.
func (k *kerasModel) on(in int, class string, config map[string]any, vars ...variable) int {
	return k.add(kerasLayer{class: class, config: config, in: []int{in}, shape: k.layers[in].shape, vars: vars})
}

// snake is Keras's to_snake_case of the classes that are written.
var snake = map[string]string{"InputLayer": "input_layer", "Rescaling": "rescaling", "Conv2D": "conv2d",
	"BatchNormalization": "batch_normalization", "Activation": "activation", "MaxPooling2D": "max_pooling2d",
	"AveragePooling2D": "average_pooling2d", "ZeroPadding2D": "zero_padding2d", "Concatenate": "concatenate",
	"GlobalAveragePooling2D": "global_average_pooling2d", "GlobalMaxPooling2D": "global_max_pooling2d",
	"Flatten": "flatten", "Dense": "dense", "LeakyReLU": "leaky_re_lu", "ELU": "elu",
	"UnitNormalization": "unit_normalization", "PReLU": "p_re_lu",
	"LayerNormalization": "layer_normalization"}

// keras writes the network as Keras 3 saves models: an archive of the layers' description, their
// variables and what is to be said of both. Convolutions and batch norms are called as in
// keras.applications.InceptionV3, and so are the blocks.
func (n *network) keras(w io.Writer) error {
	k, err := n.kerasModel()
	if err != nil {
		return err
	}
	order := k.listed()
	config, err := k.describe(order)
	if err != nil {
		return err
	}
	said, err := n.described()
	if err != nil {
		return err
	}
	delete(said, "format")
	said["keras_version"], said["date_saved"] = kerasVersion, "" // the same model gives the same bytes
	meta, err := json.Marshal(said)
	if err != nil {
		return err
	}
	z := zip.NewWriter(w)
	for _, f := range []struct {
		name string
		text []byte
	}{{"metadata.json", meta}, {"config.json", config}} {
		part, err := z.CreateHeader(&zip.FileHeader{Name: f.name})
		if err != nil {
			return err
		}
		if _, err := part.Write(f.text); err != nil {
			return err
		}
	}
	part, err := z.CreateHeader(&zip.FileHeader{Name: "model.weights.h5"})
	if err != nil {
		return err
	}
	if err := hdf5.Write(part, k.datasets(order)); err != nil {
		return err
	}
	return z.Close()
}

// kerasModel translates the network.
func (n *network) kerasModel() (*kerasModel, error) {
	side := n.Recipe.Size
	numbers, err := n.created()
	if err != nil {
		return nil, err
	}
	k := &kerasModel{count: map[string]int{"batch_normalization": len(numbers), "activation": len(numbers)}}
	picture := k.add(kerasLayer{class: "InputLayer", shape: []int{side, side, 3}, name: inputName,
		config: map[string]any{"batch_shape": []any{nil, side, side, 3}, "dtype": "float32"}})
	scale, offset := n.rescaling()
	first := k.on(picture, "Rescaling", map[string]any{"scale": scale, "offset": offset})
	at := make([]int, len(n.layers))
	for i := range n.layers {
		l := &n.layers[i]
		if at[i], err = k.layer(l, l.reads(at, first), numbers[l.name]); err != nil {
			return nil, err
		}
	}
	if n.head != nil {
		k.classify(n, at[len(at)-1])
	}
	return k, nil
}

// rescaling is y = scale x + offset for the recipe's (x - mean) / std: numbers, or lists of them
// where the channels differ.
func (n *network) rescaling() (scale, offset any) {
	var s, o [3]float64
	for c := range 3 {
		s[c] = 1 / float64(n.Recipe.Std[c])
		o[c] = -float64(n.Recipe.Mean[c]) / float64(n.Recipe.Std[c])
	}
	if s[0] == s[1] && s[1] == s[2] && o[0] == o[1] && o[1] == o[2] {
		return s[0], o[0]
	}
	return s, o
}

// created says which of the convolutions each one is, by Keras's order of creation.
func (n *network) created() (map[string]int, error) {
	list, err := n.convolutions()
	out := map[string]int{}
	for i, l := range list {
		out[l.name] = i
	}
	return out, err
}

// layer adds a layer of the trunk; number is a convolution's.
func (k *kerasModel) layer(l *layer, in []int, number int) (int, error) {
	shape := slices.Clone(l.shape)
	if len(shape) == 3 {
		shape = []int{l.shape[1], l.shape[2], l.shape[0]}
	}
	from := k.layers[in[0]].shape
	switch l.kind {
	case concat:
		return k.add(kerasLayer{class: "Concatenate", name: mixed[strings.TrimSuffix(l.name, ".concat")], in: in,
			shape: shape, config: map[string]any{"axis": -1}}), nil
	case join:
		return k.add(kerasLayer{class: "Concatenate", in: in, shape: shape, config: map[string]any{"axis": -1}}), nil
	case globalMean:
		return k.add(kerasLayer{class: "GlobalAveragePooling2D", in: in, shape: shape}), nil
	case globalMax:
		return k.add(kerasLayer{class: "GlobalMaxPooling2D", in: in, shape: shape}), nil
	case flatten:
		return k.add(kerasLayer{class: "Flatten", in: in, shape: shape}), nil
	}
	padding, err := l.padding2(from)
	if err != nil {
		return 0, err
	}
	config := map[string]any{"padding": padding, "strides": l.stride}
	if l.kind != convolution {
		if l.border && l.padded() {
			p := l.padding
			pads := [2][2]int{{p.Top, p.Bottom}, {p.Left, p.Right}}
			in = []int{k.add(kerasLayer{class: "ZeroPadding2D", in: in, config: map[string]any{"padding": pads},
				shape: []int{from[0] + p.Top + p.Bottom, from[1] + p.Left + p.Right, from[2]}})}
			config["padding"] = "valid"
		}
		config["pool_size"] = l.kernel
		class := map[kind]string{maxPool: "MaxPooling2D", avgPool: "AveragePooling2D"}[l.kind]
		return k.add(kerasLayer{class: class, in: in, shape: shape, config: config}), nil
	}
	c := l.filter[0]
	config["filters"], config["kernel_size"], config["use_bias"] = c, l.kernel, false
	conv := k.add(kerasLayer{class: "Conv2D", name: numbered("conv2d", number), in: in, shape: shape, config: config,
		vars: []variable{{[]int{l.filter[2], l.filter[3], l.filter[1], c}, l.hwio}}})
	norm := k.add(kerasLayer{class: "BatchNormalization", name: numbered("batch_normalization", number), in: []int{conv},
		shape: shape, config: map[string]any{"axis": -1, "epsilon": normEps, "scale": false},
		vars: []variable{stored(l.bias, c), stored(filled(c, 0), c), stored(filled(c, normVariance), c)}})
	return k.add(kerasLayer{class: "Activation", name: numbered("activation", number), in: []int{norm}, shape: shape,
		config: map[string]any{"activation": "relu"}}), nil
}

// padding2 is a window's padding as Keras and TensorFlow name it, for what it reads: [H,W,...].
func (l *layer) padding2(from []int) (string, error) {
	switch {
	case !l.padded():
		return "valid", nil
	case l.same(from[0], from[1]):
		return "same", nil
	}
	return "", fmt.Errorf("%q pads by %+v, which has no name in TensorFlow", l.name, l.padding)
}

// mixed is what keras.applications calls the blocks of torchvision.
var mixed = map[string]string{"Mixed_5b": "mixed0", "Mixed_5c": "mixed1", "Mixed_5d": "mixed2", "Mixed_6a": "mixed3",
	"Mixed_6b": "mixed4", "Mixed_6c": "mixed5", "Mixed_6d": "mixed6", "Mixed_6e": "mixed7", "Mixed_7a": "mixed8",
	"Mixed_7b": "mixed9", "Mixed_7c": "mixed10"}

// classify adds the head.
func (k *kerasModel) classify(n *network, at int) {
	for i := range n.head.Before {
		at = k.before(&n.head.Before[i], at)
	}
	w, b := n.last()
	k.dense("predictions", at, w, b, string(n.activation()))
}

func (k *kerasModel) dense(name string, in int, w, b []float32, activation string) int {
	units := len(b)
	return k.add(kerasLayer{class: "Dense", name: name, in: []int{in}, shape: []int{units},
		config: map[string]any{"units": units, "activation": activation},
		vars: []variable{{[]int{len(w) / units, units}, func() []float32 { return transposed(w, units) }},
			stored(b, units)}})
}

// before adds a layer that stands before the head's last.
func (k *kerasModel) before(l *inception.HeadLayer, in int) int {
	activation := func(name string) int { return k.on(in, "Activation", map[string]any{"activation": name}) }
	switch l.Kind {
	case inception.LayerDense:
		return k.dense("", in, l.W, l.B, "linear")
	case inception.LayerScale:
		c := len(l.W)
		return k.on(in, "BatchNormalization", map[string]any{"axis": -1, "epsilon": normEps}, stored(l.W, c),
			stored(l.B, c), stored(filled(c, 0), c), stored(filled(c, normVariance), c))
	case inception.LayerLeakyReLU:
		return k.on(in, "LeakyReLU", map[string]any{"negative_slope": l.Alpha})
	case inception.LayerELU:
		return k.on(in, "ELU", map[string]any{"alpha": l.Alpha})
	case inception.LayerSwish:
		return activation("silu")
	case inception.LayerHardSwish:
		return activation("hard_silu")
	case inception.LayerHardSigmoid: // Keras's own has one slope alone
		scaled := k.on(in, "Rescaling", map[string]any{"scale": 6 * l.Alpha, "offset": 3})
		return k.on(k.on(scaled, "Activation", map[string]any{"activation": "relu6"}), "Rescaling",
			map[string]any{"scale": 1.0 / 6, "offset": 0})
	case inception.LayerPReLU:
		return k.on(in, "PReLU", map[string]any{"shared_axes": nil}, stored(l.W, len(l.W)))
	case inception.LayerNorm:
		return k.on(in, "LayerNormalization", map[string]any{"axis": -1, "epsilon": l.Alpha, "center": false, "scale": false})
	case inception.LayerL2:
		return k.on(in, "UnitNormalization", map[string]any{"axis": -1})
	}
	return activation(string(l.Kind)) // of these names there as well
}

// listed is the order in which Keras lists the layers when it loads the model, and by which it counts
// them in the file of weights: the farthest from the output first, those of one distance as a walk
// from the output meets them.
func (k *kerasModel) listed() []int {
	depth, met := make([]int, len(k.layers)), map[int]int{}
	for i := len(k.layers) - 1; i >= 0; i-- { // readers come before what they read
		for _, v := range k.layers[i].in {
			depth[v] = max(depth[v], depth[i]+1)
		}
	}
	var meet func(i int)
	meet = func(i int) {
		if _, ok := met[i]; ok {
			return
		}
		met[i] = len(met)
		for _, v := range k.layers[i].in {
			meet(v)
		}
	}
	meet(len(k.layers) - 1)
	order := make([]int, len(k.layers))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if d := depth[b] - depth[a]; d != 0 {
			return d
		}
		return met[a] - met[b]
	})
	return order
}

// datasets are the variables, by the layers' classes and places in the list.
func (k *kerasModel) datasets(order []int) (out []hdf5.Dataset) {
	places := map[string]int{}
	for _, i := range order {
		l := k.layers[i]
		group := numbered(snake[l.class], places[l.class])
		places[l.class]++
		for j, v := range l.vars {
			out = append(out, hdf5.Dataset{Path: "layers/" + group + "/vars/" + strconv.Itoa(j), Shape: v.shape,
				Values: v.values})
		}
	}
	return out
}

// describe is config.json.
func (k *kerasModel) describe(order []int) ([]byte, error) {
	if len(k.layers) == 0 {
		return nil, errors.New("has no layers")
	}
	object := func(module, class string, config any) map[string]any {
		return map[string]any{"module": module, "class_name": class, "config": config, "registered_name": nil}
	}
	tensor := func(i int) any {
		l := k.layers[i]
		return map[string]any{"class_name": "__keras_tensor__", "config": map[string]any{"dtype": "float32",
			"shape": append([]any{nil}, anys(l.shape)...), "keras_history": []any{l.name, 0, 0}}}
	}
	var layers []any
	for _, i := range order {
		l := k.layers[i]
		o := object("keras.layers", l.class, l.config)
		o["name"], o["inbound_nodes"] = l.name, []any{}
		if len(l.in) > 0 {
			var args []any
			for _, v := range l.in {
				args = append(args, tensor(v))
			}
			if l.class == "Concatenate" {
				args = []any{args}
			}
			o["inbound_nodes"] = []any{map[string]any{"args": args, "kwargs": map[string]any{}}}
		}
		layers = append(layers, o)
	}
	end := func(i int) []any { return []any{[]any{k.layers[i].name, 0, 0}} }
	model := object("keras.src.models.functional", "Functional", map[string]any{"name": "inception_v3", "trainable": true,
		"layers": layers, "input_layers": end(0), "output_layers": end(len(k.layers) - 1)})
	model["registered_name"] = "Functional" // it has no public name, and Keras itself writes this one
	return json.Marshal(model)
}

func anys(v []int) (out []any) {
	for _, x := range v {
		out = append(out, x)
	}
	return out
}
