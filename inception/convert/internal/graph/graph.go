// Package graph is what the readers of computation graphs (ONNX, TensorFlow) hand on: operators,
// the names of the values between them, and the constants among those, whose numbers still lie in
// the file.
package graph

import (
	"errors"
	"fmt"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// maxNodes bounds a graph; an InceptionV3 with everything spelt out has about 4,000 nodes.
const maxNodes = 1 << 17

// Attr is an attribute of an operator; which field is set depends on the attribute.
type Attr struct {
	Int   int64
	Float float64
	Text  string
	Ints  []int64
	Bool  bool
}

// Node is an operator.
type Node struct {
	Name   string
	Op     string
	Inputs []string // values; empty for an optional one that is left out
	Attrs  map[string]Attr
	At     int64 // offset in the file

	Outputs []string // values
}

// String is the node for messages, with its place where it has one.
func (n *Node) String() string {
	if n.At < 0 {
		return fmt.Sprintf("%s node %q", n.Op, n.Name)
	}
	return fmt.Sprintf("%s node %q at offset %d", n.Op, n.Name, n.At)
}

// Const is a value known in advance. Ints holds the elements when they are integers and few.
type Const struct {
	raw.Tensor
	Ints  []int64
	Texts []string    // the elements, where they are texts and several
	Body  *raw.Cursor // the elements, where they are integers that lie in the file
}

// Graph is a computation.
type Graph struct {
	Dialect  string           // "ONNX" or "TensorFlow", for messages
	Nodes    []*Node          // in the order of the file
	By       map[string]*Node // the node that makes a value
	Consts   map[string]*Const
	Texts    map[string]string // constants that are one string
	Bytes    map[string]bool   // inputs of type uint8
	Sizes    map[string]int    // sides of square inputs, where they are fixed
	Complete bool              // a last activation would be in it: without one it gives bare numbers
	Notes    string            // what is said of the nodes' origin, in one text
}

// New returns an empty graph.
func New(dialect string) *Graph {
	return &Graph{Dialect: dialect, By: map[string]*Node{}, Consts: map[string]*Const{}, Texts: map[string]string{},
		Bytes: map[string]bool{}, Sizes: map[string]int{}}
}

// Metadata is a text that a file has beside its graph, "" without it.
func (g *Graph) Metadata(key string) string { return g.Texts["metadata:"+key] }

// Add adds a node that makes the given values.
func (g *Graph) Add(n *Node, values ...string) error {
	if len(g.Nodes) >= maxNodes {
		return fmt.Errorf("graph has more than %d nodes", maxNodes)
	}
	for _, v := range values {
		if v == "" {
			continue
		}
		if err := g.free(v); err != nil {
			return err
		}
		g.By[v] = n
	}
	n.Outputs = values
	g.Nodes = append(g.Nodes, n)
	return nil
}

// Picture notes what an input's shape of [N,S,S,C] and its type say.
func (g *Graph) Picture(name string, shape []int64, bytes bool) {
	if len(shape) == 4 && shape[1] == shape[2] && shape[1] > 0 {
		g.Sizes[name] = int(min(shape[1], 1<<20))
	}
	g.Bytes[name] = bytes
}

// AddFused adds a node whose operator does several things one after the other: op with the node's
// first two inputs, then each of the parts, of which a BiasAdd takes the third.
func (g *Graph) AddFused(n *Node, op string, parts []string, value string) error {
	if len(n.Inputs) < 2 || len(parts) > 4 {
		return fmt.Errorf("has %d inputs and %d parts, want at least 2 and at most 4", len(n.Inputs), len(parts))
	}
	further := n.Inputs[2:]
	n.Inputs, n.Op = n.Inputs[:2], op
	for i, p := range parts {
		in := fmt.Sprintf("%s/part%d", value, i)
		if err := g.Add(n, in); err != nil {
			return err
		}
		n = &Node{Name: n.Name, Op: p, Inputs: []string{in}, Attrs: map[string]Attr{}, At: n.At}
		if p == "BiasAdd" {
			if len(further) == 0 {
				return errors.New("its bias is missing")
			}
			n.Inputs, further = append(n.Inputs, further[0]), further[1:]
		}
	}
	return g.Add(n, value)
}

// Reuse lets a node that is there already make a further value.
func (g *Graph) Reuse(n *Node, value string) error {
	if err := g.free(value); err != nil {
		return err
	}
	g.By[value] = n
	n.Outputs = []string{value}
	return nil
}

// AddConst adds a constant.
func (g *Graph) AddConst(value string, c *Const) error {
	if err := g.free(value); err != nil {
		return err
	}
	if len(g.Consts) >= maxNodes {
		return fmt.Errorf("graph has more than %d constants", maxNodes)
	}
	g.Consts[value] = c
	return nil
}

func (g *Graph) free(value string) error {
	if g.By[value] != nil || g.Consts[value] != nil {
		return fmt.Errorf("value %q is made twice", value)
	}
	return nil
}
