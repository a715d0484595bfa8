package coreml

import (
	"errors"
	"fmt"
	"slices"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
)

// operators are MIL's names of ONNX's operators, with the arguments that are their inputs.
var operators = map[string]struct {
	op     string
	inputs []string
}{
	"conv": {"Conv", []string{"x", "weight", "bias"}}, "linear": {"Gemm", []string{"x", "weight", "bias"}},
	"matmul": {"Gemm", []string{"x", "y"}}, "relu": {"Relu", nil}, "max_pool": {"MaxPool", nil},
	"avg_pool": {"AveragePool", nil}, "concat": {"Concat", []string{"values"}}, "reduce_mean": {"ReduceMean", nil},
	"reduce_max": {"ReduceMax", nil}, "cast": {"Cast", nil}, "identity": {"Identity", nil}, "reshape": {"Reshape", nil},
	"squeeze": {"Squeeze", nil}, "expand_dims": {"Unsqueeze", nil}, "flatten2d": {"Flatten", nil},
	"transpose": {"Transpose", nil}, "add": {"Add", []string{"x", "y"}}, "sub": {"Sub", []string{"x", "y"}},
	"mul": {"Mul", []string{"x", "y"}}, "real_div": {"Div", []string{"x", "y"}}, "softmax": {"Softmax", nil},
	"sigmoid": {"Sigmoid", nil}, "tanh": {"Tanh", nil}, "silu": {"Swish", nil}, "gelu": {"Gelu", nil}, "elu": {"Elu", nil},
	"leaky_relu": {"LeakyRelu", nil}, "softplus": {"Softplus", nil}, "softsign": {"Softsign", nil},
	"sigmoid_hard": {"HardSigmoid", nil}, "prelu": {"PRelu", []string{"x", "alpha"}}, "abs": {"Abs", nil},
	"relu6": {"Clip", nil}, "clip": {"Clip", nil},
	"batch_norm": {"BatchNormalization", []string{"x", "gamma", "beta", "mean", "variance"}},
	"gather":     {"Gather", []string{"x", "indices"}}, "reduce_l2_norm": {"ReduceL2", nil}, "sqrt": {"Sqrt", nil},
	"reverse": {"ReverseV2", nil}, "upsample_bilinear": {"Resize", nil}, "resize_bilinear": {"Resize", nil},
}

