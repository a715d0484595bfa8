package paddle

import (
	"errors"
	"fmt"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
)

// operators are Paddle's names (pd_op, which a program calls 1) of ONNX's operators.
var operators = map[string]string{
	"1.relu": "Relu", "1.relu_": "Relu", "1.relu6": "Relu6", "1.sigmoid": "Sigmoid", "1.tanh": "Tanh",
	"1.softmax": "Softmax", "1.log_softmax": "LogSoftmax", "1.swish": "Swish", "1.silu": "Swish", "1.gelu": "Gelu",
	"1.leaky_relu": "LeakyRelu", "1.elu": "Elu", "1.selu": "Selu", "1.softplus": "Softplus", "1.softsign": "Softsign",
	"1.mish": "Mish", "1.add": "Add", "1.subtract": "Sub", "1.multiply": "Mul", "1.divide": "Div", "1.cast": "Cast",
	"1.assign": "Identity", "1.share_data_": "Identity", "1.flatten": "Flatten", "1.reshape": "Reshape",
	"1.reshape_": "Reshape", "1.squeeze": "Squeeze", "1.unsqueeze": "Unsqueeze", "1.argmax": "ArgMax",
	"1.transpose": "Transpose", "1.max": "ReduceMax", "1.mean": "ReduceMean",
	"1.shape": "Shape", "1.shape64": "Shape",
}

// translate gives a node ONNX's operator, attributes and inputs.
func (f *reader) translate(n *graph.Node, v string) error {
	if len(n.Inputs) == 0 {
		return nil
	}
	if layout := n.Attrs["data_format"].Text; layout != "" && layout != "NCHW" && n.Op != "1.softmax" {
		return fmt.Errorf("its layout is %s, want NCHW", layout)
	}
	switch n.Op {
	case "1.conv2d":
		n.Op, n.Attrs["group"] = "Conv", n.Attrs["groups"]
		return padded(n)
	case "1.batch_norm_", "1.batch_norm":
		if len(n.Inputs) < 5 || !n.Attrs["is_test"].Bool && !n.Attrs["use_global_stats"].Bool {
			return errors.New("is not a batch norm at inference: call net.eval() before the network is saved")
		}
		in := n.Inputs // mean and variance stand in front of weight and bias
		n.Op, n.Inputs = "BatchNormalization", []string{in[0], in[3], in[4], in[1], in[2]}
	case "1.pool2d":
		return f.pool(n)
	case "1.concat":
		return f.concat(n)
	case "1.matmul":
		n.Op = "MatMul"
		if n.Attrs["transpose_x"].Bool {
			return errors.New("its first operand is transposed")
		}
		if n.Attrs["transpose_y"].Bool {
			n.Op, n.Attrs["transB"] = "Gemm", graph.Attr{Int: 1}
		}
	case "1.scale":
		return f.scale(n, v)
	case "1.dropout":
		return f.dropout(n, v)
	case "1.mean", "1.max":
		n.Op = operators[n.Op]
		return f.reduced(n)
	case "1.leaky_relu":
		n.Op, n.Attrs["alpha"] = "LeakyRelu", n.Attrs["negative_slope"]
	case "1.gelu":
		if n.Op = "Gelu"; n.Attrs["approximate"].Bool {
			n.Attrs["approximate"] = graph.Attr{Text: "tanh"}
		}
	default:
		if op, ok := operators[n.Op]; ok {
			n.Op = op
		}
	}
	return nil
}

// padded gives a convolution or a pool its padding.
func padded(n *graph.Node) error {
	p := n.Attrs["paddings"].Ints
	switch algorithm := n.Attrs["padding_algorithm"].Text; {
	case algorithm == "SAME":
		n.Attrs["auto_pad"] = graph.Attr{Text: "SAME_UPPER"}
	case algorithm == "VALID":
	case len(p) == 2:
		n.Attrs["pads"] = graph.Attr{Ints: []int64{p[0], p[1], p[0], p[1]}}
	case len(p) == 4: // top, bottom, left, right
		n.Attrs["pads"] = graph.Attr{Ints: []int64{p[0], p[2], p[1], p[3]}}
	default:
		return fmt.Errorf("its padding is %q of %v, want 2 or 4 numbers", algorithm, p)
	}
	return nil
}

