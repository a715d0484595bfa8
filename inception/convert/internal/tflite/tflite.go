// Package tflite reads a TensorFlow Lite model (tensorflow/compiler/mlir/lite/schema/schema.fbs) as
// a computation graph in TensorFlow's operators: weights in their axes' order, quantised ones as
// the real numbers that they stand for, fused activations as operators of their own.
package tflite

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// Is tells a model by its identifier.
func Is(head []byte) bool { return len(head) >= 8 && string(head[4:8]) == "TFL3" }

// operators are the builtin codes that are known.
var operators = map[int64]string{0: "AddV2", 1: "AvgPool", 2: "ConcatV2", 3: "Conv2D", 6: "Identity", 9: "MatMul",
	11: "LpNormalization", 14: "Sigmoid", 17: "MaxPool", 18: "Mul", 19: "Relu", 21: "Relu6", 22: "Reshape", 25: "Softmax",
	28: "Tanh", 34: "Pad", 39: "Transpose", 40: "Mean", 41: "Sub", 42: "RealDiv", 43: "Squeeze", 47: "Exp",
	53: "Identity", 54: "PRelu", 56: "ArgMax", 59: "Neg", 60: "PadV2", 70: "ExpandDims",
	73: "Log", 82: "Max", 98: "LeakyRelu", 101: "Abs", 111: "Elu",
	114: "Identity", 117: "HardSwish", 150: "Gelu"}

// activations are what may be fused.
var activations = map[int64]string{1: "Relu", 3: "Relu6", 4: "Tanh"}

var types = map[int64]raw.DType{0: raw.F32, 1: raw.F16, 2: raw.I32, 3: raw.U8, 4: raw.I64, 6: raw.Bool, 7: raw.I16,
	9: raw.I8}

// tensor is one of a subgraph.
type tensor struct {
	value  string
	shape  []int
	dtype  raw.DType
	off, n int64 // its buffer, n is 0 without one
	scale  []float64
	zero   []int64
	axis   int
}

type reader struct {
	*flat
	g       *graph.Graph
	tensors []*tensor
	named   map[string]*tensor
	rounded bool
}

// Read reads a model of the given size and says whether its weights are quantised to integers.
func Read(r io.ReaderAt, size int64) (*graph.Graph, bool, error) {
	f := &reader{flat: newFlat(r, size), g: graph.New("TFLite"), named: map[string]*tensor{}}
	f.g.Complete = true
	if err := f.model(); err != nil {
		return nil, false, fmt.Errorf("TFLite: %w", err)
	}
	return f.g, f.rounded, nil
}

func (f *reader) model() error {
	root := table(f.follow(0))
	graphs := f.tables(root, 2)
	if f.err == nil && len(graphs) == 0 {
		return errors.New("has no graph")
	}
	if f.err != nil {
		return f.err
	}
	buffers := f.tables(root, 4)
	for i, t := range f.tables(graphs[0], 0) {
		if err := f.tensor(i, t, buffers); err != nil {
			return err
		}
	}
	for _, i := range f.ints(graphs[0], 1, 4) {
		if i >= 0 && i < int64(len(f.tensors)) {
			t := f.tensors[i]
			f.g.Bytes[t.value] = t.dtype == raw.U8 && len(t.scale) == 0
			if len(t.shape) == 4 && t.shape[1] == t.shape[2] {
				f.g.Sizes[t.value] = t.shape[1]
			}
		}
	}
	f.metadata(root, buffers)
	var codes []string
	for _, c := range f.tables(root, 1) {
		code := max(f.int(c, 3, 4, 0), f.int(c, 0, 1, 0))
		name := operators[code]
		if name == "" {
			name = fmt.Sprintf("operator %d %s", code, f.text(c, 1))
		}
		codes = append(codes, name)
	}
	for _, o := range f.tables(graphs[0], 3) {
		i := f.int(o, 0, 4, 0)
		if f.err == nil && (i < 0 || i >= int64(len(codes))) {
			return fmt.Errorf("offset %d: an operator of kind %d of %d", o, i, len(codes))
		}
		if f.err != nil {
			return f.err
		}
		if err := f.operator(o, codes[i]); err != nil {
			return fmt.Errorf("%s at offset %d: %w", codes[i], o, err)
		}
	}
	return f.err
}

