package nn

import (
	"fmt"

	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/nn/internal/gemm"
)

// Dense is a fully connected layer:
//
//	y[n,k] = b[k] + sum over f of w[k,f] * x[n,f]
//
// Arguments: x [N,F], w [K,F], b [K]. Result [N,K]. It has gradients with
// respect to all three.
type Dense struct{ Name string }

func (o *Dense) signature() signature {
	return signature{kind: "dense", name: o.Name, axes: []int{2, 2, 1, 2}, counts: []int{3}, wrt: []bool{true, true, true}}
}

func (o *Dense) infer(s []tensor.Shape) (tensor.Shape, error) {
	x, w := s[0], s[1]
	if w[1] != x[1] {
		return nil, want(o, "weight", w, fmt.Sprintf("[K %d] for inputs of %d features", x[1], x[1]))
	}
	if s[2][0] != w[0] {
		return nil, want(o, "bias", s[2], fmt.Sprintf("[%d], one for each output", w[0]))
	}
	return tensor.Shape{x[0], w[0]}, nil
}

func (o *Dense) compute(dst []float32, in []view) {
	n, f, k := in[0].shape[0], in[0].shape[1], in[1].shape[0]
	for i := range n {
		copy(dst[i*k:(i+1)*k], in[2].data)
	}
	gemm.NT(dst, in[0].data, in[1].data, gemm.Size{M: n, N: k, K: f})
}

// gradient returns the gradients with respect to x, w and b:
// grad*w, transposed grad * x, and the sums of grad's columns.
func (o *Dense) gradient(in []*Node, _, grad *Node) ([]*Node, error) {
	dx, err := Apply(&denseGradX{name: o.Name}, grad, in[1])
	if err != nil {
		return nil, err
	}
	dw, err := Apply(&denseGradW{name: o.Name}, grad, in[0])
	if err != nil {
		return nil, err
	}
	db, err := Apply(&denseGradB{name: o.Name}, grad)
	if err != nil {
		return nil, err
	}
	return []*Node{dx, dw, db}, nil
}

// denseGradX is grad [N,K], w [K,F] -> grad*w [N,F].
type denseGradX struct{ name string }

func (o *denseGradX) signature() signature {
	return signature{kind: "dense-gradient-x", name: o.name, axes: []int{2, 2, 2}, counts: []int{2}}
}

func (o *denseGradX) infer(s []tensor.Shape) (tensor.Shape, error) {
	if s[0][1] != s[1][0] {
		return nil, want(o, "gradient", s[0], fmt.Sprintf("[N %d]", s[1][0]))
	}
	return tensor.Shape{s[0][0], s[1][1]}, nil
}

func (o *denseGradX) compute(dst []float32, in []view) {
	clear(dst)
	gemm.NN(dst, in[0].data, in[1].data, gemm.Size{M: in[0].shape[0], N: in[1].shape[1], K: in[1].shape[0]})
}

// denseGradW is grad [N,K], x [N,F] -> transposed grad * x [K,F].
type denseGradW struct{ name string }

func (o *denseGradW) signature() signature {
	return signature{kind: "dense-gradient-w", name: o.name, axes: []int{2, 2, 2}, counts: []int{2}}
}

func (o *denseGradW) infer(s []tensor.Shape) (tensor.Shape, error) {
	if s[0][0] != s[1][0] {
		return nil, want(o, "gradient", s[0], fmt.Sprintf("[%d K]", s[1][0]))
	}
	return tensor.Shape{s[0][1], s[1][1]}, nil
}

func (o *denseGradW) compute(dst []float32, in []view) {
	clear(dst)
	gemm.TN(dst, in[0].data, in[1].data, gemm.Size{M: in[0].shape[1], N: in[1].shape[1], K: in[0].shape[0]})
}

// denseGradB is grad [N,K] -> the sums of its columns [K].
type denseGradB struct{ name string }

func (o *denseGradB) signature() signature {
	return signature{kind: "dense-gradient-b", name: o.name, axes: []int{2, 1}, counts: []int{1}}
}

func (o *denseGradB) infer(s []tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{s[0][1]}, nil
}

func (o *denseGradB) compute(dst []float32, in []view) {
	sums := make([]float64, len(dst))
	for at := 0; at < len(in[0].data); at += len(sums) {
		for i, g := range in[0].data[at:][:len(sums)] {
			sums[i] += float64(g)
		}
	}
	for i, s := range sums {
		dst[i] = float32(s)
	}
}
