package keras

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// params are the entries of layers' configs that decide the numbers.
type params struct {
	Strides    []int64         `json:"strides"`
	Pool       []int64         `json:"pool_size"`
	Dilation   []int64         `json:"dilation_rate"`
	Groups     *int64          `json:"groups"`
	Padding    any             `json:"padding"` // "same" or "valid"; of ZeroPadding2D numbers
	Format     string          `json:"data_format"`
	UseBias    *bool           `json:"use_bias"`
	Activation any             `json:"activation"`
	Axis       json.RawMessage `json:"axis"`
	Epsilon    *float64        `json:"epsilon"`
	Scale      any             `json:"scale"` // of Rescaling a number, of BatchNormalization a bool
	Offset     any             `json:"offset"`
	Center     *bool           `json:"center"`
	Mean       any             `json:"mean"`
	Variance   any             `json:"variance"`
	Invert     bool            `json:"invert"`
	Alpha      any             `json:"alpha"`
	Slope      any             `json:"negative_slope"`
	RMS        bool            `json:"rms_scaling"`
	Max        *float64        `json:"max_value"`
	Threshold  *float64        `json:"threshold"`
	Function   any             `json:"function"`
	Height     int             `json:"height"`
	Width      int             `json:"width"`
}

// idle are layers that do nothing when a network answers.
var idle = map[string]bool{"Dropout": true, "SpatialDropout2D": true, "SpatialDropout1D": true, "GaussianNoise": true,
	"GaussianDropout": true, "AlphaDropout": true, "ActivityRegularization": true, "Identity": true, "RandomFlip": true,
	"RandomRotation": true, "RandomZoom": true, "RandomTranslation": true, "RandomContrast": true,
	"RandomBrightness": true,
	"RandomHue":        true, "RandomSaturation": true, "RandomErasing": true, "RandomShear": true,
	"RandomColorJitter": true,
	"RandomGrayscale":   true, "RandomSharpness": true, "RandomPerspective": true, "RandomGaussianBlur": true,
	"Cast": true}

// activations are Keras's names and the operators.
var activations = map[string]string{"relu": "Relu", "relu6": "Relu6", "sigmoid": "Sigmoid", "softmax": "Softmax",
	"tanh": "Tanh", "selu": "Selu", "elu": "Elu", "swish": "Swish", "silu": "Swish", "gelu": "Gelu",
	"log_softmax": "LogSoftmax", "softplus": "Softplus", "softsign": "Softsign", "mish": "Mish",
	"hard_sigmoid": "HardSigmoid", "hard_swish": "HardSwish", "hard_silu": "HardSwish",
	"leaky_relu": "LeakyRelu"}

// arithmetic are the functions of two arguments that people put in front of a network.
var arithmetic = map[string]string{"TrueDivide": "RealDiv", "Divide": "RealDiv", "Subtract": "Sub", "Multiply": "Mul",
	"Add": "AddV2", "math.truediv": "RealDiv", "truediv": "RealDiv", "math.divide": "RealDiv", "math.subtract": "Sub",
	"subtract": "Sub", "__operators__.sub": "Sub", "math.multiply": "Mul", "multiply": "Mul", "__operators__.mul": "Mul",
	"math.add": "AddV2", "add": "AddV2", "__operators__.add": "AddV2", "__operators__.truediv": "RealDiv"}

// apply builds one use of a layer.
func (s *scope) apply(l *layer, c call, in []string) ([]string, error) {
	if s.budget--; s.budget < 0 {
		return nil, fmt.Errorf("more than %d layers are used", maxLayers)
	}
	step := s.steps[l.Name]
	if isModel(l.Class) {
		return s.model(l.Class, l.Config, append(slices.Clone(s.path), step), in)
	}
	if len(in) == 0 {
		return nil, fmt.Errorf("layer %q of class %q reads nothing", l.Name, l.Class)
	}
	var p params
	if err := decode(l.Config, &p); err != nil {
		return nil, fmt.Errorf("layer %q of class %q: %w", l.Name, l.Class, err)
	}
	u := &use{scope: s, l: l, p: p, c: c, name: s.unique(s.name(l)),
		weights: s.weights.Layer(append(slices.Clone(s.path), step))}
	v, err := u.build(in)
	if err != nil {
		return nil, fmt.Errorf("layer %q of class %q: %w", s.name(l), l.Class, err)
	}
	return []string{v}, nil
}

