package nn

import (
	"fmt"

	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/nn/internal/ref"
)

// Softmax turns each row of x [N,K] into probabilities:
//
//	y[n,k] = exp(x[n,k]) / sum over j of exp(x[n,j])
//
// computed from differences to the row's largest value, so that large values
// do not overflow. A value of -Inf has probability 0. A row that holds a NaN,
// a +Inf, or nothing but -Inf becomes all NaN; other rows are not affected.
type Softmax struct{ Name string }

func (o *Softmax) signature() signature {
	return signature{kind: "softmax", name: o.Name, axes: []int{2, 2}, counts: []int{1}, wrt: []bool{true}}
}

func (o *Softmax) infer(s []tensor.Shape) (tensor.Shape, error) { return s[0].Clone(), nil }

func (o *Softmax) compute(dst []float32, in []view) { ref.Softmax(dst, in[0].data, in[0].shape[1]) }

// gradient returns the gradient y * (grad - sum over k of grad*y).
func (o *Softmax) gradient(_ []*Node, output, grad *Node) ([]*Node, error) {
	dx, err := Apply(&softmaxGrad{name: o.Name}, output, grad)
	if err != nil {
		return nil, err
	}
	return []*Node{dx}, nil
}

// softmaxGrad is y, grad [N,K] -> y * (grad - sum over k of grad*y).
type softmaxGrad struct{ name string }

func (o *softmaxGrad) signature() signature {
	return signature{kind: "softmax-gradient", name: o.name, axes: []int{2, 2, 2}, counts: []int{2}}
}

func (o *softmaxGrad) infer(s []tensor.Shape) (tensor.Shape, error) {
	if !s[0].Eq(s[1]) {
		return nil, want(o, "gradient", s[1], fmt.Sprintf("%v, as the result", s[0]))
	}
	return s[0].Clone(), nil
}

func (o *softmaxGrad) compute(dst []float32, in []view) {
	ref.SoftmaxGrad(dst, in[0].data, in[1].data, in[0].shape[1])
}
