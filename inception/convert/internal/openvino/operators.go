package openvino

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// operators are OpenVINO's names of ONNX's operators.
var operators = map[string]string{
	"Convolution": "Conv", "Subtract": "Sub", "Multiply": "Mul", "Divide": "Div", "ReLU": "Relu",
	"AvgPool": "AveragePool", "MatMul": "Gemm", "SoftMax": "Softmax", "Convert": "Cast", "Clamp": "Clip",
	"Maximum": "Max", "Power": "Pow", "ShapeOf": "Shape", "BatchNormInference": "BatchNormalization",
	"FakeQuantize": "Identity", "Broadcast": "Expand", "Interpolate": "Resize", "PReLU": "LeakyRelu",
	"SoftPlus": "Softplus", "SoftSign": "Softsign", "HSwish": "HardSwish", "HSigmoid": "HardSigmoid",
}

// translate gives a node ONNX's attributes and inputs.
func (f *reader) translate(n *graph.Node, l *layer) error {
	set := func(from, to string) error {
		v, err := l.ints(from)
		if len(v) > 0 {
			n.Attrs[to] = graph.Attr{Ints: v, Int: v[0]}
		}
		return err
	}
	switch l.Type {
	case "Convolution", "MaxPool", "AvgPool":
		return f.window(n, l)
	case "Concat", "Softmax", "SoftMax", "LogSoftmax":
		return set("axis", "axis")
	case "MatMul":
		n.Attrs["transA"] = graph.Attr{Int: truth(l.attr("transpose_a"))}
		n.Attrs["transB"] = graph.Attr{Int: truth(l.attr("transpose_b"))}
	case "ReduceMean", "ReduceMax":
		axes := f.numbers(n, 1)
		if axes == nil {
			return errors.New("the axes that it reduces are not constant")
		}
		n.Attrs["axes"] = graph.Attr{Ints: axes}
	case "BatchNormInference":
		n.Attrs["epsilon"] = graph.Attr{Float: number(l.attr("epsilon"), 0)}
	case "FakeQuantize":
		f.Rounded = true
	case "Clamp":
		n.Attrs["min"] = graph.Attr{Float: number(l.attr("min"), 0)}
		n.Attrs["max"] = graph.Attr{Float: number(l.attr("max"), 0)}
	case "Elu":
		n.Attrs["alpha"] = graph.Attr{Float: number(l.attr("alpha"), 1)}
	case "Gelu":
		if l.attr("approximation_mode") == "TANH" {
			n.Attrs["approximate"] = graph.Attr{Text: "tanh"}
		}
	case "NormalizeL2":
		if axes := f.numbers(n, 1); len(axes) == 1 && (axes[0] == 1 || axes[0] == -1) && number(l.attr("eps"), 1) < 1e-3 {
			n.Op, n.Attrs["p"] = "LpNormalization", graph.Attr{Int: 2}
		}
	case "HSigmoid":
		n.Attrs["alpha"] = graph.Attr{Float: 1.0 / 6}
	case "PReLU", "Swish":
		return f.sloped(n)
	}
	return nil
}

// window reads the geometry of a convolution or a pool.
func (f *reader) window(n *graph.Node, l *layer) error {
	var begin, end []int64
	for name, dst := range map[string]*[]int64{"pads_begin": &begin, "pads_end": &end} {
		v, err := l.ints(name)
		if err != nil {
			return err
		}
		*dst = v
	}
	for from, to := range map[string]string{"strides": "strides", "dilations": "dilations", "kernel": "kernel_shape"} {
		v, err := l.ints(from)
		if err != nil {
			return err
		}
		n.Attrs[to] = graph.Attr{Ints: v}
	}
	switch l.attr("auto_pad") {
	case "same_upper", "same_lower":
		n.Attrs["auto_pad"] = graph.Attr{Text: "SAME_UPPER"}
	case "valid":
	default:
		n.Attrs["pads"] = graph.Attr{Ints: append(begin, end...)}
	}
	if l.attr("rounding_type") == "ceil" || l.attr("rounding_type") == "ceil_torch" {
		n.Attrs["ceil_mode"] = graph.Attr{Int: 1}
	}
	if l.Type == "AvgPool" && truth(l.attr("exclude-pad")) == 0 {
		n.Attrs["count_include_pad"] = graph.Attr{Int: 1}
	}
	return nil
}