// pool reads a pool of windows, or one of all pixels.
func (f *reader) pool(n *graph.Node) error {
	kernel, most := []int64(nil), n.Attrs["pooling_type"].Text == "max"
	if len(n.Inputs) > 1 {
		kernel = f.arrays[n.Inputs[1]]
	}
	if len(kernel) != 2 {
		return errors.New("its window is not a constant of two numbers")
	}
	n.Inputs = n.Inputs[:1]
	if n.Attrs["adaptive"].Bool && (kernel[0] != 1 || kernel[1] != 1) {
		return nil // to another size than one pixel, which no operator of ONNX's does
	}
	if n.Attrs["adaptive"].Bool || n.Attrs["global_pooling"].Bool {
		if n.Op = "GlobalAveragePool"; most {
			n.Op = "GlobalMaxPool"
		}
		return nil
	}
	n.Attrs["kernel_shape"] = graph.Attr{Ints: kernel}
	for from, to := range map[string]bool{"ceil_mode": n.Attrs["ceil_mode"].Bool,
		"count_include_pad": !n.Attrs["exclusive"].Bool} {
		if n.Attrs[from] = (graph.Attr{}); to {
			n.Attrs[from] = graph.Attr{Int: 1}
		}
	}
	if n.Op = "AveragePool"; most {
		n.Op = "MaxPool"
	}
	return padded(n)
}

// concat puts what it joins where the list of it stands.
func (f *reader) concat(n *graph.Node) error {
	if len(n.Inputs) != 2 {
		return fmt.Errorf("has %d inputs, want a list and an axis", len(n.Inputs))
	}
	axis, ok := f.scalars[n.Inputs[1]]
	if !ok {
		return errors.New("the axis along which it joins is not constant")
	}
	list := f.lists[n.Inputs[0]]
	n.Op, n.Inputs, n.Attrs["axis"] = "Concat", nil, graph.Attr{Int: int64(axis)}
	for _, in := range list {
		n.Inputs = append(n.Inputs, in.String())
	}
	return nil
}

// scale makes a product and a sum of a factor and what is added: x factor + bias, or (x + bias) factor.
func (f *reader) scale(n *graph.Node, v string) error {
	factor, ok := 0.0, false
	if len(n.Inputs) > 1 {
		factor, ok = f.scalars[n.Inputs[1]]
	}
	if !ok {
		return errors.New("its factor is not constant")
	}
	bias := n.Attrs["bias"].Float
	if !n.Attrs["bias_after_scale"].Bool {
		bias *= factor
	}
	if bias == 0 {
		return f.times(n, v, factor)
	}
	product := &graph.Node{Name: n.Name, Op: "Mul", Inputs: []string{n.Inputs[0]}, Attrs: n.Attrs, At: -1}
	if err := f.times(product, v, factor); err != nil {
		return err
	}
	n.Op, n.Inputs = "Add", []string{v + "/product", v + "/bias"}
	return errors.Join(f.AddConst(v+"/bias", scalar(v, bias)), f.Add(product, v+"/product"))
}

// times makes a node a product with a factor.
func (f *reader) times(n *graph.Node, v string, factor float64) error {
	n.Op, n.Inputs = "Mul", []string{n.Inputs[0], v + "/factor"}
	return f.AddConst(v+"/factor", scalar(v, factor))
}

// dropout is nothing at inference where training has divided by what was kept, and a factor elsewhere.
func (f *reader) dropout(n *graph.Node, v string) error {
	if !n.Attrs["is_test"].Bool {
		return errors.New("is not one at inference: call net.eval() before the network is saved")
	}
	p, ok := 0.0, false
	if len(n.Inputs) > 2 {
		p, ok = f.scalars[n.Inputs[2]]
	}
	switch mode := n.Attrs["mode"].Text; {
	case mode == "upscale_in_train":
		n.Op, n.Inputs = "Identity", n.Inputs[:1]
	case mode == "downgrade_in_infer" && ok && p >= 0 && p < 1:
		return f.times(n, v, 1-p)
	default:
		return fmt.Errorf("its mode is %q with %g dropped, want downgrade_in_infer or upscale_in_train", mode, p)
	}
	return nil
}

// reduced gives a mean or a maximum its axes.
func (f *reader) reduced(n *graph.Node) error {
	axes := n.Attrs["axis"].Ints
	if len(n.Inputs) > 1 {
		axes = f.arrays[n.Inputs[1]]
	}
	if len(axes) == 0 {
		return errors.New("the axes that it reduces are not constant")
	}
	keep := int64(0)
	if n.Attrs["keepdim"].Bool {
		keep = 1
	}
	n.Inputs, n.Attrs["axes"], n.Attrs["keepdims"] = n.Inputs[:1], graph.Attr{Ints: axes}, graph.Attr{Int: keep}
	return nil
}
