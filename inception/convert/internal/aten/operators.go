package aten

import (
	"errors"
	"fmt"
	"slices"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
)

// parameters are the names of operators' arguments in their order, of the operators that are known.
var parameters = map[string]string{
	"conv2d":                               "input weight bias stride padding dilation groups",
	"convolution":                          "input weight bias stride padding dilation transposed output_padding groups",
	"_convolution":                         "input weight bias stride padding dilation transposed output_padding groups",
	"batch_norm":                           "input weight bias running_mean running_var training momentum eps",
	"_native_batch_norm_legit_no_training": "input weight bias running_mean running_var momentum eps",

	"max_pool2d": "self kernel_size stride padding dilation ceil_mode",
	"avg_pool2d": "self kernel_size stride padding ceil_mode count_include_pad divisor_override",

	"max_pool2d_with_indices": "self kernel_size stride padding dilation ceil_mode",
	"adaptive_avg_pool2d":     "self output_size", "_adaptive_avg_pool2d": "self output_size",
	"adaptive_max_pool2d": "self output_size",
	"mean":                "self dim keepdim", "amax": "self dim keepdim", "cat": "tensors dim", "concat": "tensors dim",

	"linear": "input weight bias", "addmm": "self mat1 mat2", "mm": "self mat2", "matmul": "self other", "t": "self",
	"permute": "self dims", "transpose": "self dim0 dim1", "numpy_T": "self",

	"add": "self other alpha", "sub": "self other alpha", "rsub": "self other alpha", "mul": "self other",
	"div": "self other rounding_mode",

	"relu": "self", "relu6": "self", "hardtanh": "self min_val max_val", "sigmoid": "self", "tanh": "self", "silu": "self",
	"gelu": "self approximate", "selu": "self", "elu": "self alpha scale input_scale",
	"leaky_relu": "self negative_slope", "softmax": "self dim", "_softmax": "self dim", "log_softmax": "self dim",
	"_log_softmax": "self dim", "clamp": "self min max", "clamp_min": "self min",

	"softplus": "self beta threshold", "mish": "self", "hardsigmoid": "self", "hardswish": "self", "abs": "self",
	"prelu": "self weight", "_prelu_kernel": "self weight",
	"layer_norm":        "input normalized_shape weight bias eps",
	"native_layer_norm": "input normalized_shape weight bias eps",

	"select": "self dim index", "slice": "self dim start end step", "index": "self indices", "flip": "self dims",
	"index_select": "self dim index", "linalg_vector_norm": "self ord dim keepdim", "norm": "self p dim keepdim",
	"expand": "self size", "expand_as": "self other", "upsample_bilinear2d": "self", "upsample_nearest2d": "self",

	"dropout": "input p train", "feature_dropout": "input p train", "alpha_dropout": "input p train",
	"flatten": "self start_dim end_dim", "reshape": "self shape", "view": "self size", "_unsafe_view": "self size",
	"squeeze": "self dim", "unsqueeze": "self dim", "contiguous": "self", "clone": "self", "detach": "self",
	"alias": "self", "to": "self", "_to_copy": "self", "type_as": "self other", "float": "self", "sqrt": "self",
	"pow": "self exponent", "sum": "self dim keepdim",
}

type emit func(e *Emitter, n *graph.Node, a args, out Tensor) error

// simple is an operator of one input that ONNX has under another name.
func simple(op string) emit {
	return func(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
		n.Op = op
		if a["self"] == nil {
			return a.tensors(n, "input")
		}
		return a.tensors(n, "self")
	}
}