// metadata that is read, and a bound on its length.
var texts = map[string]bool{"tool": true, "recipe": true, "labels": true}

const maxText = 1 << 20

// metadata reads the buffers that have names, as texts.
func (f *reader) metadata(root table, buffers []table) {
	for _, m := range f.tables(root, 6) {
		i := f.int(m, 1, 4, 0)
		name := "metadata:" + f.text(m, 0)
		_, again := f.g.Texts[name]
		if f.err == nil && texts[strings.TrimPrefix(name, "metadata:")] && !again && i >= 0 && i < int64(len(buffers)) {
			at, n := f.vector(buffers[i], 0, 1, f.size)
			if f.err != nil || n > maxText {
				continue
			}
			text := make([]byte, n)
			if f.err = raw.ReadFull(f.r, text, at); f.err == nil {
				f.g.Texts[name] = string(text)
			}
		}
	}
}

// tensor reads a Tensor; one with a buffer is a constant.
func (f *reader) tensor(i int, t table, buffers []table) error {
	x := &tensor{value: fmt.Sprintf("%s#%d", f.text(t, 3), i), dtype: types[f.int(t, 1, 1, 0)]}
	for _, d := range f.ints(t, 0, 4) {
		x.shape = append(x.shape, int(d))
	}
	n, err := raw.Elements(x.shape)
	if f.err != nil {
		return f.err
	}
	if q := f.child(t, 4); q != 0 {
		x.scale, x.zero, x.axis = f.floats(q, 2), f.ints(q, 3, 8), int(f.int(q, 6, 4, 0))
	}
	f.tensors, f.named[x.value] = append(f.tensors, x), x
	b := f.int(t, 2, 4, 0)
	if b <= 0 || b >= int64(len(buffers)) {
		return f.err
	}
	x.off, x.n = f.vector(buffers[b], 0, 1, f.size)
	if x.n == 0 {
		if x.n = f.int(buffers[b], 2, 8, 0); x.n > 1 {
			x.off = f.int(buffers[b], 1, 8, 0)
		} else {
			x.n = 0
		}
	}
	if f.err != nil || x.n == 0 {
		return f.err
	}
	if err != nil {
		return fmt.Errorf("tensor %q: %w", x.value, err)
	}
	if x.n != int64(n)*int64(x.dtype.Size()) || x.off < 0 || x.off > f.size-x.n {
		return fmt.Errorf("tensor %q at offset %d has %d bytes, want %d elements of %v that lie in the file", x.value, x.off,
			x.n, n,
			x.dtype)
	}
	return f.constant(x, x.value, nil)
}

// constant adds a tensor's values as a constant; permuted says which axis of the tensor each of the
// constant's is, nil for the same.
func (f *reader) constant(x *tensor, name string, permuted []int) error {
	n, _ := raw.Elements(x.shape)
	k := &graph.Const{Tensor: raw.Tensor{Name: x.value, Shape: x.shape, DType: x.dtype, Offset: x.off}}
	load, err := raw.Dense(f.r, f.size, x.off, n, x.dtype)
	if err != nil {
		return err
	}
	switch {
	case !x.dtype.Float() && len(x.scale) > 0:
		if load, err = f.real(x, n); err != nil {
			return fmt.Errorf("tensor %q: %w", x.value, err)
		}
		k.DType = raw.F32
	case !x.dtype.Float():
		load = raw.NotFloat
		if n <= 64 && (x.dtype == raw.I32 || x.dtype == raw.I64) {
			c, err := f.c.At(x.off, x.n)
			if err != nil {
				return err
			}
			if k.Ints, err = c.Ints(x.dtype, 64); err != nil {
				return err
			}
		}
	}
	k.Load = load
	if permuted != nil {
		k.Shape = make([]int, len(permuted))
		for i, a := range permuted {
			k.Shape[i] = x.shape[a]
		}
		k.Load = func(dst []float32) error {
			src := make([]float32, n)
			if err := load(src); err != nil {
				return err
			}
			raw.Permute(dst, src, x.shape, permuted)
			return nil
		}
	}
	return f.g.AddConst(name, k)
}

