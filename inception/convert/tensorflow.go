package convert

import (
	"fmt"
	"slices"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
)

// tfDialect is TensorFlow's operators in a frozen graph, NHWC.
type tfDialect struct{}

func (tfDialect) layout() layout { return hwio }

func (tfDialect) leak() float64 { return 0.2 }

func (tfDialect) kind(n *graph.Node) op {
	switch n.Op {
	case "Identity", "CheckNumerics", "StopGradient", "PreventGradient", "PlaceholderWithDefault", "Snapshot", "Dropout",
		"Cast":
		return opPass
	case "Conv2D":
		return opConv
	case "BatchNormWithGlobalNormalization", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3",
		"Add", "AddV2", "BiasAdd", "Sub", "Mul", "RealDiv", "Div":
		return opAffine
	case "Relu":
		return opRelu
	case "MaxPool":
		return opMaxPool
	case "AvgPool":
		return opAvgPool
	case "Mean":
		return opGlobalPool
	case "Concat", "ConcatV2":
		return opConcat
	case "Reshape", "Squeeze", "ExpandDims":
		return opFlatten
	case "MatMul":
		return opDense
	}
	return opOther
}

// spatial takes height and width of an attribute of four numbers, [1,h,w,1].
func spatial(v []int64) ([2]int, error) {
	if len(v) != 4 || v[0] != 1 || v[3] != 1 {
		return [2]int{}, fmt.Errorf("an attribute is %v, want [1,h,w,1]", v)
	}
	return two(v[1:3], 0)
}

func nhwc(n *graph.Node) error {
	if f := n.Attrs["data_format"].Text; f != "" && f != "NHWC" {
		return fmt.Errorf("data format is %q, want NHWC", f)
	}
	return nil
}

// padding reads an operator that stands in front of a window and puts zeros around its map: top, left,
// bottom and right.
func (tfDialect) padding(m *matcher, v string) (input string, pad [4]int, err error) {
	n := m.g.By[v]
	if n == nil || n.Op != "Pad" && n.Op != "PadV2" || len(n.Inputs) < 2 {
		return v, pad, nil
	}
	k := m.constant(n.Inputs[1])
	if k == nil || len(k.Ints) != 8 || k.Ints[0] != 0 || k.Ints[1] != 0 || k.Ints[6] != 0 || k.Ints[7] != 0 {
		return "", pad, fmt.Errorf("%v in front of it does not pad height and width by constants", n)
	}
	if len(n.Inputs) > 2 {
		if x, err := m.vector(n.Inputs[2]); err != nil || len(x) != 1 || x[0] != 0 {
			return "", pad, fmt.Errorf("%v in front of it pads with something else than zeros", n)
		}
	}
	for i, j := range []int{2, 4, 3, 5} {
		pad[i] = int(min(max(k.Ints[j], -1), 1<<10))
	}
	return n.Inputs[0], pad, nil
}

func (d tfDialect) conv(m *matcher, n *graph.Node) (convolution, error) {
	c := convolution{input: n.Inputs[0]}
	if err := nhwc(n); err != nil {
		return c, err
	}
	if d := n.Attrs["dilations"].Ints; slices.ContainsFunc(d, func(x int64) bool { return x != 1 }) {
		return c, fmt.Errorf("dilations are %v, want 1", d)
	}
	var err error
	if c.stride, err = spatial(n.Attrs["strides"].Ints); err != nil {
		return c, err
	}
	switch p := n.Attrs["padding"].Text; p {
	case "SAME":
		c.same = true
	case "VALID":
		c.input, c.pad, err = d.padding(m, c.input)
	default:
		err = fmt.Errorf("padding is %q, want SAME or VALID", p)
	}
	return c, err
}

