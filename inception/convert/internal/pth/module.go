package pth

import (
	"errors"
	"fmt"
	"slices"

	"github.com/c236555e/rehead/inception/convert/internal/pickle"
)

// Module is one module of a network that was saved whole.
type Module struct {
	Class    string             // such as "torch.nn.modules.linear.Linear"
	Numbers  map[string]float64 // attributes that are numbers or booleans
	Text     map[string]string  // attributes that are texts
	Children []string           // paths of the modules in it, in their order
}

// Bounds of a network's modules; torchvision's InceptionV3 has 311 of them, four deep.
const (
	maxModules = 1 << 14
	maxNesting = 16
)

// flattener collects the modules and tensors of a network.
type flattener struct {
	modules map[string]Module
	dict    *pickle.Dict
}

// flatten names the tensors of a whole network as its state_dict() would, and lists its modules.
func flatten(o *pickle.Object) (*pickle.Dict, map[string]Module, error) {
	f := &flattener{modules: map[string]Module{}, dict: &pickle.Dict{}}
	err := f.module("", o, 0)
	return f.dict, f.modules, err
}

func (f *flattener) module(path string, o *pickle.Object, depth int) error {
	if depth > maxNesting || len(f.modules) >= maxModules {
		return fmt.Errorf("the network's modules are nested over %d deep, or more than %d", maxNesting, maxModules)
	}
	if _, twice := f.modules[path]; twice {
		return fmt.Errorf("the network has two modules called %q", path)
	}
	class := o.Module + "." + o.Name
	state, ok := o.State.(*pickle.Dict)
	if !ok {
		return fmt.Errorf("%s %q is no module with parameters: save net.state_dict()", class, path)
	}
	m := Module{Class: class, Numbers: map[string]float64{}, Text: map[string]string{}}
	f.modules[path] = m
	dot := path
	if dot != "" {
		dot += "."
	}
	skipped, _ := state.Get("_non_persistent_buffers_set")
	for _, part := range []string{"_parameters", "_buffers"} {
		for _, e := range entries(state, part) {
			name, _ := e.Key.(string)
			if _, isView := e.Value.(*view); isView && !contains(skipped, name) {
				f.dict.Entries = append(f.dict.Entries, pickle.Entry{Key: dot + name, Value: e.Value})
			}
		}
	}
	for _, e := range state.Entries {
		m.attribute(e)
	}
	for _, e := range entries(state, "_modules") {
		name, ok := e.Key.(string)
		child, isObject := e.Value.(*pickle.Object)
		switch {
		case e.Value == nil && ok: // as torchvision leaves the auxiliary classifier
		case !isObject || !ok:
			return fmt.Errorf("module %v of %q is a %s, want a module: save net.state_dict()", e.Key, path, kind(e.Value))
		default:
			m.Children = append(m.Children, dot+name)
			if err := f.module(dot+name, child, depth+1); err != nil {
				return err
			}
		}
	}
	f.modules[path] = m
	if len(f.dict.Entries) > maxModules*8 {
		return errors.New("the network has more tensors than any InceptionV3")
	}
	return nil
}

// attribute keeps a number or a text.
func (m Module) attribute(e pickle.Entry) {
	name, ok := e.Key.(string)
	if !ok || len(m.Numbers)+len(m.Text) > 256 {
		return
	}
	switch v := e.Value.(type) {
	case bool:
		m.Numbers[name] = 0
		if v {
			m.Numbers[name] = 1
		}
	case int64:
		m.Numbers[name] = float64(v)
	case float64:
		m.Numbers[name] = v
	case string:
		m.Text[name] = v
	}
}

// entries are those of a dictionary that is an attribute.
func entries(state *pickle.Dict, name string) []pickle.Entry {
	v, _ := state.Get(name)
	d, _ := v.(*pickle.Dict)
	if d == nil {
		return nil
	}
	return d.Entries
}

// contains looks for a name in a set.
func contains(set any, name string) bool {
	switch s := set.(type) {
	case pickle.Set:
		return slices.Contains(s, any(name))
	case *pickle.List:
		return slices.ContainsFunc(s.Items, func(x any) bool {
			n, ok := x.(string)
			return ok && n == name
		})
	}
	return false
}