// unique is a name that no value has yet.
func (b *builder) unique(name string) string {
	for i := 0; ; i++ {
		n := name
		if i > 0 {
			n = fmt.Sprintf("%s#%d", name, i)
		}
		if b.g.By[n] == nil && b.g.Consts[n] == nil {
			return n
		}
	}
}

// use is one use of a layer with what it needs.
type use struct {
	*scope
	l       *layer
	p       params
	c       call
	name    string
	weights map[string]raw.Tensor
	parts   int
}

// node adds an operator and returns its value; the last of a layer has the layer's name.
func (u *use) node(op string, in []string, attrs map[string]graph.Attr) (string, error) {
	v := u.unique(u.name)
	if u.parts > 0 {
		v = u.unique(fmt.Sprintf("%s/%s", u.name, op))
	}
	u.parts++
	if attrs == nil {
		attrs = map[string]graph.Attr{}
	}
	return v, u.g.Add(&graph.Node{Name: v, Op: op, Inputs: in, Attrs: attrs, At: -1}, v)
}

// weight adds one of the layer's tensors as a constant.
func (u *use) weight(kind string) (string, error) {
	t, ok := u.weights[kind]
	if !ok {
		return "", fmt.Errorf("its %s is missing: the file does not hold a whole model; save it again", kind)
	}
	v := u.unique(u.name + "/" + kind)
	if u.g.Consts[v] == nil {
		name := t.Name
		k := &graph.Const{Tensor: t}
		k.Name = name
		return v, u.g.AddConst(v, k)
	}
	return v, nil
}

// numbers adds a constant of the config.
func (u *use) numbers(kind string, x []float64) (string, error) {
	v := u.unique(u.name + "/" + kind)
	k := &graph.Const{Tensor: raw.Tensor{Name: v, DType: raw.F32, Offset: -1, Shape: []int{len(x)},
		Load: func(dst []float32) error {
			for i, f := range x {
				dst[i] = float32(f)
			}
			return nil
		}}}
	if len(x) == 1 {
		k.Shape = nil
	}
	return v, u.g.AddConst(v, k)
}

// build adds the operators of a layer.
func (u *use) build(in []string) (string, error) {
	class := u.l.Class
	if op := arithmetic[class]; op != "" {
		return u.binary(op, in)
	}
	switch {
	case idle[class]:
		return u.node("Identity", in[:1], nil)
	case class == "Conv2D":
		return u.conv(in)
	case class == "Dense":
		return u.linear("MatMul", in, nil)
	case class == "BatchNormalization":
		return u.norm(in)
	case class == "Activation":
		return u.activate(in[0])
	case class == "ReLU", class == "LeakyReLU", class == "ELU", class == "Softmax":
		return u.activationLayer(in[0])
	case class == "MaxPooling2D", class == "AveragePooling2D":
		return u.pool(in)
	case class == "GlobalAveragePooling2D", class == "GlobalMaxPooling2D":
		if err := last(u.p.Format); err != nil {
			return "", err
		}
		op := map[string]string{"GlobalAveragePooling2D": "Mean", "GlobalMaxPooling2D": "GlobalMaxPool"}[class]
		return u.node(op, in[:1], nil)
	case class == "Concatenate":
		return u.concatenate(in)
	case class == "Flatten", class == "Reshape":
		return u.node("Reshape", in[:1], nil)
	case class == "PReLU":
		return u.prelu(in[0])
	case class == "LayerNormalization":
		return u.layerNorm(in[0])
	case class == "UnitNormalization":
		return u.node("LpNormalization", in[:1], map[string]graph.Attr{"axis": {Int: -1}})
	case class == "ZeroPadding2D":
		return u.border(in[0])
	case class == "Rescaling":
		return u.rescale(in[0])
	case class == "Normalization":
		return u.normalise(in[0])
	case class == "TFOpLambda":
		name := fmt.Sprint(u.p.Function)
		if op := arithmetic[strings.TrimPrefix(name, "tf.")]; op != "" {
			return u.binary(op, in)
		}
		if name == "cast" {
			return u.node("Identity", in[:1], nil)
		}
	case class == "Resizing" && u.p.Height > 0 && u.p.Height == u.p.Width && u.g.Sizes[in[0]] == u.p.Height:
		return u.node("Identity", in[:1], nil)
	}
	return u.node(class, in, nil)
}

