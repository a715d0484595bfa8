package nn

import (
	"fmt"

	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/nn/internal/ref"
)

// BatchNorm is batch normalisation with stored statistics, as networks use it
// after training (Ioffe and Szegedy 2015):
//
//	y[n,c,h,w] = gamma[c] * (x[n,c,h,w] - mean[c]) / sqrt(variance[c] + Eps) + beta[c]
//
// Arguments: x [N,C,H,W], gamma, beta, mean and variance, each [C]. Result: as
// x. Eps is used as it stands, also when it is 0. There is no gradient;
// [BatchNormTraining] has it.
type BatchNorm struct {
	Name string
	Eps  float64
}

func (o *BatchNorm) signature() signature {
	return signature{kind: "batchnorm", name: o.Name, axes: []int{4, 1, 1, 1, 1, 4}, counts: []int{5}}
}

func (o *BatchNorm) infer(s []tensor.Shape) (tensor.Shape, error) {
	for i, what := range []string{"gamma", "beta", "mean", "variance"} {
		if s[i+1][0] != s[0][1] {
			return nil, want(o, what, s[i+1], fmt.Sprintf("[%d], one for each channel", s[0][1]))
		}
	}
	return s[0].Clone(), nil
}

func (o *BatchNorm) compute(dst []float32, in []view) {
	ref.BatchNorm(dst, in[0].data, image(in[0].shape), ref.Norm[float32]{
		Gamma: in[1].data, Beta: in[2].data, Mean: in[3].data, Variance: in[4].data, Eps: o.Eps,
	})
}
