package nn

import (
	"fmt"
	"reflect"
	"slices"

	"gorgonia.org/tensor"
)

// An Op is one operator of this package, a pointer to a plain struct of its configuration, such as
// *[Conv2D]. [Apply] makes a node of it. Those of this package are all there are.
type Op interface {
	signature() signature
	infer(shapes []tensor.Shape) (tensor.Shape, error) // of arguments that fit the signature; or a *ShapeError
	compute(dst []float32, in []view)                  // the reference kernel over checked arguments
}

// A differentiable operator has the gradients that its signature lists.
type differentiable interface {
	Op
	// gradient returns the gradient with respect to each argument, nil where there is none.
	gradient(in []*Node, output, grad *Node) ([]*Node, error)
}

// signature is what an operator is and takes.
type signature struct {
	kind   string // "conv2d"
	name   string // the Name field
	axes   []int  // of each argument, the last of which may repeat, and then of the result
	counts []int  // the numbers of arguments there may be; nil: any from 1
	wrt    []bool // which arguments there is a gradient for, the last of which may repeat; nil: none
}

// anyAxes, in a signature, is one number of axes that is as the caller likes, the same wherever it stands.
const anyAxes = -1

func (s signature) String() string { return fmt.Sprintf("%s %q", s.kind, s.name) }

// view is one checked argument: values in row-major order and their shape.
type view struct {
	data  []float32
	shape tensor.Shape
}

// check returns the shape that o makes of arguments of these shapes, or a *ShapeError.
func check(o Op, shapes []tensor.Shape) (tensor.Shape, error) {
	s := o.signature()
	if len(shapes) == 0 || s.counts != nil && !slices.Contains(s.counts, len(shapes)) {
		return nil, want(o, "number of arguments", len(shapes), fmt.Sprintf("one of %v", s.counts))
	}
	for i, shape := range shapes {
		if d := s.axes[min(i, len(s.axes)-2)]; d != anyAxes && len(shape) != d {
			return nil, want(o, fmt.Sprintf("argument %d", i), shape, fmt.Sprintf("%d axes", d))
		}
	}
	return o.infer(shapes)
}

// want returns the ShapeError of o about what.
func want(o Op, what string, got any, wanted string) error {
	s := o.signature()
	return &ShapeError{Op: s.kind, Name: s.name, What: what, Got: fmt.Sprint(got), Want: wanted}
}

// clone copies the struct that o points to.
func clone(o Op) Op {
	c := reflect.New(reflect.TypeOf(o).Elem())
	c.Elem().Set(reflect.ValueOf(o).Elem())
	return c.Interface().(Op)
}