// concatenate joins values along an axis.
func (u *use) concatenate(in []string) (string, error) {
	axis, err := axisOf(u.p.Axis, 4)
	if err != nil {
		return "", err
	}
	k := u.unique(u.name + "/axis")
	c := &graph.Const{Tensor: raw.Tensor{Name: k, DType: raw.I32, Offset: -1, Load: raw.NotFloat}, Ints: []int64{axis}}
	if err := u.g.AddConst(k, c); err != nil {
		return "", err
	}
	return u.node("ConcatV2", append(slices.Clone(in), k), nil)
}

// prelu adds a ReLU with slopes of its own below zero.
func (u *use) prelu(v string) (string, error) {
	slopes, err := u.weight("alpha")
	if err != nil {
		return "", err
	}
	return u.node("PRelu", []string{v, slopes}, nil)
}

func last(format string) error {
	if format != "" && format != "channels_last" {
		return fmt.Errorf("data_format is %q, want channels_last", format)
	}
	return nil
}

// axisOf reads an axis, a number or a list of one, as one of n axes or as -1 for the last.
func axisOf(data json.RawMessage, n int64) (int64, error) {
	v := int64(-1)
	if len(data) > 0 && string(data) != "null" {
		var list []int64
		if json.Unmarshal(data, &list) == nil && len(list) == 1 {
			v = list[0]
		} else if err := json.Unmarshal(data, &v); err != nil {
			return 0, fmt.Errorf("axis is %s, want a number", data)
		}
	}
	if v == n-1 {
		v = -1
	}
	return v, nil
}

// window are the attributes that convolutions and pools share.
func (u *use) window(sizes string, size []int64) (map[string]graph.Attr, error) {
	if err := last(u.p.Format); err != nil {
		return nil, err
	}
	strides := u.p.Strides
	if strides == nil {
		strides = size
	}
	if len(strides) != 2 {
		return nil, fmt.Errorf("strides are %v, want two", strides)
	}
	a := map[string]graph.Attr{"strides": {Ints: []int64{1, strides[0], strides[1], 1}},
		"padding": {Text: strings.ToUpper(fmt.Sprint(u.p.Padding))}}
	if sizes != "" {
		if len(size) != 2 {
			return nil, fmt.Errorf("%s is %v, want two", sizes, size)
		}
		a[sizes] = graph.Attr{Ints: []int64{1, size[0], size[1], 1}}
	}
	return a, nil
}

// border adds zeros around a map: one number for all sides, two for height and width, or two pairs.
func (u *use) border(v string) (string, error) {
	p, err := list(u.p.Padding)
	if err = errors.Join(err, last(u.p.Format)); err != nil {
		return "", err
	}
	switch len(p) {
	case 1:
		p = []float64{p[0], p[0], p[0], p[0]}
	case 2:
		p = []float64{p[0], p[0], p[1], p[1]}
	}
	k := &graph.Const{Tensor: raw.Tensor{Name: u.name + "/pads", DType: raw.I32, Offset: -1, Load: raw.NotFloat}}
	k.Ints = []int64{0, 0}
	for _, x := range p {
		k.Ints = append(k.Ints, int64(min(max(x, -1), 1<<10)))
	}
	k.Ints = append(k.Ints, 0, 0)
	k.Name = u.unique(k.Name)
	if err := u.g.AddConst(k.Name, k); err != nil {
		return "", err
	}
	return u.node("Pad", []string{v, k.Name}, nil)
}

