package nn

import (
	"fmt"

	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/nn/internal/ref"
)

// Concat joins images along their channels: [N,C1,H,W], [N,C2,H,W], ... ->
// [N,C1+C2+...,H,W], in the order of the arguments. There is no gradient.
type Concat struct{ Name string }

func (o *Concat) signature() signature {
	return signature{kind: "concat", name: o.Name, axes: []int{4, 4}}
}

func (o *Concat) infer(s []tensor.Shape) (tensor.Shape, error) {
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

func (o *Concat) compute(dst []float32, in []view) {
	parts := make([]ref.Part[float32], len(in))
	for i, v := range in {
		parts[i] = ref.Part[float32]{Data: v.data, Size: v.shape[1] * v.shape[2] * v.shape[3]}
	}
	ref.Concat(dst, in[0].shape[0], parts...)
}
