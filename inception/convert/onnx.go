package convert

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
)

// onnxDialect is the ONNX operator set as PyTorch's exporters use it, versions 7 to 20.
type onnxDialect struct{}

func (onnxDialect) layout() layout { return oihw }

func (onnxDialect) leak() float64 { return 0.01 }

func (onnxDialect) kind(n *graph.Node) op {
	switch n.Op {
	case "Identity", "Dropout", "Cast":
		return opPass
	case "Conv":
		return opConv
	case "BatchNormalization", "Add", "Sub", "Mul", "Div":
		return opAffine
	case "Relu":
		return opRelu
	case "MaxPool":
		return opMaxPool
	case "AveragePool":
		return opAvgPool
	case "GlobalAveragePool", "ReduceMean":
		if a := n.Attrs["axes"].Ints; len(a) > 0 && !plane(a, 2) {
			return opOther // a mean over other axes than height and width
		}
		return opGlobalPool
	case "Concat":
		return opConcat
	case "Flatten", "Reshape", "Squeeze", "Unsqueeze":
		return opFlatten
	case "Gemm", "MatMul":
		return opDense
	}
	return opOther
}

// pads reads an attribute of begin and end paddings.
func pads(n *graph.Node) ([4]int, error) {
	if a, ok := n.Attrs["auto_pad"]; ok && a.Text != "" && a.Text != "NOTSET" && a.Text != "VALID" && !same(n) {
		return [4]int{}, fmt.Errorf("auto_pad is %q, want explicit pads: export the network with PyTorch", a.Text)
	}
	v := n.Attrs["pads"].Ints
	if len(v) == 0 {
		return [4]int{}, nil
	}
	if len(v) != 4 {
		return [4]int{}, fmt.Errorf("pads are %v, want four numbers", v)
	}
	return [4]int{int(v[0]), int(v[1]), int(v[2]), int(v[3])}, nil
}

// same reports whether an operator is padded so that the size stays, with stride 1.
func same(n *graph.Node) bool {
	a := n.Attrs["auto_pad"].Text
	return (a == "SAME_UPPER" || a == "SAME_LOWER") &&
		!slices.ContainsFunc(n.Attrs["strides"].Ints, func(s int64) bool { return s != 1 })
}

func (onnxDialect) conv(_ *matcher, n *graph.Node) (convolution, error) {
	c := convolution{input: n.Inputs[0], same: same(n)}
	var err error
	if c.stride, err = two(n.Attrs["strides"].Ints, 1); err != nil {
		return c, err
	}
	if d := n.Attrs["dilations"].Ints; slices.ContainsFunc(d, func(x int64) bool { return x != 1 }) {
		return c, fmt.Errorf("dilations are %v, want 1", d)
	}
	if g, ok := n.Attrs["group"]; ok && g.Int != 1 {
		return c, fmt.Errorf("it has %d groups, want 1", g.Int)
	}
	c.pad, err = pads(n)
	return c, err
}

// pool reads a pool. PyTorch's exporter writes an average pool that counts its border as a Pad and
// a pool without.
func (onnxDialect) pool(m *matcher, n *graph.Node) (pooling, error) {
	p := pooling{input: n.Inputs[0], max: n.Op == "MaxPool"}
	var err error
	if p.kernel, err = two(n.Attrs["kernel_shape"].Ints, 0); err != nil {
		return p, err
	}
	if p.stride, err = two(n.Attrs["strides"].Ints, 1); err != nil {
		return p, err
	}
	if p.pad, err = pads(n); err != nil {
		return p, err
	}
	if same(n) {
		h, w := p.kernel[0]-1, p.kernel[1]-1
		p.pad = [4]int{h / 2, w / 2, h - h/2, w - w/2}
	}
	if n.Attrs["ceil_mode"].Int != 0 {
		return p, fmt.Errorf("ceil_mode is on, which InceptionV3 never uses")
	}
	p.counted = n.Attrs["count_include_pad"].Int != 0
	before := m.g.By[p.input]
	if p.max || before == nil || before.Op != "Pad" || len(before.Inputs) == 0 {
		return p, nil
	}
	v := before.Attrs["pads"].Ints
	if len(v) == 0 && len(before.Inputs) > 1 {
		if k := m.constant(before.Inputs[1]); k != nil {
			v = k.Ints
		}
	}
	if len(v) != 8 || v[0] != 0 || v[1] != 0 || v[4] != 0 || v[5] != 0 || p.pad != [4]int{} {
		return p, fmt.Errorf("a Pad in front of it has pads %v, want height and width only", v)
	}
	p.pad = [4]int{int(v[2]), int(v[3]), int(v[6]), int(v[7])}
	p.input, p.counted = before.Inputs[0], true
	return p, nil
}

// concat wants the channels' axis.
func (onnxDialect) concat(_ *matcher, n *graph.Node) ([]string, error) {
	if a := n.Attrs["axis"]; a.Int != 1 && a.Int != -3 {
		return nil, fmt.Errorf("joins axis %d, want 1 (channels)", a.Int)
	}
	return n.Inputs, nil
}

