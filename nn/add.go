package nn

import "gorgonia.org/tensor"

// Add is the sum of two or more arguments of one shape, of any number of axes from 1 to 4, as residual
// networks have it. It has gradients.
type Add struct{ Name string }

func (o *Add) signature() signature {
	return signature{kind: "add", name: o.Name, axes: []int{anyAxes, anyAxes}, wrt: []bool{true}}
}

func (o *Add) infer(s []tensor.Shape) (tensor.Shape, error) {
	if len(s) < 2 {
		return nil, want(o, "number of arguments", len(s), "at least 2")
	}
	return alike(o, s)
}

func (o *Add) compute(dst []float32, in []view) {
	copy(dst, in[0].data)
	for _, v := range in[1:] {
		for i, x := range v.data {
			dst[i] += x
		}
	}
}

// gradient hands grad to each argument, in copies: Gorgonia adds the gradients of a node that is an
// argument twice up in place.
func (o *Add) gradient(in []*Node, _, grad *Node) (all []*Node, err error) {
	all = make([]*Node, len(in))
	for i := range all {
		if all[i], err = Apply(&same{name: o.Name}, grad); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// same is a copy of its argument.
type same struct{ name string }

func (o *same) signature() signature {
	return signature{kind: "add-gradient", name: o.name, axes: []int{anyAxes, anyAxes}, counts: []int{1}}
}

func (o *same) infer(s []tensor.Shape) (tensor.Shape, error) { return s[0].Clone(), nil }

func (o *same) compute(dst []float32, in []view) { copy(dst, in[0].data) }
