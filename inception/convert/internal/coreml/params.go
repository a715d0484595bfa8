package coreml

import (
	"errors"
	"fmt"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/convert/internal/wire"
)

// params are a layer's parameters by number of the field.
type params struct {
	ints   map[int][]int64
	floats map[int]float64
	bodies map[int]*raw.Cursor // messages
}

// params reads the parameters of a layer.
func (f *reader) params(l *layer) (*params, error) {
	p := &params{ints: map[int][]int64{}, floats: map[int]float64{}, bodies: map[int]*raw.Cursor{}}
	if l.body == nil {
		return p, errors.New("has no kind")
	}
	c := *l.body
	err := wire.Each(&c, func(x wire.Field) (err error) {
		switch x.Type {
		case wire.Varint:
			p.ints[x.Num], err = x.Ints(p.ints[x.Num], maxInts)
		case wire.Bytes:
			body := *x.Body
			if p.bodies[x.Num] = &body; body.Remaining() <= maxInts { // packed numbers, or a message
				if v, e := x.Ints(nil, maxInts); e == nil {
					p.ints[x.Num] = v
				}
			}
		default:
			p.floats[x.Num], err = x.Float()
		}
		return err
	})
	return p, err
}

func (p *params) int(num int, missing int64) int64 {
	if v := p.ints[num]; len(v) == 1 {
		return v[0]
	}
	return missing
}

// weights adds the constant in a field of WeightParams.
func (p *params) weights(f *reader, num int, of string, shape ...int) (string, error) {
	body := p.bodies[num]
	if body == nil {
		return "", fmt.Errorf("its weights, field %d, are missing", num)
	}
	name := f.name(of)
	k := &graph.Const{Tensor: raw.Tensor{Name: name, Shape: shape, Load: raw.NotFloat}}
	n, err := raw.Elements(shape)
	if err != nil {
		return "", err
	}
	c := *body
	err = wire.Each(&c, func(x wire.Field) (err error) {
		switch x.Num {
		case 1:
			k.DType = raw.F32
		case 2:
			k.DType = raw.F16
		case 30, 31:
			return errors.New("holds weights of few bits: convert the network without quantisation")
		default:
			return nil
		}
		if x.Type != wire.Bytes || x.Body.Remaining() != int64(n)*int64(k.DType.Size()) {
			return x.Bad(fmt.Errorf("its weights are not %d values of %v in one piece, for shape %v", n, k.DType, shape))
		}
		k.Offset = x.Body.Pos()
		k.Load, err = raw.Dense(x.Body.Reader(), x.Body.End(), k.Offset, n, k.DType)
		return err
	})
	if err == nil && k.DType == raw.Invalid {
		err = errors.New("its weights have no values")
	}
	return name, errors.Join(err, f.AddConst(name, k))
}

// pads sets a window's padding: valid with amounts, or the same size.
func (p *params) pads(n *graph.Node, valid, same int) error {
	if p.bodies[same] != nil {
		n.Attrs["auto_pad"] = graph.Attr{Text: "SAME_UPPER"}
		return nil
	}
	var begin, end []int64
	if p.bodies[valid] == nil {
		return nil
	}
	c := *p.bodies[valid]
	err := wire.Each(&c, func(x wire.Field) error { // ValidPadding
		return x.Each(func(x wire.Field) error { // BorderAmounts
			edge := [3]int64{}
			err := x.Each(func(x wire.Field) error {
				if x.Num < 3 {
					edge[x.Num] = int64(x.Val)
				}
				return nil
			})
			if begin, end = append(begin, edge[1]), append(end, edge[2]); len(begin) > 4 {
				err = errors.New("pads more axes than there are")
			}
			return err
		})
	})
	if len(begin) > 0 {
		n.Attrs["pads"] = graph.Attr{Ints: append(begin, end...)}
	}
	return err
}

func (p *params) convolution(f *reader, n *graph.Node) error {
	if p.int(60, 0) != 0 {
		return errors.New("is transposed")
	}
	kernel := p.ints[20]
	if len(kernel) != 2 {
		return fmt.Errorf("its kernel is %v, want two numbers", kernel)
	}
	n.Op = "Conv"
	n.Attrs["strides"], n.Attrs["dilations"] = graph.Attr{Ints: p.ints[30]}, graph.Attr{Ints: p.ints[40]}
	n.Attrs["group"] = graph.Attr{Int: p.int(10, 1)}
	if err := p.pads(n, 50, 51); err != nil {
		return err
	}
	out := int(p.int(1, 0))
	w, err := p.weights(f, 90, n.Name, out, int(p.int(2, 0)), int(kernel[0]), int(kernel[1]))
	n.Inputs = append(n.Inputs[:min(1, len(n.Inputs))], w)
	if err != nil || p.int(70, 0) == 0 {
		return err
	}
	b, err := p.weights(f, 91, n.Name, out)
	n.Inputs = append(n.Inputs, b)
	return err
}

