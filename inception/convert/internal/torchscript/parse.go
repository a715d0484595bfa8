package torchscript

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The code of a TorchScript program is written by PyTorch's own printer: one statement a line, in a
// few forms of Python (torch/csrc/jit/serialization/python_print.cpp).

// line is a statement, which may go over several lines of the file.
type line struct {
	indent int
	text   string
}

const (
	maxLines = 1 << 17
	maxDepth = 64 // of brackets in an expression
)

// lines joins the lines of open brackets.
func lines(code string) ([]line, error) {
	var out []line
	open := 0
	for text := range strings.SplitSeq(code, "\n") {
		trimmed := strings.TrimSpace(text)
		if trimmed == "" || open == 0 && strings.HasPrefix(trimmed, "#") {
			continue
		}
		if open > 0 {
			out[len(out)-1].text += " " + trimmed
		} else {
			out = append(out, line{len(text) - len(strings.TrimLeft(text, " ")), trimmed})
		}
		if len(out) > maxLines {
			return nil, fmt.Errorf("the code has more than %d lines", maxLines)
		}
		n, err := brackets(trimmed)
		if open += n; err != nil || open < 0 {
			return nil, errors.Join(err, fmt.Errorf("the code's brackets do not match in %q", short(trimmed)))
		}
	}
	return out, nil
}

// brackets counts what a text opens more than it closes, outside strings.
func brackets(text string) (int, error) {
	open := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '(', '[', '{':
			open++
		case ')', ']', '}':
			open--
		case '"', '\'':
			n := quoted(text[i:])
			if n == 0 {
				return 0, errors.New("a string has no end")
			}
			i += n - 1
		}
	}
	return open, nil
}

// quoted is the length of the string that a text begins with, 0 when it has no end.
func quoted(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[0]:
			return i + 1
		}
	}
	return 0
}

func short(text string) string { return text[:min(len(text), 60)] }

// expr is an expression.
type expr struct {
	kind byte   // 'n' name, 'v' value, '.' attribute, '(' call, '[' index, 'l' list, 't' tuple
	text string // of a name and an attribute
	v    any    // of a value
	of   *expr  // of an attribute, a call and an index
	args []*expr
	keys []string // names of the args, "" for those by place
}

// parser reads one expression.
type parser struct {
	text  string
	depth int
}

// parse reads a whole text as one expression.
func parse(text string) (*expr, error) {
	p := &parser{text: text}
	e, err := p.expression()
	if err == nil && p.skip() {
		err = fmt.Errorf("%q follows an expression", short(p.text))
	}
	if err != nil {
		return nil, fmt.Errorf("in %q: %w", short(text), err)
	}
	return e, nil
}

// skip passes over blanks and reports whether something is left.
func (p *parser) skip() bool {
	p.text = strings.TrimLeft(p.text, " ")
	return p.text != ""
}

// take removes a token if it is next.
func (p *parser) take(token string) bool {
	if p.skip(); !strings.HasPrefix(p.text, token) {
		return false
	}
	p.text = p.text[len(token):]
	return true
}

// expression reads a primary expression and what follows it: attributes, calls and indexes.
func (p *parser) expression() (*expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("brackets are nested over %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	e, err := p.primary()
	for n := 0; err == nil && n < maxDepth; n++ {
		switch {
		case p.take("."):
			name := p.word()
			if name == "" {
				return nil, errors.New("an attribute has no name")
			}
			e = &expr{kind: '.', text: name, of: e}
		case p.take("("):
			call := &expr{kind: '(', of: e}
			err = p.list(call, ")")
			e = call
		case p.take("["):
			index := &expr{kind: '[', of: e}
			err = p.list(index, "]")
			e = index
		default:
			return e, nil
		}
	}
	if err == nil {
		err = errors.New("an expression is too long")
	}
	return nil, err
}

// word reads a name.
func (p *parser) word() string {
	p.skip()
	n := 0
	for n < len(p.text) && (p.text[n] == '_' || p.text[n]|0x20 >= 'a' && p.text[n]|0x20 <= 'z' ||
		n > 0 && p.text[n] >= '0' && p.text[n] <= '9') {
		n++
	}
	w := p.text[:n]
	p.text = p.text[n:]
	return w
}

// primary reads a name, a number, a string, a list or a tuple.
func (p *parser) primary() (*expr, error) {
	if !p.skip() {
		return nil, errors.New("an expression is missing")
	}
	switch c := p.text[0]; {
	case c == '"' || c == '\'':
		n := quoted(p.text)
		if n == 0 {
			return nil, errors.New("a string has no end")
		}
		s := p.text[1 : n-1]
		p.text = p.text[n:]
		return &expr{kind: 'v', v: s}, nil
	case c == '(' || c == '[':
		p.text = p.text[1:]
		e, end := &expr{kind: 't'}, ")"
		if c == '[' {
			e.kind, end = 'l', "]"
		}
		if err := p.list(e, end); err != nil {
			return nil, err
		}
		if e.kind == 't' && len(e.args) == 1 && e.text == "" { // only brackets
			return e.args[0], nil
		}
		return e, nil
	case c >= '0' && c <= '9' || c == '-':
		return p.number()
	}
	switch w := p.word(); w {
	case "":
		return nil, fmt.Errorf("%q is no expression", short(p.text))
	case "None":
		return &expr{kind: 'v'}, nil
	case "True", "False":
		return &expr{kind: 'v', v: w == "True"}, nil
	default:
		return &expr{kind: 'n', text: w}, nil
	}
}

// number reads an integer or a float.
func (p *parser) number() (*expr, error) {
	n := 1
	for n < len(p.text) && (p.text[n] >= '0' && p.text[n] <= '9' || p.text[n] == '.' || p.text[n] == 'e' ||
		(p.text[n] == '-' || p.text[n] == '+') && p.text[n-1] == 'e') {
		n++
	}
	text := p.text[:n]
	p.text = p.text[n:]
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return &expr{kind: 'v', v: i}, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is no number", short(text))
	}
	return &expr{kind: 'v', v: f}, nil
}

// list reads what stands between brackets, with a comma behind each but maybe the last.
func (p *parser) list(e *expr, end string) error {
	for !p.take(end) {
		if len(e.args) > maxLines {
			return errors.New("a list is too long")
		}
		key, rest := "", p.text
		if w := p.word(); w != "" && p.take("=") && !strings.HasPrefix(p.text, "=") {
			key = w
		} else {
			p.text = rest
		}
		x, err := p.expression()
		if err != nil {
			return err
		}
		e.args, e.keys = append(e.args, x), append(e.keys, key)
		if p.take(",") {
			e.text = ","
			continue
		}
		if !p.take(end) {
			return fmt.Errorf("want a comma or %q before %q", end, short(p.text))
		}
		return nil
	}
	return nil
}
