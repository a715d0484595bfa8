package nn

import (
	"errors"
	"fmt"
	"math"
	"reflect"

	_ "go4.org/unsafe/assume-no-moving-gc" // the pinned version; an older one stops every program that imports Gorgonia
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Graph is Gorgonia's expression graph. The names are aliases so that other
// packages build graphs without importing Gorgonia.
type Graph = gorgonia.ExprGraph

// Node is one node of a [Graph]: a leaf ([Input], [Param]) or an operator
// applied to other nodes ([Apply]).
type Node = gorgonia.Node

// NewGraph returns an empty graph. A graph is built by one goroutine.
func NewGraph() *Graph { return gorgonia.NewGraph() }

// Input adds a named float32 leaf to g whose values are given at each run.
// The first axis is the batch: [N,C,H,W] for images, [N,F] for vectors.
// The name must be new in g and no extent may be below 1.
func Input(g *Graph, name string, shape ...int) (*Node, error) {
	return leaf(g, "input", name, nil, shape)
}

// Param adds a named float32 leaf to g over data, which holds the values in
// row-major order. data is shared, not copied: it must not change while
// something built from g runs. The name must be new in g, and len(data) the
// product of shape.
func Param(g *Graph, name string, data []float32, shape ...int) (*Node, error) {
	if data == nil {
		return nil, fmt.Errorf("nn: param %q: got no data, want %v values", name, shape)
	}
	return leaf(g, "param", name, data, shape)
}

func leaf(g *Graph, kind, name string, data []float32, shape []int) (*Node, error) {
	if g == nil {
		return nil, fmt.Errorf("nn: %s %q: got no graph, want one made by NewGraph", kind, name)
	}
	if name == "" {
		return nil, fmt.Errorf("nn: %s of shape %v: got no name, want one that is unique in the graph", kind, shape)
	}
	if len(g.ByName(name)) > 0 {
		return nil, fmt.Errorf("nn: %s %q: the graph already has a leaf of this name, want a new one", kind, name)
	}
	size := 1
	for _, d := range shape {
		if d < 1 || size > maxElements/d {
			return nil, &ShapeError{kind, name, "shape", fmt.Sprint(shape),
				fmt.Sprintf("extents of at least 1 and at most %d values", maxElements)}
		}
		size *= d
	}
	if len(shape) < 1 || len(shape) > 4 {
		return nil, &ShapeError{kind, name, "shape", fmt.Sprintf("%d axes", len(shape)), "1 to 4 axes"}
	}
	opts := []gorgonia.NodeConsOpt{gorgonia.WithName(name), gorgonia.WithShape(shape...)}
	if data != nil {
		if len(data) != size {
			return nil, &ShapeError{kind, name, "data", fmt.Sprintf("%d values", len(data)),
				fmt.Sprintf("%d for shape %v", size, shape)}
		}
		opts = append(opts, gorgonia.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data))))
	}
	return gorgonia.NewTensor(g, tensor.Float32, len(shape), opts...), nil
}

// maxElements bounds one tensor, so that products of extents never overflow.
const maxElements = min(1<<31, math.MaxInt)

// Apply adds op, applied to the nodes in, to their graph and returns the
// result's node. Shapes are checked here: a misfit is a [*ShapeError].
// op is copied, so one literal may be applied many times.
func Apply(op Op, in ...*Node) (*Node, error) {
	if op == nil || reflect.ValueOf(op).IsNil() {
		return nil, errors.New("nn: apply: got no operator")
	}
	if len(in) == 0 {
		return nil, fmt.Errorf("nn: apply %v: got no arguments", op.signature())
	}
	for i, n := range in {
		if n == nil || n.Graph() == nil {
			return nil, fmt.Errorf("nn: apply %v: argument %d is not a node of a graph", op.signature(), i)
		}
		if n.Graph() != in[0].Graph() {
			return nil, fmt.Errorf("nn: apply %v: argument %d is of another graph than argument 0", op.signature(), i)
		}
	}
	return applyCopy(op, 0, in)
}

// applyCopy applies a copy of op. The salt goes into its hash.
func applyCopy(op Op, salt uint64, in []*Node) (*Node, error) {
	s := op.signature()
	shapes := make([]tensor.Shape, len(in))
	for i, n := range in {
		shapes[i] = n.Shape()
		if n.Dtype() != tensor.Float32 {
			return nil, &ShapeError{s.kind, s.name, fmt.Sprintf("argument %d", i), n.Dtype().String(), "float32"}
		}
	}
	if _, err := check(op, shapes); err != nil {
		return nil, err
	}
	n, err := gorgonia.ApplyOp(&applied{op: clone(op), args: len(in), salt: salt}, in...)
	if err != nil {
		return nil, fmt.Errorf("nn: %v: %w", s, err)
	}
	return n, nil
}

// OpOf returns the operator that n was made with by [Apply], to be read only: nil for a leaf, for
// none and for an operator of Gorgonia's own.
func OpOf(n *Node) Op {
	if n == nil {
		return nil
	}
	if a, ok := n.Op().(*applied); ok {
		return a.op
	}
	return nil
}
