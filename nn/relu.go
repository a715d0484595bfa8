package nn

import (
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/nn/internal/ref"
)

// ReLU is the rectifier y = max(x, 0) over [N,C,H,W], element by element. A NaN
// stays a NaN. There is no gradient.
type ReLU struct {
	Name string

	own
	frozen
}

// Type returns the signature in Gorgonia's type system.
func (o *ReLU) Type() hm.Type { return opType(o) }

// InferShape returns the result's shape, or a [*ShapeError].
func (o *ReLU) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) { return opInfer(o, in) }

// Do computes the result into the operator's own buffer.
func (o *ReLU) Do(in ...gorgonia.Value) (gorgonia.Value, error) { return opDo(o, in) }

// WriteHash writes a hash that no other instance has.
func (o *ReLU) WriteHash(h hash.Hash) { opHash(o, h) }

// Hashcode returns the hash that WriteHash writes.
func (o *ReLU) Hashcode() uint32 { return opHashcode(o) }

func (o *ReLU) String() string { return opString(o) }

func (o *ReLU) kind() string  { return "relu" }
func (o *ReLU) label() string { return o.Name }
func (o *ReLU) dims() []int   { return []int{4, 4} }

func (o *ReLU) bind(out *output) operator {
	c := *o
	c.out = out
	return &c
}

func (o *ReLU) infer(s []tensor.Shape) (tensor.Shape, error) {
	if err := arity(o, s, 1); err != nil {
		return nil, err
	}
	return s[0].Clone(), nil
}

func (o *ReLU) compute(dst []float32, in []view) error {
	ref.ReLU(dst, in[0].data)
	return nil
}