func (u *use) pool(in []string) (string, error) {
	a, err := u.window("ksize", u.p.Pool)
	if err != nil {
		return "", err
	}
	return u.node(map[string]string{"MaxPooling2D": "MaxPool", "AveragePooling2D": "AvgPool"}[u.l.Class], in[:1], a)
}

func (u *use) conv(in []string) (string, error) {
	if u.p.Groups != nil && *u.p.Groups != 1 {
		return "", fmt.Errorf("has %d groups, want 1", *u.p.Groups)
	}
	a, err := u.window("", nil)
	if err != nil {
		return "", err
	}
	a["dilations"] = graph.Attr{Ints: u.p.Dilation}
	return u.linear("Conv2D", in, a)
}

// linear adds what has a kernel, perhaps a bias and perhaps an activation.
func (u *use) linear(op string, in []string, a map[string]graph.Attr) (string, error) {
	kernel, err := u.weight("kernel")
	if err != nil {
		return "", err
	}
	v, err := u.node(op, []string{in[0], kernel}, a)
	if err != nil {
		return "", err
	}
	if u.p.UseBias == nil || *u.p.UseBias {
		bias, err := u.weight("bias")
		if err != nil {
			return "", err
		}
		if v, err = u.node("BiasAdd", []string{v, bias}, nil); err != nil {
			return "", err
		}
	}
	return u.activate(v)
}

// activate adds the activation that a layer names.
func (u *use) activate(v string) (string, error) {
	name, attrs := u.p.Activation, map[string]graph.Attr{}
	if m, ok := name.(map[string]any); ok { // a layer, or a function of another package, as an object
		config, _ := m["config"].(map[string]any)
		if name = m["class_name"]; name == "function" {
			name = m["config"]
		}
		if slope, ok := config["negative_slope"].(float64); ok {
			attrs["alpha"] = graph.Attr{Float: slope}
		}
		if config["max_value"] != nil && config["max_value"] != 6.0 {
			name = fmt.Sprintf("%v to %v", name, config["max_value"])
		}
	}
	if name == nil || name == "linear" {
		if u.parts == 0 {
			return u.node("Identity", []string{v}, nil)
		}
		return v, nil
	}
	text := fmt.Sprint(name)
	if at := strings.LastIndexAny(text, ">."); at >= 0 {
		text = text[at+1:]
	}
	if text == "LeakyReLU" {
		text = "leaky_relu"
	}
	op := activations[strings.ToLower(text)]
	if op == "" {
		op = "activation " + text
	}
	if op == "HardSigmoid" {
		attrs["alpha"] = graph.Attr{Float: u.hard}
	}
	if op == "Gelu" { // keras.activations.gelu is exact unless it is told otherwise, which only Python code can
		attrs = nil
	}
	return u.node(op, []string{v}, attrs)
}

// number reads a number of a config, or an array with one in it; missing stands for null.
func number(v any, missing float64) (float64, error) {
	switch v := v.(type) {
	case nil:
		return missing, nil
	case float64:
		return v, nil
	}
	x, err := list(v)
	if err == nil && len(x) != 1 {
		err = fmt.Errorf("got %d numbers, want one", len(x))
	}
	if err != nil {
		return 0, err
	}
	return x[0], nil
}

// list reads numbers: one, a list (of lists) or Keras 3's {"class_name": "__numpy__", "config":
// {"value": ...}}.
func list(v any) (out []float64, err error) {
	switch v := v.(type) {
	case float64:
		return []float64{v}, nil
	case []any:
		for _, x := range v {
			y, err := list(x)
			if err != nil {
				return nil, err
			}
			if out = append(out, y...); len(out) > 1<<16 {
				return nil, errors.New("too many numbers")
			}
		}
		return out, nil
	case map[string]any:
		if c, ok := v["config"].(map[string]any); ok && c["value"] != nil {
			return list(c["value"])
		}
	}
	return nil, fmt.Errorf("%v is not a number", v)
}

