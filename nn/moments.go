package nn

import (
	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/ref"
)

// Moments says of each channel where and how strongly it is on: x [N,C,H,W] -> [N,6C], six runs of
// C values: the mean over all pixels; the means over the quarters (upper left, upper right, lower
// left, lower right); the standard deviation over all pixels, sqrt(mean((x - mean)^2)). A row or
// column in the middle belongs to both of its sides, as in an adaptive average pool to 2x2. There
// is no gradient.
type Moments struct{ Name string }

// MomentRuns, which is 6, is how many values a channel has in the result of Moments.
const MomentRuns = ir.MomentRuns

func (o *Moments) signature() signature {
	return signature{kind: "moments", name: o.Name, axes: []int{4, 2}, counts: []int{1}}
}

func (o *Moments) infer(s []tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{s[0][0], MomentRuns * s[0][1]}, nil
}

func (o *Moments) compute(dst []float32, in []view) {
	ref.Moments(dst, in[0].data, image(in[0].shape))
}
