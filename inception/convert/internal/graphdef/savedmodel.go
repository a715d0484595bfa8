package graphdef

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/convert/internal/wire"
)

// IsSavedModel tells a SavedModel's saved_model.pb by its first bytes: version 1, then a meta graph
// that starts with its own description.
func IsSavedModel(head []byte) bool {
	if !bytes.HasPrefix(head, []byte{0x08, 0x01, 0x12}) {
		return false
	}
	for i := 3; i < 9 && i+1 < len(head); i++ { // behind the meta graph's length
		if head[i] < 0x80 {
			return head[i+1] == 0x0a && i > 3
		}
	}
	return false
}

const (
	maxFunctions = 1 << 14
	maxCalls     = 1 << 13 // operators behind each other, calls included
)

// function is a FunctionDef.
type function struct {
	name          string
	args, results []string
	body          *graph.Graph
	returns       map[string]string // result: value
}

// saved is a SavedModel's first meta graph.
type saved struct {
	main      *graph.Graph
	functions map[string]*function
	outputs   map[string][]string   // of each signature
	variables map[string]raw.Tensor // by their keys
	names     map[string]string     // keys by names
	keys      map[string]string     // of the main graph's handles

	out   *graph.Graph
	depth int
	calls int
}

// ReadSavedModel reads a saved_model.pb of the given size and returns the graph of the signature
// that serves, every function written out and every variable a constant. The variables are those of
// the checkpoint beside it, by their keys; names has the keys of those whose names are theirs
// alone, for variables that the graph itself does not restore.
func ReadSavedModel(r io.ReaderAt, size int64, variables map[string]raw.Tensor,
	names map[string]string) (*graph.Graph, error) {
	s := &saved{functions: map[string]*function{}, keys: map[string]string{}, outputs: map[string][]string{},
		variables: variables, names: names,
		out: graph.New("TensorFlow")}
	err := wire.Each(raw.NewCursor(r, 0, size), func(x wire.Field) error {
		if x.Num != 2 || s.main != nil {
			return nil
		}
		return x.Each(s.meta)
	})
	if err == nil && s.main == nil {
		err = errors.New("has no graph")
	}
	if err == nil {
		s.restored()
		err = s.serve()
	}
	if err != nil {
		return nil, fmt.Errorf("SavedModel: %w", err)
	}
	return s.out, nil
}

// meta reads a field of MetaGraphDef.
func (s *saved) meta(x wire.Field) error {
	switch x.Num {
	case 2:
		c, err := x.Message()
		if err != nil {
			return err
		}
		f := &reader{g: graph.New("TensorFlow"), r: c.Reader()}
		s.main = f.g
		return wire.Each(c, func(x wire.Field) error {
			switch x.Num {
			case 1:
				return f.node(x)
			case 2:
				return x.Each(s.function)
			}
			return nil
		})
	case 5:
		key, c, err := pair(x)
		if err != nil || c == nil {
			return err
		}
		return wire.Each(c, func(x wire.Field) error {
			if x.Num != 2 {
				return nil
			}
			_, c, err := pair(x)
			if err != nil || c == nil {
				return err
			}
			return wire.Each(c, func(x wire.Field) error {
				if x.Num != 1 {
					return nil
				}
				name, err := x.Text(maxName)
				if s.outputs[key] = append(s.outputs[key], name); len(s.outputs[key]) > maxInts {
					err = fmt.Errorf("signature %q has more than %d outputs", key, maxInts)
				}
				return err
			})
		})
	}
	return nil
}

// pair reads an entry of a map from texts to messages.
func pair(x wire.Field) (key string, value *raw.Cursor, err error) {
	err = x.Each(func(x wire.Field) (err error) {
		switch x.Num {
		case 1:
			key, err = x.Text(maxName)
		case 2:
			value, err = x.Message()
		}
		return err
	})
	return key, value, err
}

