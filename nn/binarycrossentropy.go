package nn

import (
	"fmt"

	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/nn/internal/ref"
)

// BinaryCrossEntropy is the weighted cross entropy of sigmoid(logits), each class a question of its
// own, with respect to the targets, summed over rows and classes:
//
//	loss = sum over n, k of weights[n,k] *
//	       (targets[n,k] * log(1+exp(-z)) + (1-targets[n,k]) * log(1+exp(z)))
//
// with z = logits[n,k].
//
// Arguments: logits, targets, weights, each [N,K]. Result: a scalar. It has a gradient with respect
// to the logits only.
//
// It does not overflow for large logits. A weight of 0 leaves its place out, whatever the logit is
// there.
type BinaryCrossEntropy struct{ Name string }

func (o *BinaryCrossEntropy) signature() signature {
	return signature{kind: "binary-crossentropy", name: o.Name, axes: []int{2, 2, 2, 0}, counts: []int{3},
		wrt: []bool{true, false, false}}
}

func (o *BinaryCrossEntropy) infer(s []tensor.Shape) (tensor.Shape, error) {
	if err := binaryShapes(o, s); err != nil {
		return nil, err
	}
	return tensor.ScalarShape(), nil
}

func (o *BinaryCrossEntropy) compute(dst []float32, in []view) { dst[0] = float32(o.loss(in)) }

func (o *BinaryCrossEntropy) loss(in []view) float64 {
	n, k := in[0].shape[0], in[0].shape[1]
	return lossSum(n, func(from, to int) float64 {
		return ref.BinaryCrossEntropy(in[0].data[from*k:to*k], in[1].data[from*k:to*k], in[2].data[from*k:to*k])
	})
}

// gradient returns the gradient with respect to the logits,
// grad * weights[n,k] * (sigmoid(logits[n,k]) - targets[n,k]).
func (o *BinaryCrossEntropy) gradient(in []*Node, _, grad *Node) ([]*Node, error) {
	return lossGradient(&binaryCrossEntropyGrad{name: o.Name}, in, grad)
}

func binaryShapes(o Op, s []tensor.Shape) error {
	for i, what := range []string{"targets", "weights"} {
		if !s[0].Eq(s[i+1]) {
			return want(o, what, s[i+1], fmt.Sprintf("%v, as the logits", s[0]))
		}
	}
	return nil
}

// binaryCrossEntropyGrad is logits, targets, weights [N,K], grad (a scalar) -> the gradient with
// respect to the logits [N,K].
type binaryCrossEntropyGrad struct{ name string }

func (o *binaryCrossEntropyGrad) signature() signature {
	return signature{kind: "binary-crossentropy-gradient", name: o.name, axes: []int{2, 2, 2, 0, 2}, counts: []int{4}}
}

func (o *binaryCrossEntropyGrad) infer(s []tensor.Shape) (tensor.Shape, error) {
	if err := binaryShapes(o, s); err != nil {
		return nil, err
	}
	return s[0].Clone(), nil
}

func (o *binaryCrossEntropyGrad) compute(dst []float32, in []view) {
	n, k := in[0].shape[0], in[0].shape[1]
	lossParts(n, func(_, from, to int) {
		ref.BinaryCrossEntropyGrad(dst[from*k:to*k], ref.Loss[float32]{
			Logits: in[0].data[from*k : to*k], Targets: in[1].data[from*k : to*k],
			Weights: in[2].data[from*k : to*k], Grad: float64(in[3].data[0]),
		})
	})
}
