package nn

import (
	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/nn/internal/ref"
)

// ReLU is the rectifier y = max(x, 0) over [N,C,H,W], element by element. A NaN
// stays a NaN. There is no gradient.
type ReLU struct{ Name string }

func (o *ReLU) signature() signature {
	return signature{kind: "relu", name: o.Name, axes: []int{4, 4}, counts: []int{1}}
}

func (o *ReLU) infer(s []tensor.Shape) (tensor.Shape, error) { return s[0].Clone(), nil }

func (o *ReLU) compute(dst []float32, in []view) { ref.ReLU(dst, in[0].data) }
