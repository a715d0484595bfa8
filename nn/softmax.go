package nn

import (
	"fmt"
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
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
type Softmax struct {
	Name string

	own
}

// Type returns the signature in Gorgonia's type system.
func (o *Softmax) Type() hm.Type { return opType(o) }

// InferShape returns the result's shape, or a [*ShapeError].
func (o *Softmax) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) { return opInfer(o, in) }

// Do computes the result into the operator's own buffer.
func (o *Softmax) Do(in ...gorgonia.Value) (gorgonia.Value, error) { return opDo(o, in) }

// WriteHash writes a hash that no other instance has.
func (o *Softmax) WriteHash(h hash.Hash) { opHash(o, h) }

// Hashcode returns the hash that WriteHash writes.
func (o *Softmax) Hashcode() uint32 { return opHashcode(o) }

func (o *Softmax) String() string { return opString(o) }

func (o *Softmax) kind() string  { return "softmax" }
func (o *Softmax) label() string { return o.Name }
func (o *Softmax) dims() []int   { return []int{2, 2} }

func (o *Softmax) bind(out *output) operator {
	c := *o
	c.out = out
	return &c
}

func (o *Softmax) infer(s []tensor.Shape) (tensor.Shape, error) {
	if err := arity(o, s, 1); err != nil {
		return nil, err
	}
	return s[0].Clone(), nil
}

func (o *Softmax) compute(dst []float32, in []view) error {
	ref.Softmax(dst, in[0].data, in[0].shape[1])
	return nil
}

// DiffWRT says that the argument has a gradient.
func (o *Softmax) DiffWRT(int) []bool { return []bool{true} }

// SymDiff returns the gradient y * (grad - sum over k of grad*y).
func (o *Softmax) SymDiff(_ gorgonia.Nodes, output, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	dx, err := Apply(&softmaxGrad{name: o.Name}, output, grad)
	if err != nil {
		return nil, err
	}
	return gorgonia.Nodes{dx}, nil
}

// softmaxGrad is y, grad [N,K] -> y * (grad - sum over k of grad*y).
type softmaxGrad struct {
	name string
	own
	frozen
}

func (o *softmaxGrad) Type() hm.Type { return opType(o) }
func (o *softmaxGrad) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return opInfer(o, in)
}
func (o *softmaxGrad) Do(in ...gorgonia.Value) (gorgonia.Value, error) { return opDo(o, in) }
func (o *softmaxGrad) WriteHash(h hash.Hash)                           { opHash(o, h) }
func (o *softmaxGrad) Hashcode() uint32                                { return opHashcode(o) }
func (o *softmaxGrad) String() string                                  { return opString(o) }

func (o *softmaxGrad) kind() string  { return "softmax-gradient" }
func (o *softmaxGrad) label() string { return o.name }
func (o *softmaxGrad) dims() []int   { return []int{2, 2, 2} }

func (o *softmaxGrad) bind(out *output) operator {
	c := *o
	c.out = out
	return &c
}

func (o *softmaxGrad) infer(s []tensor.Shape) (tensor.Shape, error) {
	if err := arity(o, s, 2); err != nil {
		return nil, err
	}
	if !s[0].Eq(s[1]) {
		return nil, want(o, "gradient", s[1], fmt.Sprintf("%v, as the result", s[0]))
	}
	return s[0].Clone(), nil
}

func (o *softmaxGrad) compute(dst []float32, in []view) error {
	ref.SoftmaxGrad(dst, in[0].data, in[1].data, in[0].shape[1])
	return nil
}