// pool reads a pool. One that counts its border stands behind zeros of its own.
func (d tfDialect) pool(m *matcher, n *graph.Node) (pooling, error) {
	p := pooling{input: n.Inputs[0], max: n.Op == "MaxPool"}
	err := nhwc(n)
	if err != nil {
		return p, err
	}
	if p.kernel, err = spatial(n.Attrs["ksize"].Ints); err != nil {
		return p, err
	}
	if p.stride, err = spatial(n.Attrs["strides"].Ints); err != nil {
		return p, err
	}
	switch s := n.Attrs["padding"].Text; {
	case s == "SAME" && p.stride == [2]int{1, 1}:
		h, w := p.kernel[0]-1, p.kernel[1]-1
		p.pad = [4]int{h / 2, w / 2, h - h/2, w - w/2}
	case s == "SAME":
		err = fmt.Errorf("padding is SAME with stride %v, which InceptionV3 never uses", p.stride)
	case s == "VALID":
		p.input, p.pad, err = d.padding(m, p.input)
		p.counted = !p.max && p.pad != [4]int{}
	default:
		err = fmt.Errorf("padding is %q, want SAME or VALID", s)
	}
	return p, err
}

// concat wants the channels' axis, which Concat has as its first input and ConcatV2 as its last.
func (tfDialect) concat(m *matcher, n *graph.Node) ([]string, error) {
	if len(n.Inputs) < 3 {
		return nil, fmt.Errorf("has %d inputs, want at least two and an axis", len(n.Inputs))
	}
	axis, rest := n.Inputs[0], n.Inputs[1:]
	if n.Op == "ConcatV2" {
		axis, rest = n.Inputs[len(n.Inputs)-1], n.Inputs[:len(n.Inputs)-1]
	}
	k := m.constant(axis)
	if k == nil || len(k.Ints) != 1 || k.Ints[0] != 3 && k.Ints[0] != -1 {
		return nil, fmt.Errorf("its axis %q is not 3 (channels)", axis)
	}
	return rest, nil
}

func (tfDialect) affine(m *matcher, n *graph.Node, a *affine) (string, error) {
	if !strings.Contains(n.Op, "Norm") {
		return arithmetic(m, n, a)
	}
	if len(n.Inputs) < 5 {
		return "", fmt.Errorf("has %d inputs, want 5", len(n.Inputs))
	}
	in := n.Inputs
	if n.Op == "BatchNormWithGlobalNormalization" { // x, mean, variance, beta, gamma
		gamma := in[4]
		if s, ok := n.Attrs["scale_after_normalization"]; ok && !s.Bool {
			gamma = ""
		}
		eps, ok := n.Attrs["variance_epsilon"]
		if !ok {
			return "", fmt.Errorf("has no variance_epsilon")
		}
		return in[0], batchNorm(m, a, gamma, in[3], in[1], in[2], eps.Float)
	}
	if t, ok := n.Attrs["is_training"]; !ok || t.Bool { // true unless it says otherwise
		return "", fmt.Errorf("is in training mode: freeze the graph for inference")
	}
	eps := 1e-4 // the operator's default
	if e, ok := n.Attrs["epsilon"]; ok {
		eps = e.Float
	}
	return in[0], batchNorm(m, a, in[1], in[2], in[3], in[4], eps)
}

func (tfDialect) dense(m *matcher, n *graph.Node) (*classifier, error) {
	if len(n.Inputs) < 2 {
		return nil, fmt.Errorf("has no weights")
	}
	k := m.constant(n.Inputs[1])
	if k == nil {
		return nil, fmt.Errorf("its weights %q are not a constant: freeze the graph first", n.Inputs[1])
	}
	if n.Attrs["transpose_a"].Bool {
		return nil, fmt.Errorf("its input is transposed")
	}
	c := &classifier{weight: k.Tensor, transposed: !n.Attrs["transpose_b"].Bool}
	c.weight.Name = n.Inputs[1]
	return c, nil
}

// tfSource matches a frozen graph and tells its flavour from the last block's pool and the names.
func tfSource(g *graph.Graph) (*source, error) {
	src, m, err := graphSource(g, tfDialect{})
	if err != nil {
		return nil, err
	}
	src.what = "TensorFlow GraphDef"
	switch {
	case m.maximum:
		src.flavor, src.reason = inception.TF2015, "the last block's pool takes the maximum"
	case m.counted:
		src.flavor, src.reason = inception.Torchvision, "average pools count their border"
	case src.classes() == 1000 || strings.Contains(src.units["Conv2d_1a_3x3"].weight.Name, "conv2d"):
		src.flavor, src.reason = inception.Keras,
			"the last block's pool takes the average, and the classes or names are Keras's"
	default:
		src.flavor, src.reason = inception.TFSlim, "the last block's pool takes the average"
	}
	return src, nil
}