// first is the one value of an argument, "" when it is left out.
func (o *operation) first(name string) string {
	if v := o.inputs[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// ints are the integers of an argument.
func (f *reader) ints(o *operation, name string) []int64 {
	if k := f.Consts[o.first(name)]; k != nil && len(k.Ints) == k.Len() {
		return k.Ints
	}
	return nil
}

// truth is an argument of one boolean.
func (f *reader) truth(o *operation, name string) bool {
	v := f.ints(o, name)
	return len(v) == 1 && v[0] != 0
}

// float is an argument of one number.
func (f *reader) float(o *operation, name string, missing float64) (float64, error) {
	k := f.Consts[o.first(name)]
	if k == nil {
		return missing, nil
	}
	if k.Len() != 1 || !k.DType.Float() {
		return 0, fmt.Errorf("its %s is of shape %v and %v, want one number", name, k.Shape, k.DType)
	}
	v, err := k.Float32s()
	if err != nil {
		return 0, err
	}
	return float64(v[0]), nil
}

// text is an argument of one text.
func (f *reader) text(o *operation, name string) string { return f.Texts[o.first(name)] }

// translate gives a node ONNX's name, inputs and attributes.
func (f *reader) translate(n *graph.Node, o *operation) error {
	known, ok := operators[o.kind]
	if !ok {
		n.Inputs = append(n.Inputs, o.first("x"))
		switch {
		case o.kind == "classify":
			if f.Labels = f.lists[o.first("classes")]; f.Labels == nil && f.Texts[o.first("classes")] != "" {
				f.Labels = []string{f.text(o, "classes")}
			}
			n.Op, n.Inputs = "ArgMax", []string{o.first("probabilities")}
		case len(o.kind) > 10 && o.kind[:10] == "constexpr_":
			return errors.New("holds compressed weights: convert the network without compression")
		}
		return nil
	}
	n.Op = known.op
	names := known.inputs
	if names == nil {
		names = []string{"x"}
	}
	for _, name := range names {
		if v := o.inputs[name]; len(v) > 0 {
			n.Inputs = append(n.Inputs, v...)
		} else if name != "bias" {
			n.Inputs = append(n.Inputs, "")
		}
	}
	if len(n.Inputs) == 0 || n.Inputs[0] == "" {
		return errors.New("has no input")
	}
	return f.attributes(n, o)
}

// attributes gives a node ONNX's attributes.
func (f *reader) attributes(n *graph.Node, o *operation) (err error) {
	float := func(from, to string, missing float64) {
		v, e := f.float(o, from, missing)
		n.Attrs[to] = graph.Attr{Float: v}
		err = errors.Join(err, e)
	}
	switch o.kind {
	case "conv", "max_pool", "avg_pool":
		return f.window(n, o)
	case "linear":
		n.Attrs["transB"] = graph.Attr{Int: 1}
	case "matmul":
		if f.truth(o, "transpose_x") {
			return errors.New("its input is transposed")
		}
		if f.truth(o, "transpose_y") {
			n.Attrs["transB"] = graph.Attr{Int: 1}
		}
	case "concat", "softmax":
		axis := f.ints(o, "axis")
		if len(axis) != 1 || f.truth(o, "interleave") {
			return errors.New("its axis is not constant, or it interleaves")
		}
		n.Attrs["axis"] = graph.Attr{Int: axis[0]}
	case "reduce_mean", "reduce_max", "reduce_l2_norm":
		axes := slices.Clone(f.ints(o, "axes"))
		slices.Sort(axes)
		if n.Attrs["axes"] = (graph.Attr{Ints: axes}); len(axes) == 0 {
			return errors.New("its axes are not constant")
		}
	case "gelu":
		if m := f.text(o, "mode"); m != "" && m != "EXACT" {
			n.Attrs["approximate"] = graph.Attr{Text: "tanh"}
		}
	case "elu":
		float("alpha", "alpha", 1)
	case "sigmoid_hard":
		float("alpha", "alpha", 0.2)
		float("beta", "beta", 0.5)
	case "leaky_relu":
		float("alpha", "alpha", 0.01)
	case "relu6":
		n.Attrs["min"], n.Attrs["max"] = graph.Attr{Float: 0}, graph.Attr{Float: 6}
	case "clip":
		float("alpha", "min", 0)
		float("beta", "max", 0)
	case "batch_norm":
		float("epsilon", "epsilon", 1e-5)
	}
	return err
}

// window reads the geometry of a convolution or a pool. MIL's pads are begin and end of each axis
// in turn, ONNX's all beginnings and then all ends.
func (f *reader) window(n *graph.Node, o *operation) error {
	n.Attrs["strides"] = graph.Attr{Ints: f.ints(o, "strides")}
	n.Attrs["dilations"] = graph.Attr{Ints: f.ints(o, "dilations")}
	n.Attrs["kernel_shape"] = graph.Attr{Ints: f.ints(o, "kernel_sizes")}
	if g := f.ints(o, "groups"); len(g) == 1 {
		n.Attrs["group"] = graph.Attr{Int: g[0]}
	}
	switch kind := f.text(o, "pad_type"); kind {
	case "valid":
	case "same", "same_lower":
		n.Attrs["auto_pad"] = graph.Attr{Text: "SAME_UPPER"}
	case "custom":
		p := f.ints(o, "pad")
		if len(p) != 4 {
			return fmt.Errorf("its pad is %v, want four numbers", p)
		}
		n.Attrs["pads"] = graph.Attr{Ints: []int64{p[0], p[2], p[1], p[3]}}
	default:
		return fmt.Errorf("its pad_type is %q, want valid, same or custom", kind)
	}
	if f.truth(o, "ceil_mode") {
		n.Attrs["ceil_mode"] = graph.Attr{Int: 1}
	}
	if o.kind == "avg_pool" && !f.truth(o, "exclude_padding_from_average") {
		n.Attrs["count_include_pad"] = graph.Attr{Int: 1}
	}
	return nil
}
