package keras

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// Weights finds the tensors of a layer. path is the way there, the outermost model's layer first; a
// step has the layer's name, its class, and its place among the layers of its class in the list.
type Weights interface {
	Layer(path []Step) map[string]raw.Tensor // by their kind: kernel, bias, gamma, beta, moving_mean, ...
}

// Step is one layer on the way from the model to a layer inside.
type Step struct {
	Name, Class string
	Place       int
	Config      json.RawMessage
}

// builder makes the graph.
type builder struct {
	g       *graph.Graph
	weights Weights
	budget  int
	hard    float64 // the slope of a hard sigmoid
}

// scope is one use of a model.
type scope struct {
	*builder
	path   []Step
	byName map[string]*layer
	steps  map[string]Step
	inputs map[string]string // of the model's input layers: what is handed in
	done   map[ref]string
	open   map[string]bool
	depth  int
}

// Graph builds the graph of a whole model.
func Graph(config []byte, w Weights) (*graph.Graph, error) {
	var top layer
	if err := decode(config, &top); err != nil {
		return nil, fmt.Errorf("keras: the model's JSON is damaged: %w", err)
	}
	if !isModel(top.Class) {
		return nil, fmt.Errorf("keras: the model is of class %q, which only its own Python code can "+
			"build: save a Functional or "+
			"Sequential model", top.Class)
	}
	b := &builder{g: graph.New("Keras"), weights: w, budget: maxLayers, hard: 1.0 / 6}
	if bytes.Contains(config, []byte(`"batch_input_shape"`)) { // as Keras 2 calls it
		b.hard = 0.2
	}
	b.g.Complete = true
	if _, err := b.model(top.Class, top.Config, nil, nil); err != nil {
		return nil, fmt.Errorf("keras: %w", err)
	}
	if len(b.g.Nodes) == 0 {
		return nil, errors.New("keras: the model has no layers that compute")
	}
	return b.g, nil
}

// model builds a model that reads the given values, or inputs of its own, and returns what it
// gives.
func (b *builder) model(class string, config json.RawMessage, path []Step, inputs []string) ([]string, error) {
	if len(path) > maxNested {
		return nil, fmt.Errorf("models are nested more than %d deep", maxNested)
	}
	m, err := parseModel(class, config)
	if err != nil {
		return nil, err
	}
	s := &scope{builder: b, path: path, byName: map[string]*layer{}, steps: map[string]Step{}, inputs: map[string]string{},
		done: map[ref]string{}, open: map[string]bool{}}
	places := map[string]int{}
	for _, l := range m.Layers {
		if s.byName[l.Name] != nil {
			return nil, fmt.Errorf("two layers are called %q", l.Name)
		}
		s.byName[l.Name] = l
		k := Snake(l.Class)
		s.steps[l.Name] = Step{l.Name, l.Class, places[k], l.Config}
		places[k]++
	}
	if class == "Sequential" {
		return s.sequence(m, inputs)
	}
	in, err := ends(m.Inputs)
	if err != nil {
		return nil, err
	}
	if inputs != nil && len(in) != len(inputs) {
		return nil, fmt.Errorf("model %q takes %d inputs, but gets %d", m.Name, len(in), len(inputs))
	}
	for i, r := range in {
		if inputs != nil {
			s.inputs[r.layer] = inputs[i]
		}
	}
	outs, err := ends(m.Outputs)
	if err != nil {
		return nil, err
	}
	var values []string
	for _, r := range outs {
		v, err := s.value(r)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("model %q has no outputs", m.Name)
	}
	return values, nil
}

// sequence builds a Sequential model.
func (s *scope) sequence(m *model, inputs []string) ([]string, error) {
	if len(inputs) > 1 {
		return nil, fmt.Errorf("the Sequential model %q gets %d inputs", m.Name, len(inputs))
	}
	v := ""
	if len(inputs) == 1 {
		v = inputs[0]
	}
	for i, l := range m.Layers {
		if l.Class == "InputLayer" && (v != "" || i > 0) {
			continue
		}
		if v == "" { // its input, or that of a first layer that stands for it
			var err error
			if v, err = s.input(l); err != nil {
				return nil, err
			}
			if l.Class == "InputLayer" {
				continue
			}
		}
		out, err := s.apply(l, call{args: []any{ref{}}}, []string{v})
		if err != nil {
			return nil, err
		}
		v = out[0]
	}
	return []string{v}, nil
}

// value builds what a tensor depends on.
func (s *scope) value(r ref) (string, error) {
	if v, ok := s.done[r]; ok {
		return v, nil
	}
	l := s.byName[r.layer]
	if l == nil {
		return "", fmt.Errorf("layer %q is not there", r.layer)
	}
	if l.Class == "InputLayer" {
		v, err := s.inputs[l.Name], error(nil)
		if v == "" {
			v, err = s.input(l)
		}
		s.done[r] = v
		return v, err
	}
	key := fmt.Sprintf("%s:%d", l.Name, r.node)
	if s.depth++; s.depth > maxDepth || s.open[key] {
		return "", fmt.Errorf("layer %q depends on itself, or lies behind more than %d others", l.Name, maxDepth)
	}
	s.open[key] = true
	defer func() {
		s.depth--
		delete(s.open, key)
	}()
	if r.node >= len(l.calls) {
		return "", fmt.Errorf("layer %q is called %d times, number %d is asked for", l.Name, len(l.calls), r.node)
	}
	c := l.calls[r.node]
	var in []string
	for _, a := range c.refs() {
		v, err := s.value(a)
		if err != nil {
			return "", err
		}
		in = append(in, v)
	}
	outs, err := s.apply(l, c, in)
	if err != nil {
		return "", err
	}
	for i, v := range outs {
		s.done[ref{r.layer, r.node, i}] = v
	}
	v, ok := s.done[r]
	if !ok {
		return "", fmt.Errorf("layer %q gives %d tensors, number %d is asked for", l.Name, len(outs), r.tensor)
	}
	return v, nil
}

// input makes an input of the whole graph, with the side that the layer says.
func (s *scope) input(l *layer) (string, error) {
	var c struct {
		Batch  []any  `json:"batch_shape"`
		Batch2 []any  `json:"batch_input_shape"`
		DType  any    `json:"dtype"`
		Format string `json:"data_format"`
	}
	if err := decode(l.Config, &c); err != nil {
		return "", fmt.Errorf("layer %q: %w", l.Name, err)
	}
	if c.Batch == nil {
		c.Batch = c.Batch2
	}
	v := s.name(l) + ":input"
	if len(c.Batch) == 4 {
		h, _ := c.Batch[1].(float64)
		w, _ := c.Batch[2].(float64)
		if ch, ok := c.Batch[3].(float64); ok && ch != 3 {
			return "", fmt.Errorf("layer %q takes %v, want three channels, which come last", l.Name, c.Batch)
		}
		if h != w {
			return "", fmt.Errorf("layer %q takes %g x %g pixels: rehead's recipes are square", l.Name, h, w)
		}
		s.g.Sizes[v] = int(min(max(h, 0), 1<<20))
	}
	s.g.Bytes[v] = c.DType == "uint8"
	return v, nil
}

// name is a layer's name with those of the models around it.
func (s *scope) name(l *layer) string {
	text := ""
	for _, p := range s.path {
		text += p.Name + "/"
	}
	return text + l.Name
}