// sloped reads an activation whose number is its second input.
func (f *reader) sloped(n *graph.Node) error {
	if len(n.Inputs) < 2 {
		return nil
	}
	k := f.Consts[n.Inputs[1]]
	if k != nil && k.Len() > 1 && n.Op == "LeakyRelu" {
		n.Op = "PRelu"
		return nil
	}
	if k == nil || k.Len() != 1 {
		return errors.New("its slope is not a constant of one number")
	}
	v, err := k.Float32s()
	if err != nil {
		return err
	}
	n.Attrs["alpha"] = graph.Attr{Float: float64(v[0])}
	n.Inputs = n.Inputs[:1]
	return nil
}

// numbers are the integers of a constant input, nil when it is not constant.
func (f *reader) numbers(n *graph.Node, i int) []int64 {
	if i >= len(n.Inputs) {
		return nil
	}
	if k := f.Consts[n.Inputs[i]]; k != nil && len(k.Ints) == k.Len() {
		return k.Ints
	}
	return nil
}

func truth(text string) int64 {
	if text == "true" || text == "1" {
		return 1
	}
	return 0
}

func number(text string, missing float64) float64 {
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		return v
	}
	return missing
}

// folded computes what only concerns constants, as compressed weights are spelt: integers that are
// converted, less their zero point, times their scale. It reports whether there was such a thing.
func (f *reader) folded(n *graph.Node, l *layer, value string) (bool, error) {
	if len(n.Inputs) == 0 {
		return false, nil
	}
	k := f.Consts[n.Inputs[0]]
	if k == nil {
		return false, nil
	}
	if l.Type == "Convert" {
		if k.Body == nil || k.DType != raw.I8 && k.DType != raw.U8 {
			return false, nil
		}
		f.Rounded = f.Rounded || k.Len() > 1
		return true, f.AddConst(value, whole(k))
	}
	if l.Type != "Subtract" && l.Type != "Multiply" || len(n.Inputs) != 2 || k.Len() <= 1 {
		return false, nil
	}
	by := f.behindConvert(n.Inputs[1])
	if by == nil || by.Len() == 0 || by.Len() != 1 && (len(by.Shape) != len(k.Shape) ||
		by.Len() != by.Shape[0] || by.Shape[0] != k.Shape[0]) {
		return false, nil
	}
	r := &graph.Const{Tensor: k.Tensor}
	r.DType, r.Span = raw.F32, 0
	r.Load = func(dst []float32) error {
		v, err := by.Float32s()
		if err == nil {
			err = load(k, dst)
		}
		if err != nil || len(dst) == 0 {
			return err
		}
		per := max(len(dst)/len(v), 1)
		for i := range dst {
			if l.Type == "Subtract" {
				dst[i] -= v[i/per%len(v)]
			} else {
				dst[i] *= v[i/per%len(v)]
			}
		}
		return nil
	}
	return true, f.AddConst(value, r)
}

// behindConvert is a constant of floats, or of floats of another precision that are converted.
func (f *reader) behindConvert(value string) *graph.Const {
	if n := f.By[value]; n != nil && n.Op == "Cast" && len(n.Inputs) == 1 {
		value = n.Inputs[0]
	}
	if k := f.Consts[value]; k != nil && k.DType.Float() {
		return k
	}
	return nil
}

// load reads a constant of floats into dst.
func load(k *graph.Const, dst []float32) error {
	if len(dst) != k.Len() {
		return fmt.Errorf("has %d values, want %d", k.Len(), len(dst))
	}
	return k.Load(dst)
}

// whole makes floats of a constant of int8 or uint8.
func whole(k *graph.Const) *graph.Const {
	r := &graph.Const{Tensor: k.Tensor}
	r.Shape, r.DType, r.Span = slices.Clone(k.Shape), raw.F32, 0
	body := *k.Body
	r.Load = func(dst []float32) error {
		b := make([]byte, len(dst))
		if err := raw.ReadFull(body.Reader(), b, body.Pos()); err != nil {
			return err
		}
		for i, v := range b {
			if dst[i] = float32(v); k.DType == raw.I8 {
				dst[i] = float32(int8(v))
			}
		}
		return nil
	}
	return r
}
