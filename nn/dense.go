package nn

import (
	"fmt"
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/nn/internal/gemm"
)

// Dense is a fully connected layer:
//
//	y[n,k] = b[k] + sum over f of w[k,f] * x[n,f]
//
// Arguments: x [N,F], w [K,F], b [K]. Result [N,K]. It has gradients with
// respect to all three.
type Dense struct {
	Name string

	own
}

// Type returns the signature in Gorgonia's type system.
func (o *Dense) Type() hm.Type { return opType(o) }

// InferShape returns the result's shape, or a [*ShapeError].
func (o *Dense) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) { return opInfer(o, in) }

// Do computes the result into the operator's own buffer.
func (o *Dense) Do(in ...gorgonia.Value) (gorgonia.Value, error) { return opDo(o, in) }

// WriteHash writes a hash that no other instance has.
func (o *Dense) WriteHash(h hash.Hash) { opHash(o, h) }

// Hashcode returns the hash that WriteHash writes.
func (o *Dense) Hashcode() uint32 { return opHashcode(o) }

func (o *Dense) String() string { return opString(o) }

func (o *Dense) kind() string  { return "dense" }
func (o *Dense) label() string { return o.Name }
func (o *Dense) dims() []int   { return []int{2, 2, 1, 2} }

func (o *Dense) bind(out *output) operator {
	c := *o
	c.out = out
	return &c
}

func (o *Dense) infer(s []tensor.Shape) (tensor.Shape, error) {
	if err := arity(o, s, 3); err != nil {
		return nil, err
	}
	x, w := s[0], s[1]
	if w[1] != x[1] {
		return nil, want(o, "weight", w, fmt.Sprintf("[K %d] for inputs of %d features", x[1], x[1]))
	}
	if s[2][0] != w[0] {
		return nil, want(o, "bias", s[2], fmt.Sprintf("[%d], one for each output", w[0]))
	}
	return tensor.Shape{x[0], w[0]}, nil
}

func (o *Dense) compute(dst []float32, in []view) error {
	n, f, k := in[0].shape[0], in[0].shape[1], in[1].shape[0]
	for i := range n {
		copy(dst[i*k:(i+1)*k], in[2].data)
	}
	gemm.NT(dst, in[0].data, in[1].data, gemm.Size{M: n, N: k, K: f})
	return nil
}

// DiffWRT says that all three arguments have a gradient.
func (o *Dense) DiffWRT(int) []bool { return []bool{true, true, true} }

// SymDiff returns the gradients with respect to x, w and b:
// grad*w, transposed grad * x, and the sums of grad's columns.
func (o *Dense) SymDiff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
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
	return gorgonia.Nodes{dx, dw, db}, nil
}

// denseGradX is grad [N,K], w [K,F] -> grad*w [N,F].
type denseGradX struct {
	name string
	own
	frozen
}

func (o *denseGradX) Type() hm.Type                                            { return opType(o) }
func (o *denseGradX) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) { return opInfer(o, in) }
func (o *denseGradX) Do(in ...gorgonia.Value) (gorgonia.Value, error)          { return opDo(o, in) }
func (o *denseGradX) WriteHash(h hash.Hash)                                    { opHash(o, h) }
func (o *denseGradX) Hashcode() uint32                                         { return opHashcode(o) }
func (o *denseGradX) String() string                                           { return opString(o) }

func (o *denseGradX) kind() string  { return "dense-gradient-x" }
func (o *denseGradX) label() string { return o.name }
func (o *denseGradX) dims() []int   { return []int{2, 2, 2} }

func (o *denseGradX) bind(out *output) operator {
	c := *o
	c.out = out
	return &c
}

func (o *denseGradX) infer(s []tensor.Shape) (tensor.Shape, error) {
	if err := arity(o, s, 2); err != nil {
		return nil, err
	}
	if s[0][1] != s[1][0] {
		return nil, want(o, "gradient", s[0], fmt.Sprintf("[N %d]", s[1][0]))
	}
	return tensor.Shape{s[0][0], s[1][1]}, nil
}

func (o *denseGradX) compute(dst []float32, in []view) error {
	clear(dst)
	gemm.NN(dst, in[0].data, in[1].data, gemm.Size{M: in[0].shape[0], N: in[1].shape[1], K: in[1].shape[0]})
	return nil
}

// denseGradW is grad [N,K], x [N,F] -> transposed grad * x [K,F].
type denseGradW struct {
	name string
	own
	frozen
}

func (o *denseGradW) Type() hm.Type                                            { return opType(o) }
func (o *denseGradW) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) { return opInfer(o, in) }
func (o *denseGradW) Do(in ...gorgonia.Value) (gorgonia.Value, error)          { return opDo(o, in) }
func (o *denseGradW) WriteHash(h hash.Hash)                                    { opHash(o, h) }
func (o *denseGradW) Hashcode() uint32                                         { return opHashcode(o) }
func (o *denseGradW) String() string                                           { return opString(o) }

func (o *denseGradW) kind() string  { return "dense-gradient-w" }
func (o *denseGradW) label() string { return o.name }
func (o *denseGradW) dims() []int   { return []int{2, 2, 2} }

func (o *denseGradW) bind(out *output) operator {
	c := *o
	c.out = out
	return &c
}

func (o *denseGradW) infer(s []tensor.Shape) (tensor.Shape, error) {
	if err := arity(o, s, 2); err != nil {
		return nil, err
	}
	if s[0][0] != s[1][0] {
		return nil, want(o, "gradient", s[0], fmt.Sprintf("[%d K]", s[1][0]))
	}
	return tensor.Shape{s[0][1], s[1][1]}, nil
}

func (o *denseGradW) compute(dst []float32, in []view) error {
	clear(dst)
	gemm.TN(dst, in[0].data, in[1].data, gemm.Size{M: in[0].shape[1], N: in[1].shape[1], K: in[0].shape[0]})
	return nil
}

// denseGradB is grad [N,K] -> the sums of its columns [K].
type denseGradB struct {
	name string
	own
	frozen
}

func (o *denseGradB) Type() hm.Type                                            { return opType(o) }
func (o *denseGradB) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) { return opInfer(o, in) }
func (o *denseGradB) Do(in ...gorgonia.Value) (gorgonia.Value, error)          { return opDo(o, in) }
func (o *denseGradB) WriteHash(h hash.Hash)                                    { opHash(o, h) }
func (o *denseGradB) Hashcode() uint32                                         { return opHashcode(o) }
func (o *denseGradB) String() string                                           { return opString(o) }

func (o *denseGradB) kind() string  { return "dense-gradient-b" }
func (o *denseGradB) label() string { return o.name }
func (o *denseGradB) dims() []int   { return []int{2, 1} }

func (o *denseGradB) bind(out *output) operator {
	c := *o
	c.out = out
	return &c
}

func (o *denseGradB) infer(s []tensor.Shape) (tensor.Shape, error) {
	if err := arity(o, s, 1); err != nil {
		return nil, err
	}
	return tensor.Shape{s[0][1]}, nil
}

func (o *denseGradB) compute(dst []float32, in []view) error {
	sums := make([]float64, len(dst))
	for at := 0; at < len(in[0].data); at += len(sums) {
		for i, g := range in[0].data[at:][:len(sums)] {
			sums[i] += float64(g)
		}
	}
	for i, s := range sums {
		dst[i] = float32(s)
	}
	return nil
}
