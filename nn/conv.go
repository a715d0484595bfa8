package nn

import (
	"cmp"
	"fmt"
	"runtime"

	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/internal/par"
	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/ref"
)

// Padding is the number of pixels added to each side of an image. For a
// convolution they are zeros; a max pool never chooses them; an average pool
// counts them or not.
type Padding struct{ Top, Bottom, Left, Right int }

// Conv2D is a two-dimensional convolution (cross-correlation, as all networks use it):
//
//	y[n,o,i,j] = b[o] + sum over c,u,v of w[o,c,u,v] *
//	             x[n, g*C/Groups+c, i*Stride[0]+u*Dilation[0]-Top, j*Stride[1]+v*Dilation[1]-Left]
//
// Arguments: x [N,C,H,W], w [O,C/Groups,KH,KW] and, if wanted, b [O]. Result [N,O,OH,OW] with OH =
// (H+Top+Bottom-(KH-1)*Dilation[0]-1)/Stride[0] + 1, likewise OW. Output o is of group g =
// o/(O/Groups); as many groups as channels make a depthwise convolution. A 0 among strides, groups and
// dilations means 1. It has gradients with respect to all arguments.
//
// A Program computes groups and dilation as an ordinary convolution with zeros among its weights:
// right everywhere, and no faster than one.
type Conv2D struct {
	Name     string
	Stride   [2]int // vertical, horizontal
	Padding  Padding
	Groups   int
	Dilation [2]int // vertical, horizontal
}

func (o *Conv2D) signature() signature {
	return signature{kind: "conv2d", name: o.Name, axes: []int{4, 4, 1, 4}, counts: []int{2, 3},
		wrt: []bool{true, true, true}}
}

// window is that of the ordinary convolution, see ordinary.
func (o *Conv2D) window(w tensor.Shape) ir.Window {
	_, d := o.spread()
	return window([2]int{(w[2]-1)*d[0] + 1, (w[3]-1)*d[1] + 1}, o.Stride, o.Padding)
}

// spread returns groups and dilations, with what 0 means.
func (o *Conv2D) spread() (groups int, dilation [2]int) {
	return cmp.Or(o.Groups, 1), [2]int{cmp.Or(o.Dilation[0], 1), cmp.Or(o.Dilation[1], 1)}
}

// ordinary returns the weights [O,C,KH',KW'] of the convolution without groups and dilation that computes
// the same: zeros stand where nothing is read.
func (o *Conv2D) ordinary(w []float32, shape tensor.Shape) []float32 {
	groups, d := o.spread()
	if groups == 1 && d == [2]int{1, 1} {
		return w
	}
	wide := make([]float32, shape[0]*shape[1]*groups*o.window(shape).KH*o.window(shape).KW)
	o.places(shape, func(narrow, place int) { wide[place] = w[narrow] })
	return wide
}

// places calls f with each weight's index, and its index among the ordinary weights.
func (o *Conv2D) places(w tensor.Shape, f func(narrow, place int)) {
	groups, d := o.spread()
	win := o.window(w)
	each, narrow := w[0]/groups, 0
	for out := range w[0] {
		for c := range w[1] {
			plane := (out*w[1]*groups + out/each*w[1] + c) * win.KH * win.KW
			for u := range w[2] {
				for v := range w[3] {
					f(narrow, plane+u*d[0]*win.KW+v*d[1])
					narrow++
				}
			}
		}
	}
}

func (o *Conv2D) infer(s []tensor.Shape) (tensor.Shape, error) {
	x, w := s[0], s[1]
	groups, d := o.spread()
	if groups < 1 || x[1]%groups != 0 || w[0]%groups != 0 {
		return nil, want(o, "Groups", groups, fmt.Sprintf("a divisor of %d channels and %d outputs", x[1], w[0]))
	}
	if d[0] < 1 || d[1] < 1 || d[0] > 1<<10 || d[1] > 1<<10 {
		return nil, want(o, "Dilation", o.Dilation, "0 (for 1) to 1024")
	}
	if x[1]/groups != w[1] {
		return nil, want(o, "weight", w, fmt.Sprintf("[O %d KH KW] for an input of %d channels in %d groups", x[1]/groups,
			x[1], groups))
	}
	if len(s) == 3 && s[2][0] != w[0] {
		return nil, want(o, "bias", s[2], fmt.Sprintf("[%d], one for each output channel", w[0]))
	}
	oh, ow, err := slide(o, o.window(w), x)
	if err != nil {
		return nil, err
	}
	return tensor.Shape{x[0], w[0], oh, ow}, nil
}

func (o *Conv2D) compute(dst []float32, in []view) {
	s, win, outs := image(in[0].shape), o.window(in[1].shape), in[1].shape[0]
	weights := o.ordinary(in[1].data, in[1].shape)
	x, each, plane := s.C*s.H*s.W, s.C*win.KH*win.KW, len(dst)/(s.N*outs)
	one := s
	one.N = 1
	// Each channel of each image by itself: the reference is slow enough.
	par.Do(runtime.GOMAXPROCS(0), s.N*outs, func(task int) {
		n, c := task/outs, task%outs
		k := ref.Kernel[float32]{W: weights[c*each : (c+1)*each], Out: 1, Window: win}
		if len(in) == 3 {
			k.B = in[2].data[c : c+1]
		}
		ref.Conv2D(dst[task*plane:(task+1)*plane], in[0].data[n*x:(n+1)*x], one, k)
	})
}

func image(s tensor.Shape) ref.Image { return ref.Image{N: s[0], C: s[1], H: s[2], W: s[3]} }

// window puts kernel, stride and padding together; a stride of 0 means 1.
func window(kernel, stride [2]int, p Padding) ir.Window {
	for i := range stride {
		if stride[i] == 0 {
			stride[i] = 1
		}
	}
	return ir.Window{
		KH: kernel[0], KW: kernel[1], StrideH: stride[0], StrideW: stride[1],
		Top: p.Top, Bottom: p.Bottom, Left: p.Left, Right: p.Right,
	}
}

// slide returns the number of positions of w over x [N,C,H,W].
func slide(o Op, w ir.Window, x tensor.Shape) (oh, ow int, err error) {
	const most = 1 << 20 // beyond any image, below any overflow
	for _, p := range []int{w.Top, w.Bottom, w.Left, w.Right} {
		if p < 0 || p > most {
			return 0, 0, want(o, "padding", fmt.Sprintf("%+v", Padding{w.Top, w.Bottom, w.Left, w.Right}),
				fmt.Sprintf("0 to %d pixels on each side", most))
		}
	}
	for _, k := range []int{w.KH, w.KW} {
		if k < 1 || k > most {
			return 0, 0, want(o, "kernel", []int{w.KH, w.KW}, fmt.Sprintf("1 to %d", most))
		}
	}
	for _, s := range []int{w.StrideH, w.StrideW} {
		if s < 1 || s > most {
			return 0, 0, want(o, "stride", []int{w.StrideH, w.StrideW}, fmt.Sprintf("0 (for 1) to %d", most))
		}
	}
	if oh, ow = w.Out(x[2], x[3]); oh < 1 || ow < 1 {
		return 0, 0, want(o, "input", x,
			fmt.Sprintf("at least %dx%d pixels for a %dx%d kernel with this padding", max(1, w.KH-w.Top-w.Bottom),
				max(1, w.KW-w.Left-w.Right), w.KH, w.KW))
	}
	return oh, ow, nil
}