// real reads a quantised tensor's real numbers, (q - zero) scale.
func (f *reader) real(x *tensor, n int) (func([]float32) error, error) {
	inner, count := 1, 1
	if len(x.scale) > 1 {
		if x.axis < 0 || x.axis >= len(x.shape) || len(x.scale) != x.shape[x.axis] {
			return nil, fmt.Errorf("has %d scales along axis %d of shape %v", len(x.scale), x.axis, x.shape)
		}
		count = len(x.scale)
		for _, d := range x.shape[x.axis+1:] {
			inner *= d
		}
	}
	if len(x.zero) > 1 && len(x.zero) != count {
		return nil, fmt.Errorf("has %d zero points and %d scales", len(x.zero), count)
	}
	es := x.dtype.Size()
	if x.dtype == raw.I8 || x.dtype == raw.U8 {
		f.rounded = f.rounded || n > 1
	}
	return func(dst []float32) error {
		b := make([]byte, x.n)
		if err := raw.ReadFull(f.r, b, x.off); err != nil {
			return err
		}
		for i := range dst {
			q, c := int64(0), i/inner%count
			switch x.dtype {
			case raw.I8:
				q = int64(int8(b[i]))
			case raw.U8:
				q = int64(b[i])
			case raw.I16:
				q = int64(int16(uint16(b[2*i]) | uint16(b[2*i+1])<<8))
			case raw.I32:
				q = int64(int32(uint32(b[4*i]) | uint32(b[4*i+1])<<8 | uint32(b[4*i+2])<<16 | uint32(b[4*i+3])<<24))
			default:
				return fmt.Errorf("elements of %d bytes cannot be quantised", es)
			}
			if len(x.zero) > 0 {
				q -= x.zero[c%len(x.zero)]
			}
			dst[i] = float32(float64(q) * x.scale[c])
		}
		return nil
	}, nil
}

// operator adds an operator and what is fused into it.
func (f *reader) operator(o table, op string) error {
	in, first, err := f.inputs(o)
	if err != nil {
		return err
	}
	outs := f.ints(o, 2, 4)
	if f.err != nil {
		return f.err
	}
	if len(outs) == 0 || outs[0] < 0 || outs[0] >= int64(len(f.tensors)) || len(in) == 0 {
		return errors.New("has no input or output")
	}
	out := f.tensors[outs[0]].value
	n := &graph.Node{Name: out, Op: op, Inputs: in, Attrs: map[string]graph.Attr{}, At: int64(o)}
	parts, fused, err := f.options(n, f.child(o, 4), first)
	if err != nil || f.err != nil {
		return errors.Join(err, f.err)
	}
	if fused != 0 {
		a := activations[fused]
		if a == "" {
			return fmt.Errorf("has the activation %d fused into it, which rehead has not", fused)
		}
		parts = append(parts, a)
	}
	if len(parts) == 0 {
		return f.g.Add(n, out)
	}
	if len(n.Inputs) < 2 { // a pool with an activation
		n.Inputs = append(n.Inputs, "")
	}
	return f.g.AddFused(n, op, parts, out)
}

