package nn

import (
	"fmt"
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/nn/internal/ref"
)

// BatchNorm is batch normalisation with stored statistics, as networks use it
// after training (Ioffe and Szegedy 2015):
//
//	y[n,c,h,w] = gamma[c] * (x[n,c,h,w] - mean[c]) / sqrt(variance[c] + Eps) + beta[c]
//
// Arguments: x [N,C,H,W], gamma, beta, mean and variance, each [C]. Result: as
// x. Eps is used as it stands, also when it is 0. There is no gradient.
type BatchNorm struct {
	Name string
	Eps  float64

	own
	frozen
}

// Type returns the signature in Gorgonia's type system.
func (o *BatchNorm) Type() hm.Type { return opType(o) }

// InferShape returns the result's shape, or a [*ShapeError].
func (o *BatchNorm) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) { return opInfer(o, in) }

// Do computes the result into the operator's own buffer.
func (o *BatchNorm) Do(in ...gorgonia.Value) (gorgonia.Value, error) { return opDo(o, in) }

// WriteHash writes a hash that no other instance has.
func (o *BatchNorm) WriteHash(h hash.Hash) { opHash(o, h) }

// Hashcode returns the hash that WriteHash writes.
func (o *BatchNorm) Hashcode() uint32 { return opHashcode(o) }

func (o *BatchNorm) String() string { return opString(o) }

func (o *BatchNorm) kind() string  { return "batchnorm" }
func (o *BatchNorm) label() string { return o.Name }
func (o *BatchNorm) dims() []int   { return []int{4, 1, 1, 1, 1, 4} }

func (o *BatchNorm) bind(out *output) operator {
	c := *o
	c.out = out
	return &c
}

func (o *BatchNorm) infer(s []tensor.Shape) (tensor.Shape, error) {
	if err := arity(o, s, 5); err != nil {
		return nil, err
	}
	for i, what := range []string{"gamma", "beta", "mean", "variance"} {
		if s[i+1][0] != s[0][1] {
			return nil, want(o, what, s[i+1], fmt.Sprintf("[%d], one for each channel", s[0][1]))
		}
	}
	return s[0].Clone(), nil
}

func (o *BatchNorm) compute(dst []float32, in []view) error {
	ref.BatchNorm(dst, in[0].data, image(in[0].shape), ref.Norm[float32]{
		Gamma: in[1].data, Beta: in[2].data, Mean: in[3].data, Variance: in[4].data, Eps: o.Eps,
	})
	return nil
}
