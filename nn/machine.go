package nn

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// A Machine runs a graph on Gorgonia's tape machine: slow, and easy to trust.
// It works on a copy of the graph that shares the parameters' values, so any
// number of Machines of one graph may run side by side. One Machine runs one
// call at a time; concurrent calls wait for each other.
type Machine struct {
	mu      sync.Mutex
	vm      gorgonia.VM // nil once closed
	inputs  map[string]*Node
	outputs []*Node
}

// NewMachine prepares the computation of outputs, nodes of one graph. Close
// releases the Machine.
func NewMachine(outputs ...*Node) (*Machine, error) {
	if len(outputs) == 0 {
		return nil, errors.New("nn: machine: got no outputs, want at least 1")
	}
	for i, n := range outputs {
		if n == nil || n.Graph() == nil || n.Graph() != outputs[0].Graph() {
			return nil, fmt.Errorf("nn: machine: output %d is not a node of the first one's graph", i)
		}
	}
	order, err := reachable(outputs)
	if err != nil {
		return nil, fmt.Errorf("nn: machine: %w", err)
	}
	copied, err := rebuild(order)
	if err != nil {
		return nil, fmt.Errorf("nn: machine: %w", err)
	}
	m := &Machine{inputs: map[string]*Node{}}
	for _, n := range order {
		if n.Op() == nil && n.Value() == nil {
			m.inputs[n.Name()] = copied[n]
		}
	}
	if len(m.inputs) == 0 {
		return nil, errors.New("nn: machine: the outputs depend on no input, want at least 1")
	}
	for _, n := range outputs {
		m.outputs = append(m.outputs, copied[n])
	}
	m.vm, err = tape(copied[outputs[0]].Graph())
	return m, err
}

// tape makes Gorgonia's machine, which panics where it cannot.
func tape(g *Graph, opts ...gorgonia.VMOpt) (vm gorgonia.VM, err error) {
	defer func() {
		if r := recover(); r != nil {
			vm, err = nil, fmt.Errorf("nn: machine: the graph cannot be compiled: %v", r)
		}
	}()
	return gorgonia.NewTapeMachine(g, append(opts, gorgonia.EvalMode())...), nil
}

// rebuild copies nodes, listed arguments first, into a new graph. The tape
// machine merges nodes whose 32-bit hashes agree, equal or not, so a copy with
// two equal hashes is thrown away and made again with another salt.
func rebuild(order []*Node) (map[*Node]*Node, error) {
	const tries = 8
	for salt := range uint64(tries) {
		copied, err := rebuildSalted(order, salt+1)
		if err != nil {
			return nil, err
		}
		hashes := map[uint32]bool{}
		for _, n := range copied {
			hashes[n.Hashcode()] = true
		}
		if len(hashes) == len(order) {
			return copied, nil
		}
	}
	return nil, fmt.Errorf("the graph's %d nodes cannot be told apart by their hashes, want leaves of different names",
		len(order))
}

func rebuildSalted(order []*Node, salt uint64) (map[*Node]*Node, error) {
	g := NewGraph()
	copied := make(map[*Node]*Node, len(order))
	for _, n := range order {
		var c *Node
		var err error
		args := arguments(n)
		for i, a := range args {
			args[i] = copied[a]
		}
		switch op := n.Op().(type) {
		case nil:
			c, err = copyLeaf(g, n)
		case *applied:
			c, err = applyCopy(op.op, salt, args)
		default:
			if len(args) == 0 {
				c = g.AddNode(gorgonia.NewConstant(n.Value()))
			} else {
				c, err = gorgonia.ApplyOp(op, args...)
			}
		}
		if err != nil {
			return nil, err
		}
		copied[n] = c
	}
	return copied, nil
}

// copyLeaf adds a leaf like n to g, with a header of its own over n's values.
func copyLeaf(g *Graph, n *Node) (*Node, error) {
	if n.Value() == nil {
		return Input(g, n.Name(), n.Shape()...)
	}
	v, err := viewOf(n.Value())
	if err != nil {
		return nil, fmt.Errorf("parameter %q: %w", n.Name(), err)
	}
	if !v.shape.Eq(n.Shape()) {
		return nil, &ShapeError{"param", n.Name(), "values", fmt.Sprint(v.shape), fmt.Sprint(n.Shape())}
	}
	return Param(g, n.Name(), v.data, n.Shape()...)
}

// Run computes the outputs from feeds, which holds the values of each [Input]
// that they depend on, by name, row-major and of the input's shape. feeds is
// only read. The results are new slices, in the order of the outputs.
func (m *Machine) Run(feeds map[string][]float32) ([][]float32, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.vm == nil {
		return nil, fmt.Errorf("nn: machine: %w", ErrClosed)
	}
	names := slices.Sorted(maps.Keys(m.inputs))
	for _, name := range slices.Sorted(maps.Keys(feeds)) {
		if m.inputs[name] == nil {
			return nil, fmt.Errorf("nn: machine: feed %q is not an input of these outputs, want %s", name,
				strings.Join(names, ", "))
		}
	}
	for _, name := range names {
		n, data := m.inputs[name], feeds[name]
		if size := n.Shape().TotalSize(); len(data) != size {
			return nil, fmt.Errorf("nn: machine: feed %q: got %d values, want %d for shape %v", name, len(data), size, n.Shape())
		}
		if err := gorgonia.Let(n, tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(data))); err != nil {
			return nil, fmt.Errorf("nn: machine: feed %q: %w", name, err)
		}
	}
	defer m.vm.Reset() // also after an error: the next run would resume in the middle
	if err := m.vm.RunAll(); err != nil {
		return nil, fmt.Errorf("nn: machine: %w", err)
	}
	results := make([][]float32, len(m.outputs))
	for i, n := range m.outputs {
		v, err := viewOf(n.Value())
		if err != nil {
			return nil, fmt.Errorf("nn: machine: output %d: %w", i, err)
		}
		results[i] = slices.Clone(v.data)
	}
	return results, nil
}

// Close releases the machine. Later calls of Run fail with [ErrClosed].
func (m *Machine) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.vm == nil {
		return nil
	}
	err := m.vm.Close()
	m.vm = nil
	return err
}
