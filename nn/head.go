package nn

import (
	"fmt"
	"sync"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// A HeadGraph is a head's loss and its gradient as a Gorgonia graph: [Dense],
// [CrossEntropy] or [BinaryCrossEntropy], and gorgonia.Grad, on the tape
// machine, for a fixed number of examples at a time. It is reused from call to
// call; concurrent calls wait for each other.
type HeadGraph struct {
	mu     sync.Mutex
	vm     gorgonia.VM
	leaves []headLeaf // x, targets, weights, w, b
	loss   float64    // the last one, before rounding
	dw, db *Node
}

// headLeaf is one leaf and the tensor header it is fed through.
type headLeaf struct {
	node *Node
	size int
}

// NewHeadGraph builds the graph of a softmax head for chunks of so many
// examples of so many features, and so many classes, each at least 1.
func NewHeadGraph(examples, features, classes int) (*HeadGraph, error) {
	return newHeadGraph(&CrossEntropy{Name: "loss"}, []int{examples}, examples, features, classes)
}

// NewBinaryHeadGraph is NewHeadGraph for a head of sigmoids, in which each
// class is a question of its own: the loss is [BinaryCrossEntropy], and
// LossGrad's weights are [examples,classes].
func NewBinaryHeadGraph(examples, features, classes int) (*HeadGraph, error) {
	return newHeadGraph(&BinaryCrossEntropy{Name: "loss"}, []int{examples, classes}, examples, features, classes)
}

// A lossOp is a cost.
type lossOp interface {
	differentiable
	loss(in []view) float64
}

// kept is a cost whose last value is kept as it was before rounding to float32.
type kept struct {
	lossOp
	last *float64
}

func (k *kept) compute(dst []float32, in []view) {
	*k.last = k.loss(in)
	dst[0] = float32(*k.last)
}

func newHeadGraph(op lossOp, weights []int, examples, features, classes int) (*HeadGraph, error) {
	g := NewGraph()
	h := &HeadGraph{}
	var nodes []*Node
	for _, l := range []struct {
		name  string
		shape []int
	}{
		{"x", []int{examples, features}}, {"targets", []int{examples, classes}}, {"weights", weights},
		{"w", []int{classes, features}}, {"b", []int{classes}},
	} {
		n, err := Input(g, l.name, l.shape...)
		if err != nil {
			return nil, fmt.Errorf("nn: head graph of %d examples, %d features, %d classes: %w", examples, features,
				classes, err)
		}
		nodes = append(nodes, n)
		h.leaves = append(h.leaves, headLeaf{n, n.Shape().TotalSize()})
	}
	logits, err := Apply(&Dense{Name: "logits"}, nodes[0], nodes[3], nodes[4])
	if err != nil {
		return nil, err
	}
	loss, err := Apply(&kept{op, &h.loss}, logits, nodes[1], nodes[2])
	if err != nil {
		return nil, err
	}
	grads, err := gorgonia.Grad(loss, nodes[3], nodes[4])
	if err != nil {
		return nil, fmt.Errorf("nn: head graph: %w", err)
	}
	h.dw, h.db = grads[0], grads[1]
	// Only what these three need is compiled: the gradient by x, which Grad
	// makes as well, would cost a third product.
	prog, registers, err := gorgonia.CompileFunction(g, nodes, gorgonia.Nodes{loss, h.dw, h.db})
	if err != nil {
		return nil, fmt.Errorf("nn: head graph: %w", err)
	}
	h.vm, err = tape(g, gorgonia.WithPrecompiled(prog, registers))
	return h, err
}

// LossGrad computes the weighted cross entropy of softmax(x*transposed(w) + b),
// or of sigmoids, with the targets, summed (not averaged) over the examples, and
// its gradients by w and b, which overwrite gradW and gradB.
//
// x is [examples,features], targets [examples,classes], weights [examples]
// ([examples,classes] for sigmoids); w
// and gradW are [classes,features], b and gradB [classes]. An example of weight
// 0 counts nothing, whatever is in its row of x as long as that is finite: a
// last, smaller chunk is filled up with them. The slices stay the caller's; the
// gradients must not overlap the rest.
func (h *HeadGraph) LossGrad(x, targets, weights, w, b, gradW, gradB []float32) (loss float64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, data := range [][]float32{x, targets, weights, w, b} {
		l := h.leaves[i]
		if len(data) != l.size {
			return 0, fmt.Errorf("nn: head graph: %s: got %d values, want %d for shape %v", l.node.Name(), len(data), l.size,
				l.node.Shape())
		}
		if err := gorgonia.Let(l.node,
			tensor.New(tensor.WithShape(l.node.Shape()...), tensor.WithBacking(data))); err != nil {
			return 0, fmt.Errorf("nn: head graph: %s: %w", l.node.Name(), err)
		}
	}
	if len(gradW) != len(w) || len(gradB) != len(b) {
		return 0, fmt.Errorf("nn: head graph: gradients: got room for %d and %d values, want %d and %d", len(gradW),
			len(gradB), len(w), len(b))
	}
	defer h.vm.Reset()
	if err := h.vm.RunAll(); err != nil {
		return 0, fmt.Errorf("nn: head graph: %w", err)
	}
	for i, n := range []*Node{h.dw, h.db} {
		v, err := viewOf(n.Value())
		if err != nil {
			return 0, fmt.Errorf("nn: head graph: gradient %d: %w", i, err)
		}
		copy([][]float32{gradW, gradB}[i], v.data)
	}
	return h.loss, nil
}
