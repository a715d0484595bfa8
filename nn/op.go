package nn

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"slices"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// operator is what every operator of this package implements beside
// gorgonia.Op: the parts that the shared plumbing below turns into one.
type operator interface {
	gorgonia.Op
	kind() string  // "conv2d"
	label() string // the Name field
	// axes of each argument, then of the result; a last argument may repeat
	dims() []int
	infer(shapes []tensor.Shape) (tensor.Shape, error) // result's shape, or a *ShapeError
	compute(dst []float32, in []view) error            // the reference kernel over checked arguments
	bind(out *output) operator                         // a copy that owns out
	owned() *output                                    // nil when the operator was not bound by Apply
}

// view is one checked argument: values in row-major order and their shape.
type view struct {
	data  []float32
	shape tensor.Shape
}

// output is the buffer that a bound operator writes each result to. It lives
// as long as the operator: what Do returns is overwritten by the next Do.
type output struct {
	args int    // number of arguments that the operator was applied to
	salt uint64 // goes into the hash, see rebuild
	data []float32
	head *tensor.Dense
	loss float64 // CrossEntropy: the last result before rounding to float32
}

// own is embedded by every operator.
type own struct{ out *output }

// Arity returns the number of arguments, -1 before the operator is applied.
func (o own) Arity() int {
	if o.out == nil {
		return -1
	}
	return o.out.args
}

func (o own) owned() *output     { return o.out }
func (own) ReturnsPtr() bool     { return true }
func (own) CallsExtern() bool    { return false }
func (own) OverwritesInput() int { return -1 }

// frozen is embedded by the operators that have no gradient.
type frozen struct{}

// DiffWRT says that no argument has a gradient.
func (frozen) DiffWRT(inputs int) []bool { return make([]bool, inputs) }

// SymDiff fails: the operator has no gradient.
func (frozen) SymDiff(gorgonia.Nodes, *gorgonia.Node, *gorgonia.Node) (gorgonia.Nodes, error) {
	return nil, errors.New("nn: this operator is frozen and has no gradient")
}

func opString(o operator) string { return fmt.Sprintf("%s %q", o.kind(), o.label()) }

// opHash writes what tells one instance from every other one: the address of
// the instance itself (heap objects of Go do not move, and a graph keeps its
// operators alive), beside kind, name and salt.
func opHash(o operator, h hash.Hash) {
	salt := uint64(0)
	if out := o.owned(); out != nil {
		salt = out.salt
	}
	_, _ = fmt.Fprintf(h, "nn.%s|%q|%p|%d", o.kind(), o.label(), o, salt) // a hash never fails to write
}

func opHashcode(o operator) uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

// opType spells the operator's axes in Gorgonia's type system.
func opType(o operator) hm.Type {
	a := hm.TypeVariable('a')
	dims := o.dims()
	args := o.Arity()
	if args < 0 {
		args = len(dims) - 1
	}
	types := make([]hm.Type, 0, args+1)
	for i := range args {
		types = append(types, axes(dims[min(i, len(dims)-2)], a))
	}
	types = append(types, axes(dims[len(dims)-1], a))
	return hm.NewFnType(types...)
}

func axes(n int, of hm.Type) hm.Type {
	if n == 0 {
		return of
	}
	return gorgonia.TensorType{Dims: n, Of: of}
}

func opInfer(o operator, in []gorgonia.DimSizer) (tensor.Shape, error) {
	shapes, err := gorgonia.DimSizersToShapes(in)
	if err != nil {
		return nil, fmt.Errorf("nn: %v: %w", o, err)
	}
	return o.infer(shapes)
}

// opDo checks the arguments, runs the operator and turns a panic into an
// error: it runs on the tape machine's own goroutine, where nobody else could
// recover it.
func opDo(o operator, in []gorgonia.Value) (result gorgonia.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			result, err = nil, fmt.Errorf("nn: %v: panic: %v", o, r)
		}
	}()
	views := make([]view, len(in))
	shapes := make([]tensor.Shape, len(in))
	for i, v := range in {
		if views[i], err = viewOf(v); err != nil {
			return nil, fmt.Errorf("nn: %v: argument %d: %w", o, i, err)
		}
		shapes[i] = views[i].shape
	}
	shape, err := o.infer(shapes)
	if err != nil {
		return nil, err
	}
	out := o.owned()
	if out == nil {
		out = new(output)
	}
	if err := o.compute(out.sized(shape.TotalSize()), views); err != nil {
		return nil, fmt.Errorf("nn: %v: %w", o, err)
	}
	return out.value(shape), nil
}

func (o *output) sized(n int) []float32 {
	if len(o.data) != n {
		o.data, o.head = make([]float32, n), nil
	}
	return o.data
}

func (o *output) value(shape tensor.Shape) gorgonia.Value {
	if shape.IsScalar() {
		s := gorgonia.F32(o.data[0])
		return &s
	}
	if o.head == nil || !o.head.Shape().Eq(shape) {
		o.head = tensor.New(tensor.WithShape(shape...), tensor.WithBacking(o.data))
	}
	return o.head
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

// want returns the ShapeError of o about what.
func want(o operator, what string, got any, wanted string) error {
	return &ShapeError{Op: o.kind(), Name: o.label(), What: what, Got: fmt.Sprint(got), Want: wanted}
}

// arity checks the number of arguments and their axes.
func arity(o operator, shapes []tensor.Shape, counts ...int) error {
	dims := o.dims()
	if len(shapes) == 0 || len(counts) > 0 && !slices.Contains(counts, len(shapes)) {
		return want(o, "number of arguments", len(shapes), fmt.Sprintf("one of %v", counts))
	}
	for i, s := range shapes {
		if d := dims[min(i, len(dims)-2)]; len(s) != d {
			return want(o, fmt.Sprintf("argument %d", i), s, fmt.Sprintf("%d axes", d))
		}
	}
	return nil
}
