package nn

import (
	"fmt"
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/nn/internal/ref"
)

// Concat joins images along their channels: [N,C1,H,W], [N,C2,H,W], ... ->
// [N,C1+C2+...,H,W], in the order of the arguments. There is no gradient.
type Concat struct {
	Name string

	own
	frozen
}

// Type returns the signature in Gorgonia's type system.
func (o *Concat) Type() hm.Type { return opType(o) }

// InferShape returns the result's shape, or a [*ShapeError].
func (o *Concat) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) { return opInfer(o, in) }

// Do computes the result into the operator's own buffer.
func (o *Concat) Do(in ...gorgonia.Value) (gorgonia.Value, error) { return opDo(o, in) }

// WriteHash writes a hash that no other instance has.
func (o *Concat) WriteHash(h hash.Hash) { opHash(o, h) }

// Hashcode returns the hash that WriteHash writes.
func (o *Concat) Hashcode() uint32 { return opHashcode(o) }

func (o *Concat) String() string { return opString(o) }

func (o *Concat) kind() string  { return "concat" }
func (o *Concat) label() string { return o.Name }
func (o *Concat) dims() []int   { return []int{4, 4} }

func (o *Concat) bind(out *output) operator {
	c := *o
	c.out = out
	return &c
}

func (o *Concat) infer(s []tensor.Shape) (tensor.Shape, error) {
	if err := arity(o, s); err != nil {
		return nil, err
	}
	out := s[0].Clone()
	for i, x := range s[1:] {
		if x[0] != out[0] || x[2] != out[2] || x[3] != out[3] {
			return nil, want(o, fmt.Sprintf("argument %d", i+1), x,
				fmt.Sprintf("[%d C %d %d] as argument 0", out[0], out[2], out[3]))
		}
		out[1] += x[1]
	}
	return out, nil
}

func (o *Concat) compute(dst []float32, in []view) error {
	parts := make([]ref.Part[float32], len(in))
	for i, v := range in {
		parts[i] = ref.Part[float32]{Data: v.data, Size: v.shape[1] * v.shape[2] * v.shape[3]}
	}
	ref.Concat(dst, in[0].shape[0], parts...)
	return nil
}
