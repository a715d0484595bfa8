package convert

import (
	"fmt"
	"maps"
	"slices"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
)

// graphSource matches a graph's trunk and takes the classifier behind it, if there is one.
func graphSource(g *graph.Graph, d dialect) (*source, *matcher, error) {
	pool, m, err := matchTrunk(g, d)
	if err != nil {
		return nil, nil, err
	}
	src := &source{units: m.units}
	src.fc, src.head, err = m.classifier(pool)
	src.ignored = unread(g)
	return src, m, err
}

// unread lists the constants that no operator of a graph reads.
func unread(g *graph.Graph) []string {
	read := map[string]bool{}
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			read[v] = true
		}
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(g.Consts)), func(name string) bool { return read[name] })
}

// classes is the number of rows of the classifier, 0 without one.
func (src *source) classes() int {
	if src.fc == nil || src.fc.weight.Len() == 0 {
		return 0
	}
	if src.fc.bias != nil {
		return src.fc.bias.Len()
	}
	s := src.fc.weight.Shape
	if src.fc.transposed {
		return s[len(s)-1]
	}
	return s[0]
}

// classifier follows the edges from the global pool to the dense layer (or 1x1 convolution) that
// reads it. A graph that retrain.py wrote without pruning has two, its own coming later in the
// file: the last is taken.
func (m *matcher) classifier(pool *graph.Node) (*classifier, *graph.Node, error) {
	users := map[string][]*graph.Node{}
	for _, n := range m.g.Nodes {
		for _, v := range n.Inputs {
			if len(users[v]) == 0 || users[v][len(users[v])-1] != n {
				users[v] = append(users[v], n)
			}
		}
	}
	outputs := map[*graph.Node][]string{}
	for v, n := range m.g.By {
		outputs[n] = append(outputs[n], v)
	}
	position := map[*graph.Node]int{}
	for i, n := range m.g.Nodes {
		position[n] = i
	}
	var last *graph.Node
	seen := map[*graph.Node]bool{pool: true}
	for queue := []*graph.Node{pool}; len(queue) > 0; queue = queue[1:] {
		for _, v := range outputs[queue[0]] {
			for _, n := range users[v] {
				if seen[n] || n.Inputs[0] != v {
					continue
				}
				seen[n] = true
				switch m.d.kind(n) {
				case opPass, opFlatten:
					queue = append(queue, n)
				case opDense, opConv:
					if last == nil || position[n] > position[last] {
						last = n
					}
				}
			}
		}
	}
	if last == nil {
		return nil, nil, nil
	}
	c, err := m.dense(last)
	if err == nil && c.bias == nil {
		c.bias, last = m.bias(last, users, outputs)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("classifier %q at offset %d: %w", last.Name, last.At, err)
	}
	return c, last, nil
}

// dense reads a classifier that is a matrix product or a 1x1 convolution.
func (m *matcher) dense(n *graph.Node) (*classifier, error) {
	if m.d.kind(n) == opDense {
		return m.d.dense(m, n)
	}
	u, err := m.weights(n, &affine{})
	if err != nil {
		return nil, err
	}
	c := &classifier{weight: u.weight, transposed: u.layout == hwio}
	if len(n.Inputs) > 2 && n.Inputs[2] != "" {
		if k := m.constant(n.Inputs[2]); k != nil {
			t := k.Tensor
			t.Name = n.Inputs[2]
			c.bias = &t
		}
	}
	return c, nil
}

// bias looks for the constant that is added to a node's output.
func (m *matcher) bias(n *graph.Node, users map[string][]*graph.Node,
	outputs map[*graph.Node][]string) (t *tensor, sum *graph.Node) {
	at := n
	for range 16 {
		var next *graph.Node
		for _, v := range outputs[at] {
			for _, u := range users[v] {
				switch {
				case (u.Op == "Add" || u.Op == "AddV2" || u.Op == "BiasAdd") && len(u.Inputs) == 2:
					for _, c := range u.Inputs {
						if k := m.constant(c); k != nil {
							t := k.Tensor
							t.Name = c
							return &t, u
						}
					}
				case m.d.kind(u) == opPass || m.d.kind(u) == opFlatten:
					next = u
				}
			}
		}
		if next == nil {
			break
		}
		at = next
	}
	return nil, n
}
