// Package torchscript follows the code of a TorchScript program, as torch.jit.save writes it, from
// its input to its end, and hands on the operators that it meets as the common graph. Conditions
// must not depend on the input; what is only reached when something is wrong with it is passed over.
// Nothing but the operators of package aten and a few of the language is known, and nothing is run.
package torchscript

import (
	"errors"
	"fmt"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/aten"
	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/pickle"
	"github.com/c236555e/rehead/inception/convert/internal/pth"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

const (
	maxSteps = 1 << 18 // statements and expressions that are followed
	maxCalls = 32      // functions in one another
	maxCode  = 16 << 20
	input    = "input"
)

// unknown is what depends on the input's shape.
type unknown struct{}

// method is a function of an object's class.
type method struct {
	of   *pickle.Object
	name string
}

// path is a dotted name that is no variable.
type path string

// function is the text of a function.
type function struct {
	params   []string
	defaults map[string]string
	tensors  int // parameters that are tensors
	body     []line
}

// machine follows one program.
type machine struct {
	s      *pth.Script
	e      *aten.Emitter
	files  map[string][]line
	bound  map[*raw.Tensor]aten.Tensor
	steps  int
	calls  int
	values int
	code   int // bytes of code that were read
}

// Read follows a program from its method forward.
func Read(s *pth.Script) (*graph.Graph, error) {
	m := &machine{s: s, e: aten.New(), files: map[string][]line{}, bound: map[*raw.Tensor]aten.Tensor{}}
	f, err := m.function(s.Root.Module, s.Root.Name, "forward")
	if err == nil && (f.tensors != 1 || len(f.params) < 2) {
		err = fmt.Errorf("its forward takes %d tensors, want one picture", f.tensors)
	}
	if err == nil {
		if s.Size > 0 {
			m.e.G.Sizes[input] = min(s.Size, 1<<20)
		}
		_, err = m.call(f, []any{s.Root, aten.Tensor(input)}, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("TorchScript: %w", err)
	}
	if strings.Contains(s.Root.Module, ".timm.") {
		m.e.G.Notes = "timm"
	}
	return m.e.G, nil
}

// file are the statements of a module of the code.
func (m *machine) file(module string) ([]line, error) {
	if l, ok := m.files[module]; ok {
		return l, nil
	}
	text, err := m.s.Code("code/" + strings.ReplaceAll(module, ".", "/") + ".py")
	if err != nil {
		return nil, err
	}
	if strings.Contains(module, ".timm.") {
		m.e.G.Notes = "timm"
	}
	if m.code += len(text); m.code > maxCode {
		return nil, fmt.Errorf("its code has more than %d bytes", maxCode)
	}
	l, err := lines(string(text))
	m.files[module] = l
	return l, err
}

// function finds a function in a class, or in the module itself when class is "". It is nil when
// the class is one of tuples.
func (m *machine) function(module, class, name string) (*function, error) {
	all, err := m.file(module)
	if err != nil {
		return nil, err
	}
	indent := 0
	if class != "" {
		at := -1
		for i, l := range all {
			if l.indent == 0 && strings.HasPrefix(l.text, "class "+class+"(") {
				at = i
			}
		}
		if at < 0 {
			return nil, fmt.Errorf("class %s.%s has no code", module, class)
		}
		all = block(all, at)
		if len(all) > 0 {
			indent = all[0].indent
		}
	}
	for i, l := range all {
		if l.indent == indent && strings.HasPrefix(l.text, "def "+name+"(") {
			f, err := signature(l.text)
			if err == nil {
				f.body = block(all, i)
			}
			return f, err
		}
	}
	return nil, fmt.Errorf("function %s of %s.%s has no code", name, module, class)
}

// block are the lines below line i that are indented deeper.
func block(all []line, i int) []line {
	end := i + 1
	for end < len(all) && all[end].indent > all[i].indent {
		end++
	}
	return all[i+1 : end]
}

// signature reads "def forward(self: T, x: Tensor, y: bool=True) -> Tensor:".
func signature(text string) (*function, error) {
	f := &function{defaults: map[string]string{}}
	open, end := strings.IndexByte(text, '('), strings.LastIndex(text, ")")
	if arrow := strings.LastIndex(text, ") ->"); arrow >= 0 {
		end = arrow
	}
	if open < 0 || end < open {
		return nil, fmt.Errorf("%q is no function", short(text))
	}
	depth, start := 0, open+1
	for i := open + 1; i <= end; i++ {
		switch c := text[i]; {
		case c == '[' || c == '(':
			depth++
		case c == ']' || c == ')' && i < end:
			depth--
		case (c == ',' || i == end) && depth == 0:
			param := strings.TrimSpace(text[start:i])
			start = i + 1
			if param == "" {
				continue
			}
			name, rest, _ := strings.Cut(param, ":")
			kind, missing, has := strings.Cut(rest, "=")
			name = strings.TrimSpace(name)
			if has {
				f.defaults[name] = strings.TrimSpace(missing)
			}
			if strings.TrimSpace(kind) == "Tensor" {
				f.tensors++
			}
			f.params = append(f.params, name)
		}
	}
	return f, nil
}

// call follows a function.
func (m *machine) call(f *function, ordered []any, named map[string]any) (any, error) {
	if m.calls++; m.calls > maxCalls {
		return nil, fmt.Errorf("its functions call each other over %d deep", maxCalls)
	}
	defer func() { m.calls-- }()
	if len(ordered) > len(f.params) {
		return nil, fmt.Errorf("a function of %d arguments is called with %d", len(f.params), len(ordered))
	}
	env := map[string]any{}
	for i, name := range f.params {
		if i < len(ordered) {
			env[name] = ordered[i]
			continue
		}
		if v, ok := named[name]; ok {
			env[name] = v
			continue
		}
		missing, ok := f.defaults[name]
		if !ok {
			return nil, fmt.Errorf("a function is called without its argument %q", name)
		}
		x, err := parse(missing)
		if err == nil {
			env[name], err = m.eval(x, env)
		}
		if err != nil {
			return nil, err
		}
	}
	v, _, err := m.run(f.body, env)
	return v, err
}

// step counts what is followed.
func (m *machine) step() error {
	if m.steps++; m.steps > maxSteps {
		return fmt.Errorf("follows more than %d statements", maxSteps)
	}
	return nil
}

// run follows statements; done says that a return was met.
func (m *machine) run(body []line, env map[string]any) (v any, done bool, err error) {
	for i := 0; i < len(body); i++ {
		l := body[i]
		if err := m.step(); err != nil {
			return nil, false, err
		}
		inner := block(body, i)
		switch {
		case l.text == "pass" || strings.HasPrefix(l.text, "ops.prim.RaiseException") && len(inner) == 0:
			if l.text != "pass" {
				return nil, false, errors.New("its code raises an exception")
			}
			continue
		case strings.HasPrefix(l.text, "return"):
			x, err := parse(strings.TrimSpace(strings.TrimPrefix(l.text, "return")))
			if err == nil {
				v, err = m.eval(x, env)
			}
			return v, true, err
		case strings.HasPrefix(l.text, "if "):
			i += len(inner)
			var other []line
			if i+1 < len(body) && body[i+1].text == "else:" && body[i+1].indent == l.indent {
				other = block(body, i+1)
				i += 1 + len(other)
			}
			if v, done, err = m.branch(l.text, inner, other, env); done || err != nil {
				return v, done, err
			}
			continue
		case len(inner) > 0:
			return nil, false, fmt.Errorf("%q is not followed", short(l.text))
		}
		if err := m.statement(l.text, env); err != nil {
			return nil, false, err
		}
	}
	return nil, false, nil
}

// branch follows one side of a condition. Where it depends on the input, what both sides would set
// is not known, and a side that raises an exception is not taken.
func (m *machine) branch(text string, then, other []line, env map[string]any) (any, bool, error) {
	x, err := parse(strings.TrimSuffix(strings.TrimPrefix(text, "if "), ":"))
	if err != nil {
		return nil, false, err
	}
	c, err := m.eval(x, env)
	if err != nil {
		return nil, false, err
	}
	switch c := c.(type) {
	case bool:
		if c {
			return m.run(then, env)
		}
		return m.run(other, env)
	case unknown:
	default:
		return nil, false, fmt.Errorf("the condition %q is a %T", short(text), c)
	}
	switch {
	case raises(then):
		return m.run(other, env)
	case raises(other):
		return m.run(then, env)
	}
	for _, l := range append(then[:len(then):len(then)], other...) {
		if strings.HasPrefix(l.text, "return") {
			return nil, false, fmt.Errorf("the condition %q depends on the input", short(text))
		}
		if names, _, ok := assignment(l.text); ok {
			for _, name := range names {
				env[name] = unknown{}
			}
		}
	}
	return nil, false, nil
}

func raises(body []line) bool {
	return len(body) > 0 && strings.HasPrefix(body[len(body)-1].text, "ops.prim.RaiseException")
}

// assignment splits "a, b, = expression".
func assignment(text string) (names []string, value string, ok bool) {
	left, value, ok := strings.Cut(text, " = ")
	if !ok || strings.ContainsAny(left, `("[`) {
		return nil, text, false
	}
	for name := range strings.SplitSeq(left, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names, value, len(names) > 0
}

// statement follows an assignment or a bare expression.
func (m *machine) statement(text string, env map[string]any) error {
	names, value, assigns := assignment(text)
	x, err := parse(value)
	if err != nil {
		return err
	}
	v, err := m.eval(x, env)
	if err != nil || !assigns {
		return err
	}
	if len(names) == 1 && !strings.Contains(strings.SplitN(text, " = ", 2)[0], ",") {
		env[names[0]] = v
		return nil
	}
	list, ok := v.([]any)
	if !ok || len(list) != len(names) {
		return fmt.Errorf("%q takes apart what are not %d values", short(text), len(names))
	}
	for i, name := range names {
		env[name] = list[i]
	}
	return nil
}