// emitters make nodes of operators.
var emitters = map[string]emit{
	"conv2d": convolution, "convolution": convolution, "_convolution": convolution, "batch_norm": batchNorm,
	"_native_batch_norm_legit_no_training": batchNorm, "max_pool2d": pool, "max_pool2d_with_indices": pool,
	"avg_pool2d": pool, "adaptive_avg_pool2d": global("GlobalAveragePool"),
	"_adaptive_avg_pool2d": global("GlobalAveragePool"), "adaptive_max_pool2d": global("GlobalMaxPool"),
	"mean": reduce("ReduceMean"), "amax": reduce("ReduceMax"), "sum": reduce("ReduceSum"), "cat": join, "concat": join,
	"linear": linear, "addmm": linear, "mm": linear, "matmul": linear, "t": turn, "permute": turn, "transpose": turn,
	"numpy_T": turn, "add": arithmetic("Add"), "sub": arithmetic("Sub"), "rsub": arithmetic("Sub"),
	"mul": arithmetic("Mul"), "div": arithmetic("Div"), "relu": simple("Relu"), "relu6": clip, "hardtanh": clip,
	"clamp": clip, "clamp_min": clip, "sigmoid": simple("Sigmoid"), "tanh": simple("Tanh"), "silu": simple("Swish"),
	"selu": simple("Selu"), "gelu": gelu, "elu": sloped("Elu", "alpha", 1),
	"leaky_relu": sloped("LeakyRelu", "negative_slope", 0.01), "softmax": softmax("Softmax"),
	"_softmax": softmax("Softmax"), "log_softmax": softmax("LogSoftmax"), "_log_softmax": softmax("LogSoftmax"),
	"softplus": softplus, "mish": simple("Mish"), "hardsigmoid": hardSigmoid, "hardswish": simple("HardSwish"),
	"abs": simple("Abs"), "prelu": prelu, "_prelu_kernel": prelu, "layer_norm": layerNorm, "native_layer_norm": layerNorm,
	"select": pick, "slice": slice, "index": index, "index_select": index, "flip": flip,
	"linalg_vector_norm": length("ord"), "norm": length("p"), "expand": simple("Expand"),
	"expand_as": simple("Expand"), "upsample_bilinear2d": simple("Resize"), "upsample_nearest2d": simple("Resize"),
	"dropout": dropout, "feature_dropout": dropout, "alpha_dropout": dropout, "flatten": simple("Flatten"),
	"reshape": simple("Reshape"), "view": simple("Reshape"), "_unsafe_view": simple("Reshape"),
	"squeeze": simple("Squeeze"), "unsqueeze": simple("Unsqueeze"), "sqrt": simple("Sqrt"),
	"contiguous": simple("Identity"), "clone": simple("Identity"), "detach": simple("Identity"),
	"alias": simple("Identity"), "to": simple("Identity"), "_to_copy": simple("Identity"),
	"type_as": simple("Identity"), "float": simple("Identity"),
}

func convolution(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
	if a["transposed"] == true {
		return errors.New("is transposed")
	}
	stride, err := a.two("stride", 1)
	if err != nil {
		return err
	}
	pad, err := a.two("padding", 0)
	if err != nil {
		return err
	}
	dilation, err := a.two("dilation", 1)
	if err != nil {
		return err
	}
	n.Op = "Conv"
	n.Attrs["strides"], n.Attrs["dilations"] = graph.Attr{Ints: stride}, graph.Attr{Ints: dilation}
	n.Attrs["pads"] = graph.Attr{Ints: append(slices.Clone(pad), pad...)}
	n.Attrs["group"] = graph.Attr{Int: a.axis("groups", 1)}
	return a.tensors(n, "input", "weight", "bias")
}

func batchNorm(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
	n.Op = "BatchNormalization"
	n.Attrs["epsilon"] = graph.Attr{Float: a.float("eps", 1e-5)}
	if a["training"] == true {
		n.Attrs["training_mode"] = graph.Attr{Int: 1}
	}
	return a.tensors(n, "input", "weight", "bias", "running_mean", "running_var")
}

func pool(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
	kernel, err := a.two("kernel_size", 0)
	if err != nil {
		return err
	}
	stride, err := a.two("stride", 0)
	if err != nil {
		return err
	}
	if stride[0] == 0 {
		stride = kernel
	}
	pad, err := a.two("padding", 0)
	if err != nil {
		return err
	}
	if d, err := a.two("dilation", 1); err != nil || d[0] != 1 || d[1] != 1 {
		return fmt.Errorf("its dilation is %v, want 1", a["dilation"])
	}
	average := n.Op == "aten.avg_pool2d"
	if n.Op = "MaxPool"; average {
		n.Op = "AveragePool"
		if a["divisor_override"] != nil {
			return errors.New("divides by a number of its own")
		}
		if a["count_include_pad"] != false {
			n.Attrs["count_include_pad"] = graph.Attr{Int: 1}
		}
	}
	n.Attrs["kernel_shape"], n.Attrs["strides"] = graph.Attr{Ints: kernel}, graph.Attr{Ints: stride}
	n.Attrs["pads"] = graph.Attr{Ints: append(slices.Clone(pad), pad...)}
	if a["ceil_mode"] == true {
		n.Attrs["ceil_mode"] = graph.Attr{Int: 1}
	}
	return a.tensors(n, "self")
}

