// Package pt2 reads the archives of torch.export.save, archive version 0 (torch/_export/serde of the
// PyTorch project): a graph of PyTorch's operators as JSON, and each weight in a file of its own.
package pt2

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/aten"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/pth"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

const (
	program = "models/model.json"
	maxText = 64 << 20 // of a JSON file
)

// Is reports whether an archive is one of torch.export's that is read.
func Is(a *pth.Archive) bool { return a.Has(program) }

type tensorName struct {
	Name string `json:"name"`
}

// argument is a union of which one field is set.
type argument struct {
	Tensor   *tensorName `json:"as_tensor"`
	Optional []struct {
		Tensor *tensorName `json:"as_tensor"`
	} `json:"as_optional_tensors"`
	Int    *int64       `json:"as_int"`
	Ints   []int64      `json:"as_ints"`
	Float  *float64     `json:"as_float"`
	Bool   *bool        `json:"as_bool"`
	Text   *string      `json:"as_string"`
	AsList []tensorName `json:"as_tensors"`
}

type node struct {
	Target string `json:"target"`
	Inputs []struct {
		Name string   `json:"name"`
		Arg  argument `json:"arg"`
	} `json:"inputs"`
	Outputs  []argument `json:"outputs"`
	Metadata struct {
		Stack string `json:"nn_module_stack"`
	} `json:"metadata"`
}

type bound struct {
	Arg       tensorName `json:"arg"`
	Parameter string     `json:"parameter_name"`
	Buffer    string     `json:"buffer_name"`
	Constant  string     `json:"tensor_constant_name"`
}

type model struct {
	Module struct {
		Graph struct {
			Nodes  []node          `json:"nodes"`
			Values map[string]meta `json:"tensor_values"`
		} `json:"graph"`
		Signature struct {
			Inputs []struct {
				Parameter *bound `json:"parameter"`
				Buffer    *bound `json:"buffer"`
				Constant  *bound `json:"tensor_constant"`
				User      *struct {
					Arg argument `json:"arg"`
				} `json:"user_input"`
			} `json:"input_specs"`
		} `json:"signature"`
	} `json:"graph_module"`
}

type size struct {
	Int int64 `json:"as_int"`
}

type meta struct {
	DType   int    `json:"dtype"`
	Sizes   []size `json:"sizes"`
	Strides []size `json:"strides"`
	Offset  size   `json:"storage_offset"`
}

type config struct {
	Config map[string]struct {
		Path   string `json:"path_name"`
		Pickle bool   `json:"use_pickle"`
		Meta   meta   `json:"tensor_meta"`
	} `json:"config"`
}

// types are the numbers of the element types (schema.py).
var types = map[int]raw.DType{1: raw.U8, 2: raw.I8, 3: raw.I16, 4: raw.I32, 5: raw.I64, 6: raw.F16, 7: raw.F32,
	8: raw.F64, 12: raw.Bool, 13: raw.BF16}

// Read reads a program's graph; its Notes say "timm" where modules of timm's are in it.
func Read(a *pth.Archive) (*graph.Graph, error) {
	g, err := read(a)
	if err != nil {
		return nil, fmt.Errorf("torch.export: %w", err)
	}
	return g, nil
}

