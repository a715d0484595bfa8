package nn

import (
	"fmt"
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/nn/internal/ref"
)

// BinaryCrossEntropy is the weighted cross entropy of sigmoid(logits), each class a question of its
// own, with respect to the targets, summed over rows and classes:
//
//	loss = sum over n, k of weights[n,k] * (targets[n,k] * log(1+exp(-z)) + (1-targets[n,k]) * log(1+exp(z))), z = logits[n,k]
//
// Arguments: logits, targets, weights, each [N,K]. Result: a scalar. It has a gradient with respect
// to the logits only.
//
// It does not overflow for large logits. A weight of 0 leaves its place out, whatever the logit is
// there.
type BinaryCrossEntropy struct {
	Name string

	own
}

// Type returns the signature in Gorgonia's type system.
func (o *BinaryCrossEntropy) Type() hm.Type { return opType(o) }

// InferShape returns the result's shape, or a [*ShapeError].
func (o *BinaryCrossEntropy) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return opInfer(o, in)
}

// Do computes the result into the operator's own buffer.
func (o *BinaryCrossEntropy) Do(in ...gorgonia.Value) (gorgonia.Value, error) { return opDo(o, in) }

// WriteHash writes a hash that no other instance has.
func (o *BinaryCrossEntropy) WriteHash(h hash.Hash) { opHash(o, h) }

// Hashcode returns the hash that WriteHash writes.
func (o *BinaryCrossEntropy) Hashcode() uint32 { return opHashcode(o) }

func (o *BinaryCrossEntropy) String() string { return opString(o) }

func (o *BinaryCrossEntropy) kind() string  { return "binary-crossentropy" }
func (o *BinaryCrossEntropy) label() string { return o.Name }
func (o *BinaryCrossEntropy) dims() []int   { return []int{2, 2, 2, 0} }

func (o *BinaryCrossEntropy) bind(out *output) operator {
	c := *o
	c.out = out
	return &c
}

func (o *BinaryCrossEntropy) infer(s []tensor.Shape) (tensor.Shape, error) {
	if err := arity(o, s, 3); err != nil {
		return nil, err
	}
	if err := binaryShapes(o, s); err != nil {
		return nil, err
	}
	return tensor.ScalarShape(), nil
}

func (o *BinaryCrossEntropy) compute(dst []float32, in []view) error {
	n, k := in[0].shape[0], in[0].shape[1]
	sums := make([]float64, (n+lossRows-1)/lossRows)
	lossParts(n, func(part, from, to int) {
		sums[part] = ref.BinaryCrossEntropy(in[0].data[from*k:to*k], in[1].data[from*k:to*k], in[2].data[from*k:to*k])
	})
	loss := 0.0
	for _, s := range sums {
		loss += s
	}
	if o.out != nil {
		o.out.loss = loss
	}
	dst[0] = float32(loss)
	return nil
}

// DiffWRT says that only the logits have a gradient.
func (o *BinaryCrossEntropy) DiffWRT(int) []bool { return []bool{true, false, false} }

// SymDiff returns the gradient with respect to the logits,
// grad * weights[n,k] * (sigmoid(logits[n,k]) - targets[n,k]).
func (o *BinaryCrossEntropy) SymDiff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	dx, err := Apply(&binaryCrossEntropyGrad{name: o.Name}, in[0], in[1], in[2], grad)
	if err != nil {
		return nil, err
	}
	return gorgonia.Nodes{dx, nil, nil}, nil
}

func binaryShapes(o operator, s []tensor.Shape) error {
	for i, what := range []string{"targets", "weights"} {
		if !s[0].Eq(s[i+1]) {
			return want(o, what, s[i+1], fmt.Sprintf("%v, as the logits", s[0]))
		}
	}
	return nil
}

// binaryCrossEntropyGrad is logits, targets, weights [N,K], grad (a scalar) -> the gradient with
// respect to the logits [N,K].
type binaryCrossEntropyGrad struct {
	name string
	own
	frozen
}

func (o *binaryCrossEntropyGrad) Type() hm.Type { return opType(o) }
func (o *binaryCrossEntropyGrad) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return opInfer(o, in)
}
func (o *binaryCrossEntropyGrad) Do(in ...gorgonia.Value) (gorgonia.Value, error) {
	return opDo(o, in)
}
func (o *binaryCrossEntropyGrad) WriteHash(h hash.Hash) { opHash(o, h) }
func (o *binaryCrossEntropyGrad) Hashcode() uint32      { return opHashcode(o) }
func (o *binaryCrossEntropyGrad) String() string        { return opString(o) }

func (o *binaryCrossEntropyGrad) kind() string  { return "binary-crossentropy-gradient" }
func (o *binaryCrossEntropyGrad) label() string { return o.name }
func (o *binaryCrossEntropyGrad) dims() []int   { return []int{2, 2, 2, 0, 2} }

func (o *binaryCrossEntropyGrad) bind(out *output) operator {
	c := *o
	c.out = out
	return &c
}

func (o *binaryCrossEntropyGrad) infer(s []tensor.Shape) (tensor.Shape, error) {
	if err := arity(o, s, 4); err != nil {
		return nil, err
	}
	if err := binaryShapes(o, s); err != nil {
		return nil, err
	}
	return s[0].Clone(), nil
}

func (o *binaryCrossEntropyGrad) compute(dst []float32, in []view) error {
	n, k := in[0].shape[0], in[0].shape[1]
	lossParts(n, func(_, from, to int) {
		ref.BinaryCrossEntropyGrad(dst[from*k:to*k], ref.Loss[float32]{
			Logits: in[0].data[from*k : to*k], Targets: in[1].data[from*k : to*k],
			Weights: in[2].data[from*k : to*k], Grad: float64(in[3].data[0]),
		})
	})
	return nil
}
