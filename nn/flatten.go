package nn

import "gorgonia.org/tensor"

// Flatten makes vectors of images: x [N,C,H,W] -> [N,C*H*W], channel by channel and row by row, as PyTorch
// and ONNX do. It has a gradient.
type Flatten struct{ Name string }

func (o *Flatten) signature() signature {
	return signature{kind: "flatten", name: o.Name, axes: []int{4, 2}, counts: []int{1}, wrt: []bool{true}}
}

func (o *Flatten) infer(s []tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{s[0][0], s[0][1] * s[0][2] * s[0][3]}, nil
}

func (o *Flatten) compute(dst []float32, in []view) { copy(dst, in[0].data) }

func (o *Flatten) gradient(in []*Node, _, grad *Node) ([]*Node, error) {
	return one(Apply(&unflatten{name: o.Name}, grad, in[0]))
}

// unflatten is grad [N,C*H*W], x [N,C,H,W] -> grad in x's shape.
type unflatten struct{ name string }

func (o *unflatten) signature() signature {
	return signature{kind: "flatten-gradient", name: o.name, axes: []int{2, 4, 4}, counts: []int{2}}
}

func (o *unflatten) infer(s []tensor.Shape) (tensor.Shape, error) {
	if s[0].TotalSize() != s[1].TotalSize() {
		return nil, want(o, "gradient", s[0], "as many values as the input has")
	}
	return s[1].Clone(), nil
}

func (o *unflatten) compute(dst []float32, in []view) { copy(dst, in[0].data) }
