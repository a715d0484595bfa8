package nn

import (
	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/nn/internal/ref"
)

// ReLU is the rectifier y = max(x, 0), element by element, over x of any number of axes from 1 to 4. A NaN
// stays a NaN. It has a gradient, 0 at 0.
type ReLU struct{ Name string }

func (o *ReLU) signature() signature {
	return signature{kind: "relu", name: o.Name, axes: []int{anyAxes, anyAxes}, counts: []int{1}, wrt: []bool{true}}
}

func (o *ReLU) infer(s []tensor.Shape) (tensor.Shape, error) { return s[0].Clone(), nil }

func (o *ReLU) compute(dst []float32, in []view) { ref.ReLU(dst, in[0].data) }

func (o *ReLU) gradient(_ []*Node, output, grad *Node) ([]*Node, error) {
	return one(Apply(&slopeTimes{kind: "relu-gradient", name: o.Name, slope: step}, output, grad))
}

// step is the slope of a ReLU, by its result.
func step(y float64) float64 {
	if y > 0 {
		return 1
	}
	return 0
}
