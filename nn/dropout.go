package nn

import "gorgonia.org/tensor"

// Dropout leaves out a share of the values in training (Srivastava et al. 2014): y = x/(1-Rate) where noise
// >= Rate, and 0 elsewhere. Arguments: x and noise, of one shape; noise is an [Input] that every run feeds
// with new numbers, uniform in [0,1), so that the caller's seed decides. It has a gradient by x. A compiled
// Program answers, and does not train: there it is x.
type Dropout struct {
	Name string
	Rate float64 // 0 to below 1
}

func (o *Dropout) signature() signature {
	return signature{kind: "dropout", name: o.Name, axes: []int{anyAxes, anyAxes, anyAxes}, counts: []int{2},
		wrt: []bool{true, false}}
}

func (o *Dropout) infer(s []tensor.Shape) (tensor.Shape, error) {
	if !(o.Rate >= 0 && o.Rate < 1) {
		return nil, want(o, "Rate", o.Rate, "0 to below 1")
	}
	return alike(o, s)
}

func (o *Dropout) compute(dst []float32, in []view) {
	scale := float32(1 / (1 - o.Rate))
	for i, x := range in[0].data {
		dst[i] = 0
		if float64(in[1].data[i]) >= o.Rate {
			dst[i] = x * scale
		}
	}
}

// gradient is Dropout of the gradient with the same noise.
func (o *Dropout) gradient(in []*Node, _, grad *Node) ([]*Node, error) {
	dx, err := Apply(&Dropout{Name: o.Name + " gradient", Rate: o.Rate}, grad, in[1])
	return []*Node{dx, nil}, err
}