// inputs lists what an operator reads, by name and as tensors; one left out is "" and nil.
func (f *reader) inputs(o table) (names []string, in []*tensor, err error) {
	for _, i := range f.ints(o, 1, 4) {
		if i < 0 {
			names, in = append(names, ""), append(in, nil)
			continue
		}
		if i >= int64(len(f.tensors)) {
			return nil, nil, fmt.Errorf("reads tensor %d of %d", i, len(f.tensors))
		}
		names, in = append(names, f.tensors[i].value), append(in, f.tensors[i])
	}
	return names, in, nil
}

// options reads an operator's options into its node; it returns the operators that follow it as
// parts of it, and the code of the activation that is fused into it.
func (f *reader) options(n *graph.Node, options table, in []*tensor) (parts []string, fused int64, err error) {
	switch n.Op {
	case "Conv2D", "MatMul":
		return f.linear(n, options, in)
	case "MaxPool", "AvgPool":
		n.Attrs["ksize"] = graph.Attr{Ints: []int64{1, f.int(options, 4, 4, 0), f.int(options, 3, 4, 0), 1}}
		f.window(n, options)
		fused = f.int(options, 5, 1, 0)
	case "ConcatV2":
		axis := n.Name + "/axis"
		n.Inputs, fused = append(n.Inputs, axis), f.int(options, 1, 1, 0)
		err = f.g.AddConst(axis, &graph.Const{
			Tensor: raw.Tensor{Name: axis, DType: raw.I32, Offset: n.At, Load: raw.NotFloat},
			Ints:   []int64{f.int(options, 0, 4, 0)}})
	case "AddV2", "Mul", "Sub", "RealDiv":
		fused = f.int(options, 0, 1, 0)
	case "LeakyRelu":
		n.Attrs["alpha"] = graph.Attr{Float: f.float(options, 0, 0)}
	case "Gelu":
		if f.int(options, 0, 1, 0) != 0 {
			n.Attrs["approximate"] = graph.Attr{Text: "tanh"}
		}
	}
	return nil, fused, err
}

// window reads padding and strides, which convolutions and pools have in the same places.
func (f *reader) window(n *graph.Node, options table) {
	n.Attrs["strides"] = graph.Attr{Ints: []int64{1, f.int(options, 2, 4, 0), f.int(options, 1, 4, 0), 1}}
	n.Attrs["padding"] = graph.Attr{Text: []string{"SAME", "VALID"}[f.int(options, 0, 1, 0)&1]}
}

// linear reads a convolution or a dense layer, whose weights lie as [O,H,W,I] and [O,I].
func (f *reader) linear(n *graph.Node, options table, in []*tensor) (parts []string, fused int64, err error) {
	if len(in) < 2 || in[1] == nil {
		return nil, 0, errors.New("has no weights")
	}
	if len(n.Inputs) > 2 && n.Inputs[2] != "" {
		parts = []string{"BiasAdd"}
	} else {
		n.Inputs = n.Inputs[:2]
	}
	if n.Op == "MatMul" {
		n.Attrs["transpose_b"] = graph.Attr{Bool: true}
		return parts, f.int(options, 0, 1, 0), nil
	}
	f.window(n, options)
	if f.int(options, 4, 4, 1) != 1 || f.int(options, 5, 4, 1) != 1 {
		return nil, 0, errors.New("is dilated")
	}
	w := f.source(in[1])
	if w == nil || len(w.shape) != 4 {
		return nil, 0, errors.New("its weights are not a constant of four axes")
	}
	n.Inputs[1] = n.Name + "/hwio"
	return parts, f.int(options, 3, 1, 0), f.constant(w, n.Inputs[1], []int{1, 2, 3, 0})
}

// source is the constant behind a tensor, which a DEQUANTIZE may stand in front of.
func (f *reader) source(x *tensor) *tensor {
	for range 4 {
		if x == nil || x.n > 0 {
			return x
		}
		n := f.g.By[x.value]
		if n == nil || n.Op != "Identity" {
			return nil
		}
		x = f.named[n.Inputs[0]]
	}
	return nil
}
