package nn

import (
	"fmt"

	"gorgonia.org/tensor"

	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/ref"
)

// MaxPool takes the largest value under each window:
//
//	y[n,c,i,j] = max over u,v of x[n,c, i*Stride[0]+u-Top, j*Stride[1]+v-Left]
//
// x [N,C,H,W] -> [N,C,OH,OW]. Padding is never chosen and must be smaller than
// the kernel; a NaN under the window is the result. A stride of 0 means 1.
// It has a gradient, which goes to the first of equal values.
type MaxPool struct {
	Name    string
	Kernel  [2]int // height, width
	Stride  [2]int // vertical, horizontal
	Padding Padding
}

func (o *MaxPool) signature() signature {
	return signature{kind: "maxpool", name: o.Name, axes: []int{4, 4}, counts: []int{1}, wrt: []bool{true}}
}

func (o *MaxPool) window() ir.Window { return window(o.Kernel, o.Stride, o.Padding) }

func (o *MaxPool) infer(s []tensor.Shape) (tensor.Shape, error) { return pooled(o, o.window(), s[0]) }

func (o *MaxPool) compute(dst []float32, in []view) {
	ref.MaxPool(dst, in[0].data, image(in[0].shape), o.window())
}

// AvgPool takes the mean of the values under each window, x [N,C,H,W] ->
// [N,C,OH,OW]. With CountBorder the sum is divided by the whole window
// (PyTorch's default), else by the pixels of it that lie inside the image
// (TensorFlow's). Padding must be smaller than the kernel; a stride of 0 means
// 1. It has a gradient.
type AvgPool struct {
	Name        string
	Kernel      [2]int // height, width
	Stride      [2]int // vertical, horizontal
	Padding     Padding
	CountBorder bool
}

func (o *AvgPool) signature() signature {
	return signature{kind: "avgpool", name: o.Name, axes: []int{4, 4}, counts: []int{1}, wrt: []bool{true}}
}

func (o *AvgPool) window() ir.Window { return window(o.Kernel, o.Stride, o.Padding) }

func (o *AvgPool) infer(s []tensor.Shape) (tensor.Shape, error) { return pooled(o, o.window(), s[0]) }

func (o *AvgPool) compute(dst []float32, in []view) {
	ref.AvgPool(dst, in[0].data, image(in[0].shape), ref.Pool{Window: o.window(), CountBorder: o.CountBorder})
}

// GlobalAvgPool is the mean over all pixels: x [N,C,H,W] -> [N,C]. It has a
// gradient.
type GlobalAvgPool struct{ Name string }

func (o *GlobalAvgPool) signature() signature {
	return signature{kind: "globalavgpool", name: o.Name, axes: []int{4, 2}, counts: []int{1}, wrt: []bool{true}}
}

func (o *GlobalAvgPool) infer(s []tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{s[0][0], s[0][1]}, nil
}

func (o *GlobalAvgPool) compute(dst []float32, in []view) {
	ref.GlobalAvgPool(dst, in[0].data, image(in[0].shape))
}

// pooled returns the shape that a pool with window w makes of x.
func pooled(o Op, w ir.Window, x tensor.Shape) (tensor.Shape, error) {
	oh, ow, err := slide(o, w, x)
	if err != nil {
		return nil, err
	}
	if w.Top >= w.KH || w.Bottom >= w.KH || w.Left >= w.KW || w.Right >= w.KW {
		return nil, want(o, "padding", fmt.Sprintf("%+v", Padding{w.Top, w.Bottom, w.Left, w.Right}),
			fmt.Sprintf("less than the %dx%d kernel, so that every window meets the image", w.KH, w.KW))
	}
	return tensor.Shape{x[0], x[1], oh, ow}, nil
}
