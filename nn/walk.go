package nn

import (
	"errors"
	"fmt"
)

// Walk calls visit once for each node that the outputs are computed from, the outputs included:
// arguments before their users, with the node's own arguments in order (none for leaves). It stops
// at visit's first error and returns it. The order is the same every time for graphs that were
// built in the same way.
func Walk(outputs []*Node, visit func(n *Node, args []*Node) error) error {
	if visit == nil {
		return errors.New("nn: walk: got nothing that visits")
	}
	for i, n := range outputs {
		if n == nil || n.Graph() == nil {
			return fmt.Errorf("nn: walk: output %d is not a node of a graph", i)
		}
	}
	order, err := reachable(outputs)
	if err != nil {
		return fmt.Errorf("nn: walk: %w", err)
	}
	for _, n := range order {
		if err := visit(n, arguments(n)); err != nil {
			return err
		}
	}
	return nil
}

// ParamData returns the values of a leaf made by [Param], row-major and shared with it: they are to
// be read only.
func ParamData(n *Node) ([]float32, error) {
	if n == nil || n.Op() != nil || n.Value() == nil {
		return nil, errors.New("nn: param data: the node is not a leaf made by Param")
	}
	v, err := viewOf(n.Value())
	if err != nil {
		return nil, fmt.Errorf("nn: param data of %q: %w", n.Name(), err)
	}
	return v.data, nil
}
