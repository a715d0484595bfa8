package nn

import (
	"fmt"

	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/nn/internal/ref"
)

func (o *MaxPool) gradient(in []*Node, _, grad *Node) ([]*Node, error) {
	return one(Apply(&poolGrad{of: o}, grad, in[0]))
}

func (o *AvgPool) gradient(in []*Node, _, grad *Node) ([]*Node, error) {
	return one(Apply(&poolGrad{of: o}, grad, in[0]))
}

// poolGrad is grad [N,C,OH,OW], x [N,C,H,W] -> the gradient by x of a MaxPool or AvgPool.
type poolGrad struct{ of Op }

func (o *poolGrad) signature() signature {
	s := o.of.signature()
	return signature{kind: s.kind + "-gradient", name: s.name, axes: []int{4, 4, 4}, counts: []int{2}}
}

func (o *poolGrad) infer(s []tensor.Shape) (tensor.Shape, error) {
	y, err := o.of.infer(s[1:])
	if err == nil && !y.Eq(s[0]) {
		err = want(o, "gradient", s[0], fmt.Sprintf("%v, as the result", y))
	}
	return s[1].Clone(), err
}

func (o *poolGrad) compute(dst []float32, in []view) {
	s := image(in[1].shape)
	switch of := o.of.(type) {
	case *MaxPool:
		ref.MaxPoolGrad(dst, in[1].data, in[0].data, s, of.window())
	case *AvgPool:
		ref.AvgPoolGrad(dst, in[0].data, s, ref.Pool{Window: of.window(), CountBorder: of.CountBorder})
	}
}

func (o *GlobalAvgPool) gradient(in []*Node, _, grad *Node) ([]*Node, error) {
	return one(Apply(&meanGrad{name: o.Name}, grad, in[0]))
}

// meanGrad is grad [N,C], x [N,C,H,W] -> grad/(H*W) at each pixel.
type meanGrad struct{ name string }

func (o *meanGrad) signature() signature {
	return signature{kind: "globalavgpool-gradient", name: o.name, axes: []int{2, 4, 4}, counts: []int{2}}
}

func (o *meanGrad) infer(s []tensor.Shape) (tensor.Shape, error) {
	if s[0][0] != s[1][0] || s[0][1] != s[1][1] {
		return nil, want(o, "gradient", s[0], fmt.Sprintf("%v", s[1][:2]))
	}
	return s[1].Clone(), nil
}

func (o *meanGrad) compute(dst []float32, in []view) {
	area := len(dst) / len(in[0].data)
	for i := range dst {
		dst[i] = in[0].data[i/area] / float32(area)
	}
}