// function reads a FunctionDef of the library.
func (s *saved) function(x wire.Field) error {
	if x.Num != 1 {
		return nil
	}
	c, err := x.Message()
	if err != nil {
		return err
	}
	f := &reader{g: graph.New("TensorFlow"), r: c.Reader()}
	fn := &function{body: f.g, returns: map[string]string{}}
	err = wire.Each(c, func(x wire.Field) error {
		switch x.Num {
		case 1:
			return fn.signature(x)
		case 3:
			return f.node(x)
		case 4:
			return fn.result(x)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("function %q: %w", fn.name, err)
	}
	for _, n := range fn.body.Nodes {
		for i, v := range n.Inputs {
			n.Inputs[i] = short(v)
		}
	}
	if len(s.functions) >= maxFunctions || s.functions[fn.name] != nil {
		return fmt.Errorf("function %q is there twice, or one of more than %d", fn.name, maxFunctions)
	}
	s.functions[fn.name] = fn
	return nil
}

// signature reads the OpDef of a function: its name, its arguments and its results.
func (fn *function) signature(x wire.Field) error {
	return x.Each(func(x wire.Field) (err error) {
		switch x.Num {
		case 1:
			fn.name, err = x.Text(maxName)
		case 2:
			fn.args, err = argument(x, fn.args)
		case 3:
			fn.results, err = argument(x, fn.results)
		}
		return err
	})
}

// result reads which value of its body a function returns as one of its results.
func (fn *function) result(x wire.Field) error {
	var key, value string
	err := x.Texts(maxName, map[int]*string{1: &key, 2: &value})
	fn.returns[key] = short(value)
	return err
}

// argument appends the name in an ArgDef.
func argument(x wire.Field, list []string) ([]string, error) {
	name := ""
	err := x.Texts(maxName, map[int]*string{1: &name})
	return append(list, name), err
}

// short makes "node:output:0" what a value is called elsewhere: "node", "node:1".
func short(v string) string {
	f := strings.Split(strings.TrimSuffix(v, ":0"), ":")
	switch {
	case len(f) == 3:
		return f[0] + ":" + f[2]
	case len(f) == 2 && (f[1] == "" || f[1][0] < '0' || f[1][0] > '9'):
		return f[0]
	}
	return v
}

// scope is a call of a function, or the main graph.
type scope struct {
	*saved
	body   *graph.Graph
	prefix string
	args   map[string]string
	done   map[string]string
	open   map[string]bool
}

// variable marks the value of a handle: its node's name follows.
const variable = "variable:"

// restored finds the key of each variable: where the main graph calls the function that restores
// them, whose assignments take the results of RestoreV2 by number.
func (s *saved) restored() {
	for _, n := range s.main.Nodes {
		fn := s.functions[n.Attrs["f"].Text]
		if fn == nil || len(fn.args) != len(n.Inputs) {
			continue
		}
		handles := map[string]string{}
		for i, v := range n.Inputs {
			handles[fn.args[i]] = v
		}
		for _, assign := range fn.body.Nodes {
			if assign.Op != "AssignVariableOp" || len(assign.Inputs) < 2 || handles[assign.Inputs[0]] == "" {
				continue
			}
			v := assign.Inputs[1]
			if id := fn.body.By[v]; id != nil && id.Op == "Identity" && len(id.Inputs) == 1 {
				v = id.Inputs[0]
			}
			stem, index, _ := strings.Cut(v, ":")
			restore := fn.body.By[stem]
			if restore == nil || restore.Op != "RestoreV2" || len(restore.Inputs) < 2 {
				continue
			}
			names := fn.body.Consts[restore.Inputs[1]]
			if i, err := strconv.Atoi(cmp.Or(index, "0")); names != nil && err == nil && i >= 0 && i < len(names.Texts) {
				s.keys[handles[assign.Inputs[0]]] = names.Texts[i]
			}
		}
	}
}

// serve writes out the signature that serves.
func (s *saved) serve() error {
	names := slices.Sorted(maps.Keys(s.outputs))
	for _, first := range []string{"serving_default", "serve"} {
		if s.outputs[first] != nil {
			names = []string{first}
			break
		}
	}
	names = slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(n, "__") })
	if len(names) == 0 {
		return errors.New("has no signature that serves: save it with model.export() or tf.saved_model.save()")
	}
	c := &scope{saved: s, body: s.main, done: map[string]string{}, open: map[string]bool{}}
	for _, v := range s.outputs[names[0]] {
		if _, err := c.value(strings.TrimSuffix(v, ":0")); err != nil {
			return err
		}
	}
	return nil
}

