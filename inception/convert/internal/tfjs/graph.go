package tfjs

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

type node struct {
	Name   string               `json:"name"`
	Op     string               `json:"op"`
	Inputs []string             `json:"input"`
	Attrs  map[string]attribute `json:"attr"`
}

// attribute is an AttrValue; protobuf's JSON has 64-bit numbers as text and bytes in base64.
type attribute struct {
	S    *string  `json:"s"`
	I    any      `json:"i"`
	F    *float64 `json:"f"`
	B    *bool    `json:"b"`
	List *struct {
		I []any    `json:"i"`
		S []string `json:"s"`
	} `json:"list"`
	Type  string `json:"type"`
	Shape *struct {
		Dim []struct {
			Size any `json:"size"`
		} `json:"dim"`
	} `json:"shape"`
}

const maxInts = 64

func integer(v any) int64 {
	switch v := v.(type) {
	case float64:
		return int64(v)
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		if err == nil {
			return n
		}
	}
	return 0
}

func text(s string) string {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return s
	}
	return string(b)
}

func (a attribute) value() (out graph.Attr) {
	switch {
	case a.S != nil:
		out.Text = text(*a.S)
	case a.F != nil:
		out.Float = *a.F
	case a.B != nil:
		out.Bool = *a.B
	case a.List != nil:
		for i, v := range a.List.I {
			if i < maxInts {
				out.Ints = append(out.Ints, integer(v))
			}
		}
		var names []string
		for i, s := range a.List.S {
			if i < maxInts {
				names = append(names, text(s))
			}
		}
		out.Text = strings.Join(names, " ")
	case a.Shape != nil:
		for _, d := range a.Shape.Dim[:min(len(a.Shape.Dim), maxInts)] {
			out.Ints = append(out.Ints, integer(d.Size))
		}
	default:
		out.Int = integer(a.I)
	}
	return out
}

// Graph makes the computation of a graph model, its fused operators taken apart.
func (m *Model) Graph() (*graph.Graph, error) {
	var top struct {
		Nodes []node `json:"node"`
	}
	if err := json.Unmarshal(m.Topology, &top); err != nil {
		return nil, fmt.Errorf("TensorFlow.js: modelTopology is damaged: %w", err)
	}
	g := graph.New("TensorFlow.js")
	for _, t := range m.Tensors {
		k := &graph.Const{Tensor: t}
		if t.DType == raw.I32 && t.Len() <= maxInts {
			c := raw.NewCursor(m.shards[t.File], t.Offset, t.Offset+t.Span)
			var err error
			if k.Ints, err = c.Ints(raw.I32, maxInts); err != nil {
				return nil, fmt.Errorf("TensorFlow.js: tensor %q: %w", t.Name, err)
			}
		}
		if err := g.AddConst(t.Name, k); err != nil {
			return nil, err
		}
	}
	for _, n := range top.Nodes {
		if n.Op == "Const" {
			if g.Consts[n.Name] == nil {
				return nil, fmt.Errorf("TensorFlow.js: constant %q has no values in the manifest", n.Name)
			}
			continue
		}
		if err := add(g, n); err != nil {
			return nil, fmt.Errorf("TensorFlow.js: node %q: %w", n.Name, err)
		}
	}
	if len(g.Nodes) == 0 {
		return nil, errors.New("TensorFlow.js: modelTopology has no nodes")
	}
	return g, nil
}

// add adds a node; a fused one as a chain of its parts.
func add(g *graph.Graph, n node) error {
	x := &graph.Node{Name: n.Name, Op: n.Op, Attrs: map[string]graph.Attr{}, At: -1}
	if len(n.Attrs) > maxInts {
		return fmt.Errorf("has more than %d attributes", maxInts)
	}
	for k, a := range n.Attrs {
		x.Attrs[k] = a.value()
	}
	for _, in := range n.Inputs {
		if !strings.HasPrefix(in, "^") {
			x.Inputs = append(x.Inputs, strings.TrimSuffix(in, ":0"))
		}
	}
	if n.Op == "Placeholder" {
		g.Picture(n.Name, x.Attrs["shape"].Ints, n.Attrs["dtype"].Type == "DT_UINT8")
	}
	plain, ok := map[string]string{"_FusedConv2D": "Conv2D", "_FusedMatMul": "MatMul"}[n.Op]
	if !ok {
		return g.Add(x, n.Name)
	}
	return g.AddFused(x, plain, strings.Fields(x.Attrs["fused_ops"].Text), n.Name)
}
