package nn

import (
	"fmt"
	"math"
	"sync"

	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/nn/internal/ref"
)

// BatchNormTraining is batch normalisation by the batch's own statistics, as networks are trained with it
// (Ioffe and Szegedy 2015):
//
//	y[n,c,h,w] = gamma[c] * (x[n,c,h,w] - m[c]) / sqrt(v[c] + Eps) + beta[c]
//
// with the mean m[c] and the variance v[c] of x over n, h and w; v divides by their number. Arguments: x
// [N,C,H,W], gamma and beta, each [C]. Result: as x. Eps is used as it stands, also when it is 0. It has
// gradients with respect to all three. Each run moves Running, if there is one. A compiled Program answers,
// and does not train: there it is [BatchNorm] with the statistics that Running holds when it is compiled.
type BatchNormTraining struct {
	Name    string
	Eps     float64
	Running *Running
}

// Running is what a [BatchNormTraining] has seen, a mean and a variance for each channel, each [C]. The zero
// value has seen nothing: the first batch fills it, and each one after moves it by Momentum. Mean and
// Variance are what a [BatchNorm] takes after training, and may be read or set when nothing runs; who sets
// them sets Batches above 0.
type Running struct {
	Mean, Variance []float32 // Variance divides by one less than the number of values, as the source has it
	Batches        int       // seen so far
	Momentum       float64   // the share of a new batch, above 0 to 1; 0 means 0.1

	mu sync.Mutex // of machines of one graph that run side by side
}

func (r *Running) momentum() float64 {
	if r.Momentum == 0 {
		return 0.1
	}
	return r.Momentum
}

// counts returns how many means, variances and batches there are.
func (r *Running) counts() (means, variances, batches int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.Mean), len(r.Variance), r.Batches
}

// move takes in the statistics of a batch of n values a channel.
func (r *Running) move(mean, variance []float64, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	share := r.momentum()
	if r.Batches == 0 {
		r.Mean, r.Variance, share = make([]float32, len(mean)), make([]float32, len(mean)), 1
	}
	unbiased := float64(n) / float64(max(n-1, 1))
	for c := range mean {
		r.Mean[c] = float32((1-share)*float64(r.Mean[c]) + share*mean[c])
		r.Variance[c] = float32((1-share)*float64(r.Variance[c]) + share*variance[c]*unbiased)
	}
	r.Batches++
}

// frozen returns copies of the statistics of c channels, or an error of o.
func (r *Running) frozen(o Op, c int) (mean, variance []float32, err error) {
	s := o.signature()
	if r == nil {
		return nil, nil, fmt.Errorf("nn: compile: %v: it has no Running, want one, whose statistics a Program uses", s)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Batches < 1 {
		return nil, nil, fmt.Errorf("nn: compile: %v: Running has seen no batch, run the network in training first", s)
	}
	if len(r.Mean) != c || len(r.Variance) != c {
		return nil, nil, fmt.Errorf("nn: compile: %v: Running has %d means and %d variances, want %d, one for each channel",
			s, len(r.Mean), len(r.Variance), c)
	}
	return append(mean, r.Mean...), append(variance, r.Variance...), nil
}

func (o *BatchNormTraining) signature() signature {
	return signature{kind: "batchnorm-training", name: o.Name, axes: []int{4, 1, 1, 4}, counts: []int{3},
		wrt: []bool{true}}
}

func (o *BatchNormTraining) infer(s []tensor.Shape) (tensor.Shape, error) {
	channels := s[0][1]
	for i, what := range []string{"gamma", "beta"} {
		if s[i+1][0] != channels {
			return nil, want(o, what, s[i+1], fmt.Sprintf("[%d], one for each channel", channels))
		}
	}
	if !(o.Eps >= 0) || math.IsInf(o.Eps, 1) {
		return nil, want(o, "Eps", o.Eps, "a number of at least 0")
	}
	if r := o.Running; r != nil {
		if !(r.Momentum >= 0 && r.Momentum <= 1) {
			return nil, want(o, "Momentum", r.Momentum, "above 0 to 1, or 0, which means 0.1")
		}
		if m, v, batches := r.counts(); batches > 0 && (m != channels || v != channels) {
			return nil, want(o, "Running", fmt.Sprintf("%d means, %d variances", m, v),
				fmt.Sprintf("%d, one for each channel; each operator has a Running of its own", channels))
		}
	}
	return s[0].Clone(), nil
}

func (o *BatchNormTraining) compute(dst []float32, in []view) {
	s := image(in[0].shape)
	mean, variance := ref.BatchNormTraining(dst, in[0].data, s,
		ref.Norm[float32]{Gamma: in[1].data, Beta: in[2].data, Eps: o.Eps})
	if o.Running != nil {
		o.Running.move(mean, variance, s.N*s.H*s.W)
	}
}

func (o *BatchNormTraining) gradient(in []*Node, _, grad *Node) ([]*Node, error) {
	dx, err := Apply(&normGradX{name: o.Name, eps: o.Eps}, grad, in[0], in[1])
	if err != nil {
		return nil, err
	}
	dgamma, err := Apply(&normGradGamma{name: o.Name, eps: o.Eps}, grad, in[0])
	if err != nil {
		return nil, err
	}
	dbeta, err := Apply(&channelSums{name: o.Name}, grad)
	return []*Node{dx, dgamma, dbeta}, err
}

// normGradX is grad, x [N,C,H,W], gamma [C] -> the gradient by x of a BatchNormTraining.
type normGradX struct {
	name string
	eps  float64
}

func (o *normGradX) signature() signature {
	return signature{kind: "batchnorm-training-gradient-x", name: o.name, axes: []int{4, 4, 1, 4}, counts: []int{3}}
}

func (o *normGradX) infer(s []tensor.Shape) (tensor.Shape, error) { return alike(o, s[:2]) }

func (o *normGradX) compute(dst []float32, in []view) {
	ref.BatchNormGradX(dst, in[0].data, in[1].data, image(in[1].shape), ref.Norm[float32]{Gamma: in[2].data, Eps: o.eps})
}

// normGradGamma is grad, x [N,C,H,W] -> the gradient by gamma of a BatchNormTraining.
type normGradGamma struct {
	name string
	eps  float64
}

func (o *normGradGamma) signature() signature {
	return signature{kind: "batchnorm-training-gradient-gamma", name: o.name, axes: []int{4, 4, 1}, counts: []int{2}}
}

func (o *normGradGamma) infer(s []tensor.Shape) (tensor.Shape, error) {
	_, err := alike(o, s)
	return tensor.Shape{s[0][1]}, err
}

func (o *normGradGamma) compute(dst []float32, in []view) {
	ref.BatchNormGradGamma(dst, in[0].data, in[1].data, image(in[1].shape), o.eps)
}