// global is a pool over the whole picture.
func global(op string) emit {
	return func(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
		size, err := a.two("output_size", 0)
		if err != nil {
			return err
		}
		if size[0] == 1 && size[1] == 1 {
			n.Op = op
		}
		return a.tensors(n, "self")
	}
}

func reduce(op string) emit {
	return func(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
		dims, err := a.ints("dim")
		if err != nil || len(dims) == 0 {
			return fmt.Errorf("its axes are %v, want numbers", a["dim"])
		}
		slices.Sort(dims)
		n.Op, n.Attrs["axes"] = op, graph.Attr{Ints: dims}
		return a.tensors(n, "self")
	}
}

func join(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
	list, ok := a["tensors"].([]any)
	if !ok {
		return errors.New("joins something else than a list")
	}
	for _, v := range list {
		t, ok := v.(Tensor)
		if !ok {
			return fmt.Errorf("joins a %T", v)
		}
		n.Inputs = append(n.Inputs, string(t))
	}
	n.Op, n.Attrs["axis"] = "Concat", graph.Attr{Int: a.axis("dim", 0)}
	return nil
}

// linear is a matrix product, with the weights transposed or not.
func linear(e *Emitter, n *graph.Node, a args, _ Tensor) error {
	x, w, bias, turned := "input", "weight", "bias", int64(1)
	switch n.Op {
	case "aten.addmm":
		x, w, bias, turned = "mat1", "mat2", "self", 0
	case "aten.mm":
		x, w, bias, turned = "self", "mat2", "", 0
	case "aten.matmul":
		x, w, bias, turned = "self", "other", "", 0
	}
	weights, ok := a[w].(Tensor)
	if !ok {
		return fmt.Errorf("its %s is a %T, want a tensor", w, a[w])
	}
	if t, ok := e.turned[weights]; ok {
		a[w], turned = t, 1-turned
	}
	n.Op, n.Attrs["transB"] = "Gemm", graph.Attr{Int: turned}
	if bias == "" {
		return a.tensors(n, x, w)
	}
	return a.tensors(n, x, w, bias)
}

// turn changes the order of axes.
func turn(e *Emitter, n *graph.Node, a args, out Tensor) error {
	n.Op = "Transpose"
	order, err := a.ints("dims")
	matrix := (a["dims"] == nil || len(order) == 2 && order[0] == 1 && order[1] == 0)
	if d0, d1 := a.axis("dim0", 0), a.axis("dim1", 1); d0 < 0 || d1 < 0 || d0+d1 != 1 {
		matrix = false
	}
	if t, ok := a["self"].(Tensor); ok && matrix {
		if k := e.G.Consts[string(t)]; k != nil && len(k.Shape) == 2 {
			e.turned[out] = t
		}
	}
	return errors.Join(err, a.tensors(n, "self"))
}

func arithmetic(op string) emit {
	return func(e *Emitter, n *graph.Node, a args, _ Tensor) error {
		if a.float("alpha", 1) != 1 || a["rounding_mode"] != nil {
			return errors.New("is of a variant that is not read")
		}
		x, err := e.input(a["self"])
		if err != nil {
			return err
		}
		y, err := e.input(a["other"])
		if n.Op == "aten.rsub" {
			x, y = y, x
		}
		n.Op, n.Inputs = op, []string{x, y}
		return err
	}
}

func clip(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
	switch n.Op {
	case "aten.relu6":
		a["min"], a["max"] = 0.0, 6.0
	case "aten.hardtanh":
		a["min"], a["max"] = a.float("min_val", -1), a.float("max_val", 1)
	}
	n.Op = "Clip"
	for _, name := range []string{"min", "max"} {
		if f, ok := number(a[name]); ok {
			n.Attrs[name] = graph.Attr{Float: f}
		}
	}
	return a.tensors(n, "self")
}

