package nn

import (
	"fmt"
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
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
// There is no gradient.
type MaxPool struct {
	Name    string
	Kernel  [2]int // height, width
	Stride  [2]int // vertical, horizontal
	Padding Padding

	own
	frozen
}

// Type returns the signature in Gorgonia's type system.
func (o *MaxPool) Type() hm.Type { return opType(o) }

// InferShape returns the result's shape, or a [*ShapeError].
func (o *MaxPool) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) { return opInfer(o, in) }

// Do computes the result into the operator's own buffer.
func (o *MaxPool) Do(in ...gorgonia.Value) (gorgonia.Value, error) { return opDo(o, in) }

// WriteHash writes a hash that no other instance has.
func (o *MaxPool) WriteHash(h hash.Hash) { opHash(o, h) }

// Hashcode returns the hash that WriteHash writes.
func (o *MaxPool) Hashcode() uint32 { return opHashcode(o) }

func (o *MaxPool) String() string { return opString(o) }

func (o *MaxPool) kind() string  { return "maxpool" }
func (o *MaxPool) label() string { return o.Name }
func (o *MaxPool) dims() []int   { return []int{4, 4} }

func (o *MaxPool) bind(out *output) operator {
	c := *o
	c.out = out
	return &c
}

func (o *MaxPool) window() ir.Window { return window(o.Kernel, o.Stride, o.Padding) }

func (o *MaxPool) infer(s []tensor.Shape) (tensor.Shape, error) {
	if err := arity(o, s, 1); err != nil {
		return nil, err
	}
	return pooled(o, o.window(), s[0])
}

func (o *MaxPool) compute(dst []float32, in []view) error {
	ref.MaxPool(dst, in[0].data, image(in[0].shape), o.window())
	return nil
}

// AvgPool takes the mean of the values under each window, x [N,C,H,W] ->
// [N,C,OH,OW]. With CountBorder the sum is divided by the whole window
// (PyTorch's default), else by the pixels of it that lie inside the image
// (TensorFlow's). Padding must be smaller than the kernel; a stride of 0 means
// 1. There is no gradient.
type AvgPool struct {
	Name        string
	Kernel      [2]int // height, width
	Stride      [2]int // vertical, horizontal
	Padding     Padding
	CountBorder bool

	own
	frozen
}

// Type returns the signature in Gorgonia's type system.
func (o *AvgPool) Type() hm.Type { return opType(o) }

// InferShape returns the result's shape, or a [*ShapeError].
func (o *AvgPool) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) { return opInfer(o, in) }

// Do computes the result into the operator's own buffer.
func (o *AvgPool) Do(in ...gorgonia.Value) (gorgonia.Value, error) { return opDo(o, in) }

// WriteHash writes a hash that no other instance has.
func (o *AvgPool) WriteHash(h hash.Hash) { opHash(o, h) }

// Hashcode returns the hash that WriteHash writes.
func (o *AvgPool) Hashcode() uint32 { return opHashcode(o) }

func (o *AvgPool) String() string { return opString(o) }

func (o *AvgPool) kind() string  { return "avgpool" }
func (o *AvgPool) label() string { return o.Name }
func (o *AvgPool) dims() []int   { return []int{4, 4} }

func (o *AvgPool) bind(out *output) operator {
	c := *o
	c.out = out
	return &c
}

func (o *AvgPool) window() ir.Window { return window(o.Kernel, o.Stride, o.Padding) }

func (o *AvgPool) infer(s []tensor.Shape) (tensor.Shape, error) {
	if err := arity(o, s, 1); err != nil {
		return nil, err
	}
	return pooled(o, o.window(), s[0])
}

func (o *AvgPool) compute(dst []float32, in []view) error {
	ref.AvgPool(dst, in[0].data, image(in[0].shape), ref.Pool{Window: o.window(), CountBorder: o.CountBorder})
	return nil
}

// GlobalAvgPool is the mean over all pixels: x [N,C,H,W] -> [N,C]. There is no
// gradient.
type GlobalAvgPool struct {
	Name string

	own
	frozen
}

// Type returns the signature in Gorgonia's type system.
func (o *GlobalAvgPool) Type() hm.Type { return opType(o) }

// InferShape returns the result's shape, or a [*ShapeError].
func (o *GlobalAvgPool) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return opInfer(o, in)
}

// Do computes the result into the operator's own buffer.
func (o *GlobalAvgPool) Do(in ...gorgonia.Value) (gorgonia.Value, error) { return opDo(o, in) }

// WriteHash writes a hash that no other instance has.
func (o *GlobalAvgPool) WriteHash(h hash.Hash) { opHash(o, h) }

// Hashcode returns the hash that WriteHash writes.
func (o *GlobalAvgPool) Hashcode() uint32 { return opHashcode(o) }

func (o *GlobalAvgPool) String() string { return opString(o) }

func (o *GlobalAvgPool) kind() string  { return "globalavgpool" }
func (o *GlobalAvgPool) label() string { return o.Name }
func (o *GlobalAvgPool) dims() []int   { return []int{4, 2} }

func (o *GlobalAvgPool) bind(out *output) operator {
	c := *o
	c.out = out
	return &c
}

func (o *GlobalAvgPool) infer(s []tensor.Shape) (tensor.Shape, error) {
	if err := arity(o, s, 1); err != nil {
		return nil, err
	}
	return tensor.Shape{s[0][0], s[0][1]}, nil
}

func (o *GlobalAvgPool) compute(dst []float32, in []view) error {
	ref.GlobalAvgPool(dst, in[0].data, image(in[0].shape))
	return nil
}

// pooled returns the shape that a pool with window w makes of x.
func pooled(o operator, w ir.Window, x tensor.Shape) (tensor.Shape, error) {
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
