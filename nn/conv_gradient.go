package nn

import (
	"fmt"
	"runtime"

	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/nn/internal/ref"
)

// gradient returns the gradients with respect to x, w and, where there is one, b.
func (o *Conv2D) gradient(in []*Node, _, grad *Node) ([]*Node, error) {
	dx, err := Apply(&convGradX{convGrad{*o}}, grad, in[1], in[0])
	if err != nil {
		return nil, err
	}
	dw, err := Apply(&convGradW{convGrad{*o}}, grad, in[0], in[1])
	if err != nil || len(in) == 2 {
		return []*Node{dx, dw}, err
	}
	db, err := Apply(&channelSums{name: o.Name}, grad)
	return []*Node{dx, dw, db}, err
}

// convGrad is what the gradients of a convolution share.
type convGrad struct{ of Conv2D }

// fits checks the gradient's shape against that of the convolution's result.
func (c *convGrad) fits(o Op, grad, x, w tensor.Shape) error {
	y, err := c.of.infer([]tensor.Shape{x, w})
	if err == nil && !y.Eq(grad) {
		err = want(o, "gradient", grad, fmt.Sprintf("%v, as the result", y))
	}
	return err
}

// convGradX is grad [N,O,OH,OW], w, x [N,C,H,W] -> the gradient by x.
type convGradX struct{ convGrad }

func (o *convGradX) signature() signature {
	return signature{kind: "conv2d-gradient-x", name: o.of.Name, axes: []int{4, 4, 4, 4}, counts: []int{3}}
}

func (o *convGradX) infer(s []tensor.Shape) (tensor.Shape, error) {
	return s[2].Clone(), o.fits(o, s[0], s[2], s[1])
}

func (o *convGradX) compute(dst []float32, in []view) {
	s, outs, win := image(in[2].shape), in[1].shape[0], o.of.window(in[1].shape)
	w, plane, area := o.of.ordinary(in[1].data, in[1].shape), s.H*s.W, win.KH*win.KW
	each := len(in[0].data) / s.N
	g := ref.ConvPlane{Window: win, Out: outs, Step: s.C * area}
	par.Do(runtime.GOMAXPROCS(0), s.N*s.C, func(task int) {
		n, c := task/s.C, task%s.C
		sums := make([]float64, plane)
		ref.ConvGradX(sums, in[0].data[n*each:(n+1)*each], w[c*area:], s, g)
		for i, v := range sums {
			dst[task*plane+i] = float32(v)
		}
	})
}

// convGradW is grad [N,O,OH,OW], x, w -> the gradient by w.
type convGradW struct{ convGrad }

func (o *convGradW) signature() signature {
	return signature{kind: "conv2d-gradient-w", name: o.of.Name, axes: []int{4, 4, 4, 4}, counts: []int{3}}
}

func (o *convGradW) infer(s []tensor.Shape) (tensor.Shape, error) {
	return s[2].Clone(), o.fits(o, s[0], s[1], s[2])
}

func (o *convGradW) compute(dst []float32, in []view) {
	s, w := image(in[1].shape), in[2].shape
	win, plane := o.of.window(w), s.H*s.W
	area, gradPlane := win.KH*win.KW, len(in[0].data)/(s.N*w[0])
	groups, _ := o.of.spread()
	wide := make([]float64, w[0]*s.C*area)
	par.Do(runtime.GOMAXPROCS(0), w[0], func(out int) {
		first := out / (w[0] / groups) * w[1]
		for n := range s.N {
			grad := in[0].data[(n*w[0]+out)*gradPlane:][:gradPlane]
			for c := first; c < first+w[1]; c++ {
				ref.ConvGradW(wide[(out*s.C+c)*area:][:area], grad, in[1].data[(n*s.C+c)*plane:][:plane], s, win)
			}
		}
	})
	o.of.places(w, func(narrow, place int) { dst[narrow] = float32(wide[place]) })
}

// channelSums is grad [N,C,H,W] -> its sums over images and pixels [C]: the gradient by what is added to a channel.
type channelSums struct{ name string }

func (o *channelSums) signature() signature {
	return signature{kind: "channel-sums", name: o.name, axes: []int{4, 1}, counts: []int{1}}
}

func (o *channelSums) infer(s []tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{s[0][1]}, nil
}

func (o *channelSums) compute(dst []float32, in []view) {
	s := image(in[0].shape)
	for c := range dst {
		sum := 0.0
		for n := range s.N {
			for _, g := range in[0].data[(n*s.C+c)*s.H*s.W:][:s.H*s.W] {
				sum += float64(g)
			}
		}
		dst[c] = float32(sum)
	}
}