func gelu(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
	n.Op = "Gelu"
	if text, _ := a["approximate"].(string); text != "" {
		n.Attrs["approximate"] = graph.Attr{Text: text}
	}
	return a.tensors(n, "self")
}

func sloped(op, name string, missing float64) emit {
	return func(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
		if a.float("scale", 1) != 1 || a.float("input_scale", 1) != 1 {
			return errors.New("is of a variant that is not read")
		}
		n.Op, n.Attrs["alpha"] = op, graph.Attr{Float: a.float(name, missing)}
		return a.tensors(n, "self")
	}
}

func softplus(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
	if a.float("beta", 1) != 1 || a.float("threshold", 20) < 20 {
		return errors.New("is of a variant that is not read")
	}
	n.Op = "Softplus"
	return a.tensors(n, "self")
}

func hardSigmoid(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
	n.Op, n.Attrs["alpha"] = "HardSigmoid", graph.Attr{Float: 1.0 / 6}
	return a.tensors(n, "self")
}

func prelu(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
	n.Op = "PRelu"
	return a.tensors(n, "self", "weight")
}

// layerNorm is over the last axis, the only one behind the pool.
func layerNorm(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
	if shape, err := a.ints("normalized_shape"); err != nil || len(shape) != 1 {
		return fmt.Errorf("normalises over %v, want one axis", a["normalized_shape"])
	}
	n.Op, n.Attrs["epsilon"] = "LayerNormalization", graph.Attr{Float: a.float("eps", 1e-5)}
	return a.tensors(n, "input", "weight", "bias")
}

func softmax(op string) emit {
	return func(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
		n.Op, n.Attrs["axis"] = op, graph.Attr{Int: a.axis("dim", -1)}
		return a.tensors(n, "self")
	}
}

// pick takes one element of an axis.
func pick(e *Emitter, n *graph.Node, a args, _ Tensor) error {
	at, err := e.whole(a.axis("index", -1))
	if err = errors.Join(err, a.tensors(n, "self")); err != nil {
		return err
	}
	if a.axis("dim", -1) == 1 {
		n.Op, n.Inputs = "Gather", append(n.Inputs, at)
	}
	return nil
}

// slice takes a range of an axis: all of it, or one element.
func slice(e *Emitter, n *graph.Node, a args, out Tensor) error {
	start, end := a.axis("start", 0), a.axis("end", last)
	switch {
	case a.axis("step", 1) != 1:
	case start == 0 && end == last:
		n.Op = "Identity"
	case end == start+1:
		a["index"] = start
		return pick(e, n, a, out)
	}
	return a.tensors(n, "self")
}

// index takes elements of an axis by number.
func index(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
	axis := a.axis("dim", -1)
	which, _ := a["index"].(Tensor)
	if list, ok := a["indices"].([]any); ok && len(list) > 0 {
		axis = int64(len(list)) - 1
		which, _ = list[axis].(Tensor)
		if slices.ContainsFunc(list[:axis], func(v any) bool { return v != nil }) {
			which = ""
		}
	}
	if err := a.tensors(n, "self"); err != nil {
		return err
	}
	if axis == 1 && which != "" {
		n.Op, n.Inputs = "Gather", append(n.Inputs, string(which))
	}
	return nil
}

// flip turns the channels round.
func flip(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
	if dims, err := a.ints("dims"); err == nil && slices.Equal(dims, []int64{1}) {
		n.Op = "ReverseV2"
	}
	return a.tensors(n, "self")
}

// length is a vector's.
func length(order string) emit {
	return func(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
		if dims, err := a.ints("dim"); err == nil && len(dims) == 1 && (dims[0] == 1 || dims[0] == -1) &&
			a.float(order, 2) == 2 {
			n.Op = "ReduceL2"
		}
		return a.tensors(n, "self")
	}
}

func dropout(_ *Emitter, n *graph.Node, a args, _ Tensor) error {
	if a["train"] == true {
		return errors.New("drops out at inference: save the network after net.eval()")
	}
	n.Op = "Dropout"
	return a.tensors(n, "input")
}
