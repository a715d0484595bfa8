// Package aten hands on PyTorch's operators (ATen; native_functions.yaml of the PyTorch project) as
// the common graph, under ONNX's names. The programs of torch.export and TorchScript are made of
// them.
package aten

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// Tensor is a value of the graph. Other arguments are nil, bool, int64, float64, string and []any.
type Tensor string

// Emitter adds operators to a graph.
type Emitter struct {
	G       *graph.Graph
	made    int
	changed map[Tensor]Tensor // what an operator in place made of a value
	turned  map[Tensor]Tensor // a transposed matrix -> the matrix
}

// New returns an emitter for an empty graph.
func New() *Emitter {
	return &Emitter{G: graph.New("PyTorch"), changed: map[Tensor]Tensor{}, turned: map[Tensor]Tensor{}}
}

// Constant adds a tensor whose values lie in a file.
func (e *Emitter) Constant(r io.ReaderAt, name string, t raw.Tensor) error {
	k := &graph.Const{Tensor: t}
	k.Name = name
	if n := t.Len(); (t.DType == raw.I64 || t.DType == raw.I32) && n <= maxInts && t.Span == int64(n*t.DType.Size()) {
		ints, err := raw.NewCursor(r, t.Offset, t.Offset+t.Span).Ints(t.DType, maxInts)
		if err != nil {
			return err
		}
		k.Ints = ints
	}
	return e.G.AddConst(name, k)
}

const maxInts = 1 << 12

// args are an operator's arguments by name.
type args map[string]any

// Call adds an operator, such as "conv2d", with its arguments in order and by name, which makes the
// value called out.
func (e *Emitter) Call(op string, ordered []any, named map[string]any, out string) error {
	place := strings.HasSuffix(op, "_") && !strings.HasSuffix(op, "__")
	op = strings.TrimSuffix(op, "_")
	a := args{}
	for k, v := range named {
		a[k] = e.current(v)
	}
	names := strings.Fields(parameters[op])
	for i, v := range ordered {
		if i < len(names) {
			a[names[i]] = e.current(v)
		} else {
			a[fmt.Sprintf("#%d", i)] = e.current(v)
		}
	}
	n := &graph.Node{Name: out, Op: "aten." + op, Attrs: map[string]graph.Attr{}, At: -1}
	if translate := emitters[op]; translate != nil {
		if err := translate(e, n, a, Tensor(out)); err != nil {
			return fmt.Errorf("%s that makes %q: %w", op, out, err)
		}
	} else {
		for _, name := range append(names, "self", "input", "#0", "#1") {
			if t, ok := a[name].(Tensor); ok {
				n.Inputs = append(n.Inputs, string(t))
			}
		}
	}
	if place && len(n.Inputs) > 0 {
		e.changed[Tensor(n.Inputs[0])] = Tensor(out)
	}
	return e.G.Add(n, out)
}

// current is a value after what operators in place made of it.
func (e *Emitter) current(v any) any {
	switch x := v.(type) {
	case Tensor:
		for range 64 {
			next, ok := e.changed[x]
			if !ok {
				break
			}
			x = next
		}
		return x
	case []any:
		out := make([]any, len(x))
		for i, item := range x {
			out[i] = e.current(item)
		}
		return out
	}
	return v
}

// name is a new name for a constant.
func (e *Emitter) name() string {
	e.made++
	return fmt.Sprintf("constant/%d", e.made)
}

// input is an operand: a value, or a number that becomes a constant.
func (e *Emitter) input(v any) (string, error) {
	if t, ok := v.(Tensor); ok {
		return string(t), nil
	}
	f, ok := number(v)
	if !ok {
		return "", fmt.Errorf("an operand is a %T, want a tensor or a number", v)
	}
	name := e.name()
	return name, e.G.AddConst(name, &graph.Const{Tensor: raw.Tensor{Name: name, DType: raw.F32, Offset: -1,
		Load: func(dst []float32) error {
			dst[0] = float32(f)
			return nil
		}}})
}

// whole adds a constant of integers.
func (e *Emitter) whole(v ...int64) (string, error) {
	name := e.name()
	return name, e.G.AddConst(name, &graph.Const{Ints: v,
		Tensor: raw.Tensor{Name: name, Shape: []int{len(v)}, DType: raw.I64, Offset: -1, Load: raw.NotFloat}})
}

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case int64:
		return float64(x), true
	case float64:
		return x, true
	case bool:
		if x {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// tensors sets a node's inputs to arguments, of which those that are None are left out at the end.
func (a args) tensors(n *graph.Node, names ...string) error {
	for _, name := range names {
		t, ok := a[name].(Tensor)
		if !ok && a[name] != nil {
			return fmt.Errorf("its %s is a %T, want a tensor", name, a[name])
		}
		n.Inputs = append(n.Inputs, string(t))
	}
	for len(n.Inputs) > 0 && n.Inputs[len(n.Inputs)-1] == "" {
		n.Inputs = n.Inputs[:len(n.Inputs)-1]
	}
	if len(n.Inputs) == 0 || n.Inputs[0] == "" {
		return fmt.Errorf("has no %s", names[0])
	}
	return nil
}

// ints are the integers of an argument.
func (a args) ints(name string) ([]int64, error) {
	switch v := a[name].(type) {
	case nil:
		return nil, nil
	case int64:
		return []int64{v}, nil
	case []any:
		out := make([]int64, len(v))
		for i, x := range v {
			n, ok := x.(int64)
			if !ok {
				return nil, fmt.Errorf("its %s has a %T, want integers", name, x)
			}
			out[i] = n
		}
		return out, nil
	}
	return nil, fmt.Errorf("its %s is a %T, want integers", name, a[name])
}

// two are height and width of an argument of one number or two.
func (a args) two(name string, missing int64) ([]int64, error) {
	v, err := a.ints(name)
	switch {
	case err != nil:
		return nil, err
	case len(v) == 0:
		return []int64{missing, missing}, nil
	case len(v) == 1:
		return []int64{v[0], v[0]}, nil
	case len(v) == 2:
		return v, nil
	}
	return nil, fmt.Errorf("its %s is %v, want two numbers", name, v)
}

// float is a number of an argument.
func (a args) float(name string, missing float64) float64 {
	if f, ok := number(a[name]); ok {
		return f
	}
	return missing
}

// axis is an argument of one integer.
func (a args) axis(name string, missing int64) int64 {
	if v, err := a.ints(name); err == nil && len(v) == 1 {
		return v[0]
	}
	return missing
}

// last is how slices spell the end of an axis.
const last = math.MaxInt64
