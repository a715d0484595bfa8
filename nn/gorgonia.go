package nn

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// applied is an [Op] as Gorgonia wants an operator to be: a private copy, with the buffer that each
// result is written to. What Do returns is overwritten by the next Do.
type applied struct {
	op   Op
	args int    // number of arguments
	salt uint64 // goes into the hash, see rebuild
	data []float32
	head *tensor.Dense
}

var _ gorgonia.SDOp = (*applied)(nil)

func (a *applied) Arity() int           { return a.args }
func (a *applied) ReturnsPtr() bool     { return true }
func (a *applied) CallsExtern() bool    { return false }
func (a *applied) OverwritesInput() int { return -1 } // else Do would be handed an argument as its buffer
func (a *applied) String() string       { return a.op.signature().String() }

// WriteHash writes what tells one instance from every other one: the address of the instance itself
// (heap objects of Go do not move, and a graph keeps its operators alive), beside kind, name and
// salt.
func (a *applied) WriteHash(h hash.Hash) {
	s := a.op.signature()
	_, _ = fmt.Fprintf(h, "nn.%s|%q|%p|%d", s.kind, s.name, a, a.salt) // a hash never fails to write
}

// Hashcode returns the hash that WriteHash writes.
func (a *applied) Hashcode() uint32 {
	h := fnv.New32a()
	a.WriteHash(h)
	return h.Sum32()
}

// Type spells the operator's axes in Gorgonia's type system.
func (a *applied) Type() hm.Type {
	of := hm.TypeVariable('a')
	axes := a.op.signature().axes
	types := make([]hm.Type, 0, a.args+1)
	for i := range a.args {
		types = append(types, tensorType(axes[min(i, len(axes)-2)], of))
	}
	return hm.NewFnType(append(types, tensorType(axes[len(axes)-1], of))...)
}

func tensorType(axes int, of hm.Type) hm.Type {
	switch axes {
	case 0:
		return of
	case anyAxes:
		return hm.TypeVariable('b')
	}
	return gorgonia.TensorType{Dims: axes, Of: of}
}

// InferShape returns the result's shape, or a *ShapeError.
func (a *applied) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	shapes, err := gorgonia.DimSizersToShapes(in)
	if err != nil {
		return nil, fmt.Errorf("nn: %v: %w", a, err)
	}
	return check(a.op, shapes)
}

// Do checks the arguments, runs the operator and turns a panic into an error: it runs on the tape
// machine's own goroutine, where nobody else could recover it.
func (a *applied) Do(in ...gorgonia.Value) (result gorgonia.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			result, err = nil, fmt.Errorf("nn: %v: panic: %v", a, r)
		}
	}()
	views := make([]view, len(in))
	shapes := make([]tensor.Shape, len(in))
	for i, v := range in {
		if views[i], err = viewOf(v); err != nil {
			return nil, fmt.Errorf("nn: %v: argument %d: %w", a, i, err)
		}
		shapes[i] = views[i].shape
	}
	shape, err := check(a.op, shapes)
	if err != nil {
		return nil, err
	}
	if n := shape.TotalSize(); len(a.data) != n {
		a.data, a.head = make([]float32, n), nil
	}
	a.op.compute(a.data, views)
	return a.value(shape), nil
}

// value returns the buffer's contents as a value of the given shape.
func (a *applied) value(shape tensor.Shape) gorgonia.Value {
	if shape.IsScalar() {
		s := gorgonia.F32(a.data[0])
		return &s
	}
	if a.head == nil || !a.head.Shape().Eq(shape) {
		a.head = tensor.New(tensor.WithShape(shape...), tensor.WithBacking(a.data))
	}
	return a.head
}

// DiffWRT says which arguments have a gradient. It is never empty: Grad of a cost behind the
// operator would panic.
func (a *applied) DiffWRT(inputs int) []bool {
	by := make([]bool, inputs)
	if wrt := a.op.signature().wrt; wrt != nil {
		for i := range by {
			by[i] = wrt[min(i, len(wrt)-1)]
		}
	}
	return by
}

// SymDiff returns the gradients, which are nodes themselves.
func (a *applied) SymDiff(in gorgonia.Nodes, output, grad *Node) (gorgonia.Nodes, error) {
	d, ok := a.op.(differentiable)
	if !ok {
		return nil, errors.New("nn: this operator is frozen and has no gradient")
	}
	return d.gradient(in, output, grad)
}

// viewOf reads a float32 scalar or a contiguous float32 tensor.
func viewOf(v gorgonia.Value) (view, error) {
	switch t := v.(type) {
	case *gorgonia.F32:
		return view{[]float32{float32(*t)}, tensor.ScalarShape()}, nil
	case *tensor.Dense:
		if t.Dtype() != tensor.Float32 {
			return view{}, fmt.Errorf("got %v values, want float32", t.Dtype())
		}
		if t.RequiresIterator() || !t.DataOrder().IsRowMajor() {
			return view{}, errors.New("got a tensor with gaps, want contiguous row-major values")
		}
		if t.IsScalar() {
			return view{[]float32{t.ScalarValue().(float32)}, tensor.ScalarShape()}, nil
		}
		return view{t.Float32s(), t.Shape()}, nil
	default:
		return view{}, fmt.Errorf("got %T, want a float32 tensor", v)
	}
}