func (u *use) activationLayer(v string) (string, error) {
	slope := u.p.Slope
	if slope == nil {
		slope = u.p.Alpha
	}
	missing := map[string]float64{"LeakyReLU": 0.3, "ELU": 1}[u.l.Class]
	alpha, err := number(slope, missing)
	if err != nil {
		return "", err
	}
	attrs := map[string]graph.Attr{"alpha": {Float: alpha}}
	switch u.l.Class {
	case "Softmax":
		axis, err := axisOf(u.p.Axis, 2)
		if err != nil {
			return "", err
		}
		return u.node("Softmax", []string{v}, map[string]graph.Attr{"axis": {Int: axis}})
	case "LeakyReLU":
		return u.node("LeakyRelu", []string{v}, attrs)
	case "ELU":
		return u.node("Elu", []string{v}, attrs)
	}
	switch {
	case u.p.Threshold != nil && *u.p.Threshold != 0, u.p.Max != nil && (*u.p.Max != 6 || alpha != 0):
		return u.node("ReLU with limits", []string{v}, nil)
	case u.p.Max != nil:
		return u.node("Relu6", []string{v}, nil)
	case alpha != 0:
		return u.node("LeakyRelu", []string{v}, attrs)
	}
	return u.node("Relu", []string{v}, nil)
}

// norm adds a batch norm at inference.
func (u *use) norm(in []string) (string, error) {
	axis, err := axisOf(u.p.Axis, 4)
	if err == nil && axis != -1 && axis != 1 { // 1 is the last axis behind the pool
		err = fmt.Errorf("axis is %d, want the last", axis)
	}
	if err != nil {
		return "", err
	}
	inputs := []string{in[0]}
	scaled, ok := u.p.Scale.(bool)
	for _, part := range []struct {
		kind string
		has  bool
	}{{"gamma", !ok || scaled}, {"beta", u.p.Center == nil || *u.p.Center}, {"moving_mean", true},
		{"moving_variance", true}} {
		v := ""
		if part.has {
			if v, err = u.weight(part.kind); err != nil {
				return "", err
			}
		}
		inputs = append(inputs, v)
	}
	eps := 1e-3
	if u.p.Epsilon != nil {
		eps = *u.p.Epsilon
	}
	return u.node("FusedBatchNormV3", inputs, map[string]graph.Attr{"is_training": {}, "epsilon": {Float: eps}})
}

// layerNorm adds a layer norm over the last axis.
func (u *use) layerNorm(v string) (string, error) {
	axis, err := axisOf(u.p.Axis, 2)
	if err != nil {
		return "", err
	}
	inputs := []string{v, "", ""}
	scaled, ok := u.p.Scale.(bool)
	for i, has := range []bool{!ok || scaled, u.p.Center == nil || *u.p.Center} {
		if has {
			if inputs[i+1], err = u.weight([]string{"gamma", "beta"}[i]); err != nil {
				return "", err
			}
		}
	}
	eps := 1e-3
	if u.p.Epsilon != nil {
		eps = *u.p.Epsilon
	}
	if u.p.RMS {
		return u.node("LayerNormalization without its mean", inputs, nil)
	}
	return u.node("LayerNormalization", inputs, map[string]graph.Attr{"axis": {Int: axis}, "epsilon": {Float: eps}})
}

func (u *use) rescale(v string) (string, error) {
	scale, err := list(u.p.Scale)
	if err != nil {
		return "", err
	}
	offset := []float64{0}
	if u.p.Offset != nil {
		if offset, err = list(u.p.Offset); err != nil {
			return "", err
		}
	}
	k, err := u.numbers("scale", scale)
	if err != nil {
		return "", err
	}
	if v, err = u.node("Mul", []string{v, k}, nil); err != nil {
		return "", err
	}
	if k, err = u.numbers("offset", offset); err != nil {
		return "", err
	}
	return u.node("AddV2", []string{v, k}, nil)
}

