package torchscript

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/aten"
	"github.com/c236555e/rehead/inception/convert/internal/pickle"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// eval is the value of an expression.
func (m *machine) eval(x *expr, env map[string]any) (any, error) {
	if err := m.step(); err != nil {
		return nil, err
	}
	switch x.kind {
	case 'v':
		return x.v, nil
	case 'n':
		if v, ok := env[x.text]; ok {
			return v, nil
		}
		return path(x.text), nil
	case 'l', 't':
		return m.all(x.args, env)
	case '.':
		of, err := m.eval(x.of, env)
		if err != nil {
			return nil, err
		}
		return m.attribute(of, x.text)
	case '[':
		of, err := m.eval(x.of, env)
		if err != nil {
			return nil, err
		}
		return m.index(of, x, env)
	}
	return m.apply(x, env)
}

func (m *machine) all(list []*expr, env map[string]any) ([]any, error) {
	out := make([]any, len(list))
	for i, x := range list {
		v, err := m.eval(x, env)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// attribute is a part of an object, a further part of a dotted name, or a constant.
func (m *machine) attribute(of any, name string) (any, error) {
	switch o := of.(type) {
	case path:
		if o == "CONSTANTS" {
			i, err := strconv.Atoi(strings.TrimPrefix(name, "c"))
			if err != nil || i < 0 || i >= len(m.s.Constants) {
				return nil, fmt.Errorf("constant %q is not in the file", name)
			}
			return m.value(m.s.Constants[i], "CONSTANTS."+name)
		}
		return o + "." + path(name), nil
	case *pickle.Object:
		d, _ := o.State.(*pickle.Dict)
		if d == nil {
			return nil, fmt.Errorf("an object of class %s.%s has no attributes", o.Module, o.Name)
		}
		v, ok := d.Get(name)
		if !ok {
			return method{o, name}, nil
		}
		return m.value(v, name)
	case unknown:
		return unknown{}, nil
	}
	return nil, fmt.Errorf("attribute %q of a %T", name, of)
}

// value makes a value of the graph of a tensor of the file.
func (m *machine) value(v any, name string) (any, error) {
	switch x := v.(type) {
	case *raw.Tensor:
		if t, ok := m.bound[x]; ok {
			return t, nil
		}
		m.values++
		t := aten.Tensor(fmt.Sprintf("%s/%d", name, m.values))
		m.bound[x] = t
		return t, m.e.Constant(m.s.File(), string(t), *x)
	case *pickle.List:
		return x.Items, nil
	case pickle.Tuple:
		return []any(x), nil
	}
	return v, nil
}

func (m *machine) index(of any, x *expr, env map[string]any) (any, error) {
	if p, ok := of.(path); ok { // a type, such as List[Tensor]
		return p, nil
	}
	list, ok := of.([]any)
	if !ok || len(x.args) != 1 {
		return unknown{}, nil
	}
	v, err := m.eval(x.args[0], env)
	if err != nil {
		return nil, err
	}
	i, ok := v.(int64)
	if ok && i < 0 {
		i += int64(len(list))
	}
	if !ok || i < 0 || i >= int64(len(list)) {
		return nil, fmt.Errorf("element %v of a list of %d", v, len(list))
	}
	return list[i], nil
}

// apply follows a call.
func (m *machine) apply(x *expr, env map[string]any) (any, error) {
	of, err := m.eval(x.of, env)
	if err != nil {
		return nil, err
	}
	if p, ok := of.(path); ok && (p == "annotate" || p == "unchecked_cast" || p == "uninitialized") {
		if p == "uninitialized" {
			return unknown{}, nil
		}
		if len(x.args) != 2 {
			return nil, fmt.Errorf("%s has %d arguments, want 2", p, len(x.args))
		}
		return m.eval(x.args[1], env)
	}
	var ordered []any
	named := map[string]any{}
	for i, a := range x.args {
		v, err := m.eval(a, env)
		if err != nil {
			return nil, err
		}
		if x.keys[i] != "" {
			named[x.keys[i]] = v
		} else {
			ordered = append(ordered, v)
		}
	}
	switch f := of.(type) {
	case method:
		code, err := m.function(f.of.Module, f.of.Name, f.name)
		if err != nil {
			return nil, err
		}
		return m.call(code, append([]any{f.of}, ordered...), named)
	case path:
		return m.named(string(f), ordered, named)
	}
	return nil, fmt.Errorf("calls a %T", of)
}

// named calls what a dotted name stands for.
func (m *machine) named(name string, ordered []any, named map[string]any) (any, error) {
	switch op, ok := strings.CutPrefix(name, "torch."); {
	case name == "getattr":
		key := ""
		if len(ordered) == 2 {
			key, _ = ordered[1].(string)
		}
		if key == "" {
			return nil, errors.New("getattr without a name")
		}
		return m.attribute(ordered[0], key)
	case name == "ops.prim.RaiseException":
		return nil, errors.New("its code raises an exception")
	case strings.HasPrefix(name, "ops.aten."):
		return m.operator(strings.TrimPrefix(name, "ops.aten."), ordered, named)
	case strings.HasPrefix(name, "__torch__."):
		at := strings.LastIndexByte(name, '.')
		if all, err := m.file(name[:at]); err == nil {
			for _, l := range all { // a named tuple
				if l.indent == 0 && strings.HasPrefix(l.text, "class "+name[at+1:]+"(NamedTuple") {
					return ordered, nil
				}
			}
		}
		f, err := m.function(name[:at], "", name[at+1:])
		if err != nil {
			return nil, err
		}
		return m.call(f, ordered, named)
	case ok:
		return m.operator(op, ordered, named)
	}
	switch name {
	case "int", "float", "bool", "str":
		if len(ordered) == 1 {
			return ordered[0], nil
		}
	}
	return unknown{}, nil
}

// operator is one of the language, or of tensors.
func (m *machine) operator(op string, args []any, named map[string]any) (any, error) {
	if v, ok := simple(op, args); ok {
		return v, nil
	}
	for _, a := range args {
		if list, ok := a.([]any); ok {
			for _, x := range list {
				if _, not := x.(unknown); not {
					return m.shapeless(op, args)
				}
			}
		}
		if _, not := a.(unknown); not {
			return m.shapeless(op, args)
		}
	}
	m.values++
	out := fmt.Sprintf("%s/%d", op, m.values)
	if op == "adaptive_max_pool2d" || op == "max_pool2d_with_indices" { // the maxima, and where they lay
		return []any{aten.Tensor(out), unknown{}}, m.e.Call(op, args, named, out)
	}
	return aten.Tensor(out), m.e.Call(op, args, named, out)
}

// shapeless are the operators whose further arguments only concern shape or type.
func (m *machine) shapeless(op string, args []any) (any, error) {
	t, ok := args[0].(aten.Tensor)
	if !ok {
		return unknown{}, nil
	}
	switch op {
	case "view", "reshape", "flatten", "to", "expand", "expand_as", "type_as":
		m.values++
		out := fmt.Sprintf("%s/%d", op, m.values)
		return aten.Tensor(out), m.e.Call(op, []any{t}, nil, out)
	}
	return nil, fmt.Errorf("%s has an argument that depends on the input's shape", op)
}

// simple are the operators of the language; ok is false for those of tensors.
func simple(op string, args []any) (v any, ok bool) {
	switch op {
	case "dim", "size", "len", "numel", "format", "warn", "is_scripting", "is_grad_enabled", "list", "device", "dtype",
		"is_floating_point", "is_complex":
		if list, isList := args0(args).([]any); isList && op == "len" {
			return int64(len(list)), true
		}
		return unknown{}, true
	case "__is__", "__isnot__":
		if len(args) != 2 {
			return nil, false
		}
		if _, not := args[0].(unknown); not {
			return unknown{}, true
		}
		return (args[0] == nil) == (args[1] == nil) == (op == "__is__"), true
	case "__not__":
		b, known := args0(args).(bool)
		if !known {
			return unknown{}, true
		}
		return !b, true
	case "__and__", "__or__":
		if len(args) != 2 {
			return nil, false
		}
		a, knownA := args[0].(bool)
		b, knownB := args[1].(bool)
		if !knownA || !knownB {
			return unknown{}, true
		}
		return a && b || op == "__or__" && (a || b), true
	case "eq", "ne", "lt", "gt", "le", "ge":
		return compare(op, args)
	}
	return nil, false
}

func args0(args []any) any {
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

// compare compares numbers or texts.
func compare(op string, args []any) (any, bool) {
	if len(args) != 2 {
		return nil, false
	}
	a, okA := args[0].(int64)
	b, okB := args[1].(int64)
	if !okA || !okB {
		s, okS := args[0].(string)
		t, okT := args[1].(string)
		if okS && okT && (op == "eq" || op == "ne") {
			return (s == t) == (op == "eq"), true
		}
		return unknown{}, true
	}
	return map[string]bool{"eq": a == b, "ne": a != b, "lt": a < b, "gt": a > b, "le": a <= b, "ge": a >= b}[op], true
}