// value writes out what a value depends on and returns its name in the result.
func (c *scope) value(v string) (string, error) {
	if x, ok := c.args[v]; ok {
		return x, nil
	}
	if x, ok := c.done[v]; ok {
		return x, nil
	}
	if c.depth++; c.depth > maxCalls || c.open[v] {
		return "", fmt.Errorf("value %q depends on itself, or lies behind more than %d operators", v, maxCalls)
	}
	c.open[v] = true
	x, err := c.make(v)
	c.depth--
	delete(c.open, v)
	if err != nil {
		return "", err
	}
	c.done[v] = x
	return x, nil
}

func (c *scope) make(v string) (string, error) {
	name := c.prefix + v
	if k := c.body.Consts[v]; k != nil {
		if t, ok := c.body.Texts[v]; ok {
			c.out.Texts[name] = t
		}
		return name, c.out.AddConst(name, k)
	}
	stem, index, _ := strings.Cut(v, ":")
	n := c.body.By[stem]
	if n == nil {
		return "", fmt.Errorf("value %q is made by no operator", v)
	}
	switch n.Op {
	case placeholder:
		c.out.Picture(name, n.Attrs["shape"].Ints, n.Attrs["dtype"].Int == typeUint8)
		return name, nil
	case "VarHandleOp":
		return variable + stem, nil
	case "PartitionedCall", "StatefulPartitionedCall":
		return c.call(n, index)
	}
	in := make([]string, len(n.Inputs))
	for i, x := range n.Inputs {
		var err error
		if in[i], err = c.value(x); err != nil {
			return "", err
		}
	}
	if len(in) == 1 && strings.HasPrefix(in[0], variable) {
		if n.Op == "ReadVariableOp" {
			return c.read(strings.TrimPrefix(in[0], variable))
		}
		return in[0], nil // an identity of a handle
	}
	if c.out.By[c.prefix+stem] != nil {
		return c.prefix + stem, nil
	}
	x := &graph.Node{Name: c.prefix + stem, Op: n.Op, Inputs: in, Attrs: n.Attrs, At: n.At}
	return x.Name, c.out.Add(x, x.Name)
}

// read makes a variable a constant.
func (c *scope) read(handle string) (string, error) {
	key := c.keys[handle]
	if n := c.main.By[handle]; key == "" && n != nil {
		key = c.names[n.Attrs["shared_name"].Text]
	}
	t, ok := c.variables[key]
	if !ok {
		return "", fmt.Errorf("variable %q is not among those in the folder variables: save the model again", handle)
	}
	v := variable + handle
	if c.out.Consts[v] == nil {
		t.Name = handle
		return v, c.out.AddConst(v, &graph.Const{Tensor: t})
	}
	return v, nil
}

// call writes out a function and returns the result with that number.
func (c *scope) call(n *graph.Node, index string) (string, error) {
	fn := c.functions[n.Attrs["f"].Text]
	if fn == nil || len(fn.args) != len(n.Inputs) {
		return "", fmt.Errorf("%v calls %q with %d arguments, which is not there or takes others", n, n.Attrs["f"].Text,
			len(n.Inputs))
	}
	if c.calls++; c.calls > maxFunctions {
		return "", fmt.Errorf("more than %d functions are called", maxFunctions)
	}
	i := 0
	for _, d := range index {
		if i = 10*i + int(d-'0'); d < '0' || d > '9' || i > maxInts {
			return "", fmt.Errorf("%v has no result %q", n, index)
		}
	}
	if i >= len(fn.results) {
		return "", fmt.Errorf("%v gives %d results, number %d is asked for", n, len(fn.results), i)
	}
	in := &scope{saved: c.saved, body: fn.body, prefix: c.prefix + n.Name + "/", args: map[string]string{},
		done: map[string]string{}, open: map[string]bool{}}
	for k, v := range n.Inputs {
		x, err := c.value(v)
		if err != nil {
			return "", err
		}
		in.args[fn.args[k]] = x
	}
	if i > 0 { // so that the operators of another result are not made twice
		in.prefix += fmt.Sprintf("%d/", i)
	}
	return in.value(fn.returns[fn.results[i]])
}