// normalise adds a Normalization, whose numbers are in its config or among the weights.
func (u *use) normalise(v string) (string, error) {
	axis, err := axisOf(u.p.Axis, 4)
	if err == nil && (axis != -1 || u.p.Invert) {
		err = errors.New("its axis is not the channels', or it works backwards")
	}
	if err != nil {
		return "", err
	}
	parts := [2][]float64{}
	for i, kind := range []string{"mean", "variance"} {
		given := []any{u.p.Mean, u.p.Variance}[i]
		if t, ok := u.weights[kind]; ok && given == nil {
			f, err := t.Float32s()
			if err != nil {
				return "", err
			}
			for _, x := range f {
				parts[i] = append(parts[i], float64(x))
			}
			continue
		}
		if parts[i], err = list(given); err != nil {
			return "", fmt.Errorf("its %s: %w", kind, err)
		}
	}
	for i, x := range parts[1] {
		parts[1][i] = max(math.Sqrt(x), 1e-7)
	}
	k, err := u.numbers("mean", parts[0])
	if err != nil {
		return "", err
	}
	if v, err = u.node("Sub", []string{v, k}, nil); err != nil {
		return "", err
	}
	if k, err = u.numbers("deviation", parts[1]); err != nil {
		return "", err
	}
	return u.node("RealDiv", []string{v, k}, nil)
}

// binary adds a sum, difference, product or quotient; one side may be a number.
func (u *use) binary(op string, in []string) (string, error) {
	args := slices.Clone(u.c.args)
	for _, key := range []string{"y", "x", "x1", "x2"} {
		if v, ok := u.c.kwargs[key]; ok && len(args) < 2 {
			if l, isList := v.([]any); isList {
				if r, isRef := ref2(l); isRef { // the number comes first: this is the tensor
					x, err := u.value(r)
					if err != nil {
						return "", err
					}
					in = append(in, x)
					args = append(args, r)
					continue
				}
			}
			args = append(args, v)
		}
	}
	if len(args) != 2 {
		return u.node(u.l.Class, in, nil)
	}
	var sides []string
	for _, a := range args {
		if _, ok := a.(ref); ok && len(in) > 0 {
			sides, in = append(sides, in[0]), in[1:]
			continue
		}
		x, err := list(a)
		if err != nil {
			return "", err
		}
		k, err := u.numbers("number", x)
		if err != nil {
			return "", err
		}
		sides = append(sides, k)
	}
	return u.node(op, sides, nil)
}

var (
	notWord = regexp.MustCompile(`\W+`)
	humps   = regexp.MustCompile(`(.)([A-Z][a-z]+)`)
	hump    = regexp.MustCompile(`([a-z])([A-Z])`)
)

// Snake is Keras's to_snake_case: GlobalAveragePooling2D -> global_average_pooling2d.
func Snake(class string) string {
	s := notWord.ReplaceAllString(class, "")
	s = humps.ReplaceAllString(s, "${1}_$2")
	return strings.ToLower(hump.ReplaceAllString(s, "${1}_$2"))
}

// Variables are the kinds of a layer's variables in the order in which Keras 3 stores them.
func Variables(class string, config json.RawMessage) []string {
	var p params
	if err := decode(config, &p); err != nil {
		return nil
	}
	switch class {
	case "BatchNormalization":
		out := []string{"moving_mean", "moving_variance"}
		if p.Center == nil || *p.Center {
			out = append([]string{"beta"}, out...)
		}
		if scaled, ok := p.Scale.(bool); !ok || scaled {
			out = append([]string{"gamma"}, out...)
		}
		return out
	case "LayerNormalization":
		var out []string
		if scaled, ok := p.Scale.(bool); !ok || scaled {
			out = []string{"gamma"}
		}
		if p.Center == nil || *p.Center {
			out = append(out, "beta")
		}
		return out
	case "PReLU":
		return []string{"alpha"}
	case "Normalization":
		return []string{"mean", "variance", "count"}
	}
	if p.UseBias != nil && !*p.UseBias {
		return []string{"kernel"}
	}
	return []string{"kernel", "bias"}
}