func read(a *pth.Archive) (*graph.Graph, error) {
	var m model
	if err := parse(a, program, &m); err != nil {
		return nil, err
	}
	weights, constants := config{}, config{}
	if err := parse(a, "data/weights/model_weights_config.json", &weights); err != nil {
		return nil, err
	}
	if err := parse(a, "data/constants/model_constants_config.json", &constants); err != nil {
		return nil, err
	}
	e := aten.New()
	for _, s := range m.Module.Signature.Inputs {
		var err error
		switch {
		case s.User != nil && s.User.Arg.Tensor != nil:
			input(e.G, s.User.Arg.Tensor.Name, m.Module.Graph.Values)
		case s.Parameter != nil:
			err = bind(a, e, "data/weights/", weights, s.Parameter.Arg.Name, s.Parameter.Parameter)
		case s.Buffer != nil:
			if _, ok := weights.Config[s.Buffer.Buffer]; ok {
				err = bind(a, e, "data/weights/", weights, s.Buffer.Arg.Name, s.Buffer.Buffer)
			} else { // one that is not kept in state dicts
				err = bind(a, e, "data/constants/", constants, s.Buffer.Arg.Name, s.Buffer.Buffer)
			}
		case s.Constant != nil:
			err = bind(a, e, "data/constants/", constants, s.Constant.Arg.Name, s.Constant.Constant)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, n := range m.Module.Graph.Nodes {
		if err := add(e, n); err != nil {
			return nil, err
		}
	}
	return e.G, nil
}

func parse(a *pth.Archive, name string, v any) error {
	text, err := a.Text(name, maxText)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s in the archive is damaged: %w", name, err)
	}
	return nil
}

// input notes the type and the side of an input.
func input(g *graph.Graph, name string, values map[string]meta) {
	v := values[name]
	g.Bytes[name] = types[v.DType] == raw.U8
	if s := v.Sizes; len(s) == 4 {
		if s[3].Int == 3 && s[1] == s[2] {
			g.Sizes[name] = int(min(max(s[1].Int, 0), 1<<20))
		} else if s[2] == s[3] {
			g.Sizes[name] = int(min(max(s[2].Int, 0), 1<<20))
		}
	}
}

// bind gives a value of the graph the tensor that the archive has for it.
func bind(a *pth.Archive, e *aten.Emitter, folder string, c config, value, name string) error {
	entry, ok := c.Config[name]
	if !ok || entry.Pickle {
		return fmt.Errorf("tensor %q is not in the archive as plain numbers", name)
	}
	off, n, err := a.Section(folder + entry.Path)
	if err != nil {
		return fmt.Errorf("tensor %q: %w", name, err)
	}
	t := raw.Tensor{Name: name, DType: types[entry.Meta.DType], Offset: off}
	if t.DType == raw.Invalid {
		return fmt.Errorf("tensor %q at offset %d has elements of type %d, which weights never have", name, off,
			entry.Meta.DType)
	}
	var stride []int
	for i, s := range entry.Meta.Sizes {
		if i >= len(entry.Meta.Strides) || s.Int < 0 || s.Int > raw.MaxElements {
			return fmt.Errorf("tensor %q at offset %d has an axis of %d", name, off, s.Int)
		}
		t.Shape = append(t.Shape, int(s.Int))
		stride = append(stride, int(min(max(entry.Meta.Strides[i].Int, -1), raw.MaxElements)))
	}
	count := int(n / int64(t.DType.Size()))
	first := int(min(max(entry.Meta.Offset.Int, -1), raw.MaxElements))
	r, total := a.Reader()
	if t.Load, err = raw.Strided(r, total, off, count, first, t.Shape, stride, t.DType); err != nil {
		return fmt.Errorf("tensor %q at offset %d: %w", name, off, err)
	}
	t.Offset += int64(first) * int64(t.DType.Size())
	t.Span = int64(t.Len()) * int64(t.DType.Size())
	return e.Constant(r, value, t)
}

// add translates a node.
func add(e *aten.Emitter, n node) error {
	op, ok := strings.CutPrefix(n.Target, "torch.ops.aten.")
	if !ok {
		op = n.Target
	}
	op, _, _ = strings.Cut(op, ".")
	if strings.Contains(n.Metadata.Stack, ",timm.") {
		e.G.Notes = "timm"
	}
	named := map[string]any{}
	for _, in := range n.Inputs {
		named[in.Name] = in.Arg.value()
	}
	if len(n.Outputs) == 0 || n.Outputs[0].Tensor == nil { // a check, or a shape
		return nil
	}
	return e.Call(op, nil, named, n.Outputs[0].Tensor.Name) // further ones concern training
}

// value is an argument as package aten takes it.
func (a argument) value() any {
	switch {
	case a.Tensor != nil:
		return aten.Tensor(a.Tensor.Name)
	case a.Int != nil:
		return *a.Int
	case a.Float != nil:
		return *a.Float
	case a.Bool != nil:
		return *a.Bool
	case a.Text != nil:
		return *a.Text
	}
	var list []any
	for _, v := range a.Ints {
		list = append(list, v)
	}
	for _, v := range a.AsList {
		list = append(list, aten.Tensor(v.Name))
	}
	for _, v := range a.Optional {
		if v.Tensor != nil {
			list = append(list, aten.Tensor(v.Tensor.Name))
		} else {
			list = append(list, nil)
		}
	}
	if list == nil {
		return nil
	}
	return list
}
