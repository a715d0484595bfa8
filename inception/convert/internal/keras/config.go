// Package keras turns a Keras model's own description (config.json, or the attribute model_config)
// and its weights into a computation graph, in TensorFlow's operators, so that one matcher reads
// both. Keras 2's and Keras 3's spellings are read; what a layer does follows from its class and
// its config, never from its name. Nested models are opened.
//
// Sources: keras/src/models/functional.py and saving/saving_lib.py of Keras 3, the same of
// tf-keras.
package keras

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

const (
	maxConfig = 32 << 20
	maxLayers = 1 << 13
	maxNested = 8    // models in models
	maxDepth  = 4096 // layers behind each other
)

// layer is a layer, or a model, as its JSON describes it.
type layer struct {
	Class   string          `json:"class_name"`
	Name    string          `json:"name"`
	Config  json.RawMessage `json:"config"`
	Inbound json.RawMessage `json:"inbound_nodes"`

	calls []call
}

// model is the config of a model.
type model struct {
	Name    string          `json:"name"`
	Layers  []*layer        `json:"layers"`
	Inputs  json.RawMessage `json:"input_layers"`
	Outputs json.RawMessage `json:"output_layers"`
}

// ref is a tensor: output number tensor of the call number node of a layer.
type ref struct {
	layer        string
	node, tensor int
}

// call is one use of a layer: its arguments, which are refs, numbers or nil, in their order.
type call struct {
	args   []any
	kwargs map[string]any
}

// refs are the tensors among a call's arguments.
func (c *call) refs() (out []ref) {
	for _, a := range c.args {
		if r, ok := a.(ref); ok {
			out = append(out, r)
		}
	}
	return out
}

func decode(data []byte, v any) error {
	if len(data) > maxConfig {
		return fmt.Errorf("has %d bytes, want at most %d", len(data), maxConfig)
	}
	return json.NewDecoder(bytes.NewReader(data)).Decode(v)
}

// isModel reports whether a class holds layers.
func isModel(class string) bool {
	return class == "Functional" || class == "Model" || class == "Sequential"
}

// parseModel reads a model's config; the oldest Sequential models are a bare list of layers.
func parseModel(class string, config json.RawMessage) (*model, error) {
	m := &model{}
	if t := bytes.TrimSpace(config); len(t) > 0 && t[0] == '[' && class == "Sequential" {
		if err := decode(config, &m.Layers); err != nil {
			return nil, err
		}
	} else if err := decode(config, m); err != nil {
		return nil, err
	}
	if len(m.Layers) == 0 || len(m.Layers) > maxLayers {
		return nil, fmt.Errorf("has %d layers, want 1 to %d", len(m.Layers), maxLayers)
	}
	for _, l := range m.Layers {
		if l == nil {
			return nil, errors.New("has a layer that is null")
		}
		if l.Name == "" {
			var c struct {
				Name string `json:"name"`
			}
			if err := decode(l.Config, &c); err != nil {
				return nil, fmt.Errorf("layer of class %q: %w", l.Class, err)
			}
			l.Name = c.Name
		}
		var nodes []any
		if len(l.Inbound) > 0 {
			if err := decode(l.Inbound, &nodes); err != nil {
				return nil, fmt.Errorf("layer %q: %w", l.Name, err)
			}
		}
		for _, n := range nodes {
			l.calls = append(l.calls, parseCall(n))
		}
	}
	return m, nil
}

// parseCall reads a node in either spelling.
func parseCall(n any) call {
	switch n := n.(type) {
	case map[string]any: // Keras 3
		c := call{kwargs: map[string]any{}}
		flatten3(n["args"], &c.args, 0)
		if kw, ok := n["kwargs"].(map[string]any); ok {
			for k, v := range kw {
				if r, ok := tensor3(v); ok {
					c.args = append(c.args, r)
				} else {
					c.kwargs[k] = v
				}
			}
		}
		return c
	case []any: // Keras 2: a list of [layer, node, tensor, kwargs]
		c := call{kwargs: map[string]any{}}
		if _, ok := ref2(n); ok {
			n = []any{n}
		}
		for _, x := range n {
			list, ok := x.([]any)
			if !ok || len(list) < 3 {
				continue
			}
			if name, _ := list[0].(string); name == "_CONSTANT_VALUE" {
				c.args = append(c.args, list[2])
			} else if r, ok := ref2(list); ok {
				c.args = append(c.args, r)
			}
			if len(list) > 3 {
				if kw, ok := list[3].(map[string]any); ok {
					for k, v := range kw {
						c.kwargs[k] = v
					}
				}
			}
		}
		return c
	}
	return call{}
}

// flatten3 lists Keras 3's arguments.
func flatten3(v any, out *[]any, depth int) {
	if r, ok := tensor3(v); ok {
		*out = append(*out, r)
		return
	}
	if list, ok := v.([]any); ok && depth < 4 {
		for _, x := range list {
			flatten3(x, out, depth+1)
		}
		return
	}
	*out = append(*out, v)
}

// tensor3 reads {"class_name": "__keras_tensor__", "config": {"keras_history": [layer, node,
// tensor]}}.
func tensor3(v any) (ref, bool) {
	m, ok := v.(map[string]any)
	if !ok || m["class_name"] != "__keras_tensor__" {
		return ref{}, false
	}
	c, _ := m["config"].(map[string]any)
	return ref2(c["keras_history"])
}

// ref2 reads [layer, node, tensor].
func ref2(v any) (ref, bool) {
	list, ok := v.([]any)
	if !ok || len(list) < 3 {
		return ref{}, false
	}
	name, ok := list[0].(string)
	node, ok2 := list[1].(float64)
	tensor, ok3 := list[2].(float64)
	if !ok || !ok2 || !ok3 || node < 0 || node > maxLayers || tensor < 0 || tensor > maxLayers {
		return ref{}, false
	}
	return ref{name, int(node), int(tensor)}, true
}

// ends lists the refs of input_layers or output_layers: one, a list, or a dictionary of them.
func ends(data json.RawMessage) (out []ref, err error) {
	var v any
	if len(data) == 0 {
		return nil, nil
	}
	if err := decode(data, &v); err != nil {
		return nil, err
	}
	var walk func(v any, depth int)
	walk = func(v any, depth int) {
		if r, ok := ref2(v); ok {
			out = append(out, r)
			return
		}
		if depth > 4 {
			return
		}
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x, depth+1)
			}
		case map[string]any:
			for _, x := range v {
				walk(x, depth+1)
			}
		}
	}
	walk(v, 0)
	return out, nil
}