func (onnxDialect) affine(m *matcher, n *graph.Node, a *affine) (string, error) {
	if n.Op != "BatchNormalization" {
		return arithmetic(m, n, a)
	}
	if len(n.Inputs) < 5 {
		return "", fmt.Errorf("has %d inputs, want 5", len(n.Inputs))
	}
	if n.Attrs["training_mode"].Int != 0 {
		return "", fmt.Errorf("is in training mode: export the network with net.eval()")
	}
	eps := 1e-5
	if e, ok := n.Attrs["epsilon"]; ok {
		eps = e.Float
	}
	return n.Inputs[0], batchNorm(m, a, n.Inputs[1], n.Inputs[2], n.Inputs[3], n.Inputs[4], eps)
}

func (onnxDialect) dense(m *matcher, n *graph.Node) (*classifier, error) {
	if len(n.Inputs) < 2 {
		return nil, fmt.Errorf("has no weights")
	}
	k := m.constant(n.Inputs[1])
	if k == nil {
		return nil, fmt.Errorf("its weights %q are not a constant", n.Inputs[1])
	}
	c := &classifier{weight: k.Tensor, transposed: true}
	c.weight.Name = n.Inputs[1]
	if n.Op != "Gemm" {
		return c, nil
	}
	for _, a := range []string{"alpha", "beta"} {
		if v, ok := n.Attrs[a]; ok && v.Float != 1 {
			return nil, fmt.Errorf("%s is %g, want 1", a, v.Float)
		}
	}
	if n.Attrs["transA"].Int != 0 {
		return nil, fmt.Errorf("its input is transposed")
	}
	c.transposed = n.Attrs["transB"].Int == 0
	if len(n.Inputs) > 2 && n.Inputs[2] != "" {
		b := m.constant(n.Inputs[2])
		if b == nil {
			return nil, fmt.Errorf("its bias %q is not a constant", n.Inputs[2])
		}
		t := b.Tensor
		t.Name = n.Inputs[2]
		c.bias = &t
	}
	return c, nil
}

// fused takes ONNX Runtime's fused convolutions apart: their weights are as in the standard
// operator, the activation is an attribute.
func fused(g *graph.Graph) error {
	for _, n := range slices.Clone(g.Nodes) {
		if n.Op != "com.microsoft.FusedConv" || n.Attrs["activation"].Text != "Relu" || len(n.Inputs) > 3 ||
			len(n.Outputs) == 0 {
			continue
		}
		n.Op = "Conv"
		if err := relu(g, n); err != nil {
			return err
		}
	}
	return nil
}

// axesOf makes attributes of the axes that later operator sets have as a second input.
func axesOf(g *graph.Graph) {
	for _, n := range g.Nodes {
		if (n.Op == "ReduceMean" || n.Op == "ReduceMax") && len(n.Inputs) > 1 {
			axes := []int64{-1 << 31} // not constant: those of no picture
			if k := unshaped(g, n.Inputs[1]); k != nil && len(k.Ints) == k.Len() {
				axes = slices.Sorted(slices.Values(k.Ints))
			}
			n.Attrs["axes"] = graph.Attr{Ints: axes}
		}
	}
}

// unshaped is the constant that a value is but for its shape and type: PyTorch's exporter writes axes
// so where it does not optimise.
func unshaped(g *graph.Graph, v string) *graph.Const {
	for range 8 {
		if k := g.Consts[v]; k != nil {
			return k
		}
		n := g.By[v]
		if n == nil || len(n.Inputs) == 0 || !slices.Contains([]string{"Reshape", "Cast", "Identity"}, n.Op) {
			return nil
		}
		v = n.Inputs[0]
	}
	return nil
}

// onnxSource matches an ONNX graph and tells its flavour from the pools and the classifier.
func onnxSource(g *graph.Graph) (*source, error) {
	axesOf(g)
	rounded, err := dequantize(g)
	if err = errors.Join(err, fused(g), unblock(g)); err != nil {
		return nil, fmt.Errorf("ONNX graph: %w", err)
	}
	src, m, err := graphSource(g, onnxDialect{})
	if err != nil {
		return nil, err
	}
	src.what, src.rounded = "ONNX", rounded
	src.pooled(m, timmNames(g) || g.Notes == "timm")
	return src, src.exported(g.Metadata)
}

// pooled tells the flavour of a graph of PyTorch's operators from the pools and the classifier.
func (src *source) pooled(m *matcher, timm bool) {
	classes := src.classes()
	switch {
	case m.maximum:
		src.flavor, src.reason = inception.PytorchFID, "the last block's pool takes the maximum"
	case m.counted && classes == 1001:
		src.flavor, src.reason = inception.Timm, "average pools count their border, and there are 1001 classes"
	case m.counted && timm:
		src.flavor, src.reason = inception.Timm,
			"average pools count their border, and the nodes are named after timm's modules"
	case m.counted:
		src.flavor, src.reason = inception.Torchvision,
			"average pools count their border (timm's networks do too: name the flavour if it is one of them)"
	case classes == 1001:
		src.flavor, src.reason = inception.TFSlim, "average pools do not count their border, and there are 1001 classes"
	default:
		src.flavor, src.reason = inception.Keras, "average pools do not count their border"
	}
}

// timmNames reports whether the nodes are named as PyTorch's exporter (1.13 and later) names them
// after timm's modules.
func timmNames(g *graph.Graph) bool {
	return slices.ContainsFunc(g.Nodes, func(n *graph.Node) bool {
		return n.Op == "Relu" && (strings.HasSuffix(n.Name, "/bn/act/Relu") || strings.Contains(n.Name, ".bn.act/"))
	})
}
