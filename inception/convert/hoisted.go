package convert

import (
	"fmt"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
)

// sink moves ReLUs to where the table has them. TensorFlow's optimiser, and so TensorFlow.js's converter,
// puts one behind a concatenation or a maximum pool in the place of those in front: the values are the same.
func sink(g *graph.Graph, d dialect) error {
	readers := map[string]int{}
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			readers[v]++
		}
	}
	for i := 0; i < len(g.Nodes); i++ { // those that are added come last, and are looked at as well
		relu := g.Nodes[i]
		if d.kind(relu) != opRelu || len(relu.Inputs) != 1 {
			continue
		}
		v := relu.Inputs[0]
		n := g.By[v]
		if n == nil || readers[v] != 1 || d.kind(n) != opConcat && d.kind(n) != opMaxPool {
			continue
		}
		for j, in := range n.Inputs {
			if made := g.By[in]; g.Consts[in] != nil || in == "" || made != nil && d.kind(made) == opRelu {
				continue
			}
			out := fmt.Sprintf("%s/input%d", relu.Name, j)
			r := &graph.Node{Name: out, Op: relu.Op, Inputs: []string{in}, Attrs: map[string]graph.Attr{}, At: relu.At}
			if err := g.Add(r, out); err != nil {
				return err
			}
			readers[out], n.Inputs[j] = 1, out
		}
		relu.Op = "Identity"
	}
	return nil
}
