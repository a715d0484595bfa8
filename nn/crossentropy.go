package nn

import (
	"fmt"
	"runtime"

	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/nn/internal/ref"
)

// CrossEntropy is the weighted cross entropy of softmax(logits) with respect
// to the targets, summed over the rows:
//
//	loss = sum over n of weights[n] * -sum over k of targets[n,k] * log softmax(logits[n])[k]
//
// Arguments: logits [N,K], targets [N,K], weights [N]. Result: a scalar. It has
// a gradient with respect to the logits only.
//
// It is computed from log-sum-exp, so that large logits do not overflow. A
// target of 0 contributes nothing and a weight of 0 leaves its row out, whatever
// the logits are there. A logit of -Inf under a positive target makes the loss
// +Inf; a row with a NaN, a +Inf, or nothing but -Inf makes it NaN.
type CrossEntropy struct{ Name string }

func (o *CrossEntropy) signature() signature {
	return signature{kind: "crossentropy", name: o.Name, axes: []int{2, 2, 1, 0}, counts: []int{3},
		wrt: []bool{true, false, false}}
}

func (o *CrossEntropy) infer(s []tensor.Shape) (tensor.Shape, error) {
	if err := lossShapes(o, s); err != nil {
		return nil, err
	}
	return tensor.ScalarShape(), nil
}

func (o *CrossEntropy) compute(dst []float32, in []view) { dst[0] = float32(o.loss(in)) }

func (o *CrossEntropy) loss(in []view) float64 {
	n, k := in[0].shape[0], in[0].shape[1]
	return lossSum(n, func(from, to int) float64 {
		return ref.CrossEntropy(in[0].data[from*k:to*k], in[1].data[from*k:to*k], in[2].data[from:to], k)
	})
}

// gradient returns the gradient with respect to the logits,
// grad * weights[n] * (softmax(logits[n])[k] * sum(targets[n]) - targets[n,k]).
func (o *CrossEntropy) gradient(in []*Node, _, grad *Node) ([]*Node, error) {
	return lossGradient(&crossEntropyGrad{name: o.Name}, in, grad)
}

// lossGradient applies the operator of a loss's gradient with respect to the logits, its only one.
func lossGradient(op Op, in []*Node, grad *Node) ([]*Node, error) {
	dx, err := Apply(op, in[0], in[1], in[2], grad)
	if err != nil {
		return nil, err
	}
	return []*Node{dx, nil, nil}, nil
}

func lossShapes(o Op, s []tensor.Shape) error {
	if !s[0].Eq(s[1]) {
		return want(o, "targets", s[1], fmt.Sprintf("%v, as the logits", s[0]))
	}
	if s[2][0] != s[0][0] {
		return want(o, "weights", s[2], fmt.Sprintf("[%d], one for each row", s[0][0]))
	}
	return nil
}

// crossEntropyGrad is logits, targets [N,K], weights [N], grad (a scalar) ->
// the gradient with respect to the logits [N,K].
type crossEntropyGrad struct{ name string }

func (o *crossEntropyGrad) signature() signature {
	return signature{kind: "crossentropy-gradient", name: o.name, axes: []int{2, 2, 1, 0, 2}, counts: []int{4}}
}

func (o *crossEntropyGrad) infer(s []tensor.Shape) (tensor.Shape, error) {
	if err := lossShapes(o, s); err != nil {
		return nil, err
	}
	return s[0].Clone(), nil
}

func (o *crossEntropyGrad) compute(dst []float32, in []view) {
	n, k := in[0].shape[0], in[0].shape[1]
	lossParts(n, func(_, from, to int) {
		ref.CrossEntropyGrad(dst[from*k:to*k], k, ref.Loss[float32]{
			Logits: in[0].data[from*k : to*k], Targets: in[1].data[from*k : to*k],
			Weights: in[2].data[from:to], Grad: float64(in[3].data[0]),
		})
	})
}

// lossRows is the number of rows that are computed and summed together. It is
// fixed, so that the order of the sums does not depend on the threads.
const lossRows = 64

// lossSum adds up what of returns for each group of lossRows rows.
func lossSum(n int, of func(from, to int) float64) (loss float64) {
	sums := make([]float64, (n+lossRows-1)/lossRows)
	lossParts(n, func(part, from, to int) { sums[part] = of(from, to) })
	for _, s := range sums {
		loss += s
	}
	return loss
}

// lossParts calls f for each group of lossRows rows, side by side.
func lossParts(n int, f func(part, from, to int)) {
	par.Do(runtime.GOMAXPROCS(0), (n+lossRows-1)/lossRows, func(part int) {
		f(part, part*lossRows, min((part+1)*lossRows, n))
	})
}