func (p *params) pooling(n *graph.Node) error {
	kind := p.int(1, 0)
	switch {
	case p.int(60, 0) != 0 && kind == 1:
		n.Op = "GlobalAveragePool"
		return nil
	case p.int(60, 0) != 0 && kind == 0:
		n.Op = "GlobalMaxPool"
		return nil
	case kind > 1:
		return nil
	case p.bodies[32] != nil:
		return errors.New("pads so that the last pixel counts, which InceptionV3 never does")
	}
	n.Op = "MaxPool"
	if kind == 1 {
		n.Op = "AveragePool"
		if p.int(50, 0) == 0 {
			n.Attrs["count_include_pad"] = graph.Attr{Int: 1}
		}
	}
	n.Attrs["kernel_shape"], n.Attrs["strides"] = graph.Attr{Ints: p.ints[10]}, graph.Attr{Ints: p.ints[20]}
	return p.pads(n, 30, 31)
}

// activations are the kinds that have no numbers, by field of ActivationParams.
var activations = map[int]string{10: "Relu", 30: "Tanh", 40: "Sigmoid", 15: "LeakyRelu", 50: "Elu"}

func (p *params) activation(n *graph.Node) error {
	for num, op := range activations {
		body := p.bodies[num]
		if body == nil {
			continue
		}
		n.Op = op
		c := *body
		return wire.Each(&c, func(x wire.Field) error {
			v, err := x.Float()
			n.Attrs["alpha"] = graph.Attr{Float: v}
			return err
		})
	}
	return nil
}

func (p *params) dense(f *reader, n *graph.Node) error {
	out := int(p.int(2, 0))
	w, err := p.weights(f, 20, n.Name, out, int(p.int(1, 0)))
	n.Op, n.Attrs["transB"] = "Gemm", graph.Attr{Int: 1}
	n.Inputs = append(n.Inputs[:min(1, len(n.Inputs))], w)
	if err != nil || p.int(10, 0) == 0 {
		return err
	}
	b, err := p.weights(f, 21, n.Name, out)
	n.Inputs = append(n.Inputs, b)
	return err
}

func (p *params) batchNorm(f *reader, n *graph.Node) error {
	if p.int(5, 0) != 0 || p.int(6, 0) != 0 {
		return errors.New("takes mean and variance of the input")
	}
	n.Op, n.Attrs["epsilon"] = "BatchNormalization", graph.Attr{Float: 1e-5}
	if e, ok := p.floats[10]; ok {
		n.Attrs["epsilon"] = graph.Attr{Float: e}
	}
	n.Inputs = n.Inputs[:min(1, len(n.Inputs))]
	for _, num := range []int{15, 16, 17, 18} {
		v, err := p.weights(f, num, n.Name, int(p.int(1, 0)))
		if err != nil {
			return err
		}
		n.Inputs = append(n.Inputs, v)
	}
	return nil
}

// scale multiplies by a constant and adds one.
func (p *params) scale(f *reader, n *graph.Node, l *layer) error {
	if len(n.Inputs) != 1 || len(l.outputs) != 1 {
		return errors.New("has not one input and one output")
	}
	shape := func(num int) (out []int) {
		for _, v := range p.ints[num] {
			out = append(out, int(v))
		}
		return out
	}
	bias, shapeBias := 5, 4
	if l.kind == kindBias {
		bias, shapeBias = 2, 1
	} else {
		by, err := p.weights(f, 2, l.name, shape(1)...)
		if err != nil {
			return err
		}
		n.Op, n.Inputs = "Mul", append(n.Inputs, by)
		if p.int(3, 0) == 0 {
			return f.Add(n, l.outputs...)
		}
		middle := f.name(l.name)
		if err := f.Add(n, middle); err != nil {
			return err
		}
		n = &graph.Node{Name: l.name, Inputs: []string{middle}, Attrs: map[string]graph.Attr{}, At: l.at}
	}
	plus, err := p.weights(f, bias, l.name, shape(shapeBias)...)
	n.Op, n.Inputs = "Add", append(n.Inputs, plus)
	return errors.Join(err, f.Add(n, l.outputs...))
}

// operand adds or multiplies two inputs, or one and a number.
func (p *params) operand(f *reader, n *graph.Node, l *layer) error {
	n.Op = map[int]string{kindAdd: "Add", kindMultiply: "Mul"}[l.kind]
	if len(n.Inputs) == 1 {
		by, err := f.floats(l.name, float32(p.floats[1]))
		if err != nil {
			return err
		}
		n.Inputs = append(n.Inputs, by)
	}
	return f.Add(n, l.outputs...)
}

// constant adds a layer that is one.
func (p *params) constant(f *reader, l *layer) error {
	if len(l.outputs) != 1 {
		return errors.New("a constant has not one output")
	}
	var shape []int
	for _, v := range p.ints[1] {
		shape = append(shape, int(v))
	}
	name, err := p.weights(f, 2, l.name, shape...)
	if err != nil {
		return err
	}
	k := *f.Consts[name]
	return f.AddConst(l.outputs[0], &k)
}
