package ptx

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// Module is PTX that was parsed.
type Module struct{ Kernels map[string]*Kernel }

// Kernel is one entry of a module. It is read-only.
type Kernel struct {
	Name    string
	Params  int // bytes of its parameters
	Threads int // the most that a block may have, 0 if the text does not say

	code    []inst
	shared  int // bytes of its variables
	regs    [classes]int
	consts  [2][]constant // of words and of longs
	symbols map[string]symbol
	names   map[string]operand   // registers
	outer   []map[string]operand // those outside of each brace that is open
	labels  map[string]int
}

// constant is a register that holds an immediate.
type constant struct {
	reg   int
	value uint64
}

// class is a file of registers: words of 32 bits and less, longs of 64, predicates.
type class uint8

const (
	words class = iota
	longs
	preds
	classes
)

// symbol is a parameter or a variable: its address in its window.
type symbol struct {
	at    uint64
	param bool
}

// inst is an instruction.
type inst struct {
	do   control
	run  func(w *warp, mask uint32) // of step
	pred int                        // the predicate that guards it, -1 for none
	not  bool
	to   int // of a branch
	line int
	text string
}

type control uint8

const (
	step control = iota
	branch
	exit
	barrier
)

// widths are bytes by type.
var widths = map[string]int{
	"b8": 1, "u8": 1, "s8": 1, "b16": 2, "u16": 2, "s16": 2, "f16": 2, "b32": 4, "u32": 4, "s32": 4, "f32": 4,
	"b64": 8, "u64": 8, "s64": 8, "f64": 8,
}

// Parse reads a module. An instruction that this package does not know is an error.
func Parse(text string) (*Module, error) {
	m := &Module{Kernels: map[string]*Kernel{}}
	var k *Kernel
	var open string // a statement that goes on
	for i, line := range strings.Split(strings.TrimRight(text, "\x00"), "\n") {
		line, _, _ = strings.Cut(line, "//")
		open = strings.TrimSpace(open + " " + strings.TrimSpace(line))
		for open != "" {
			statement, rest, whole := cut(open)
			if !whole {
				break
			}
			open = strings.TrimSpace(rest)
			var err error
			if k, err = m.statement(k, statement, i+1); err != nil {
				return nil, fmt.Errorf("ptx: line %d: %q: %w", i+1, statement, err)
			}
		}
	}
	if k != nil || open != "" {
		return nil, fmt.Errorf("ptx: the text ends within a kernel, at %q", open)
	}
	return m, nil
}

// cut takes the first statement off s: up to a semicolon, a label's colon, a brace of a body, or
// for directives without one of these, all of it.
func cut(s string) (statement, rest string, whole bool) {
	switch {
	case s[0] == '{' || s[0] == '}':
		return s[:1], s[1:], true
	case strings.HasPrefix(s, ".version"), strings.HasPrefix(s, ".target"), strings.HasPrefix(s, ".address_size"),
		strings.HasPrefix(s, ".maxntid"):
		return s, "", true
	case strings.HasPrefix(s, ".visible"), strings.HasPrefix(s, ".entry"):
		i := strings.IndexByte(s, ')')
		return s[:i+1], s[i+1:], i >= 0
	}
	if i := strings.IndexByte(s, ':'); i >= 0 && s[0] == '$' && !strings.ContainsAny(s[:i], " \t;") {
		return s[:i+1], s[i+1:], true
	}
	i := strings.IndexByte(s, ';')
	if i < 0 {
		return s, "", false
	}
	return strings.TrimSpace(s[:i]), s[i+1:], true
}

// statement adds one to the module, or to the kernel k that is open, and returns the one open next.
func (m *Module) statement(k *Kernel, s string, line int) (*Kernel, error) {
	switch {
	case strings.HasPrefix(s, ".visible .entry"):
		k, err := entry(s)
		return k, err
	case k == nil:
		switch strings.Fields(s)[0] {
		case ".version", ".target", ".address_size":
			return nil, nil
		}
		return nil, fmt.Errorf("unknown outside of a kernel")
	case s == "{":
		k.outer = append(k.outer, maps.Clone(k.names))
		return k, nil
	case s == "}" && len(k.outer) > 1:
		k.names, k.outer = k.outer[len(k.outer)-1], k.outer[:len(k.outer)-1]
		return k, nil
	case s == "}":
		m.Kernels[k.Name] = k
		return nil, k.link()
	case strings.HasPrefix(s, ".maxntid"):
		n, err := strconv.Atoi(strings.Trim(strings.Fields(s)[1], ","))
		k.Threads = n
		return k, err
	case strings.HasPrefix(s, ".pragma"):
		return k, nil
	case strings.HasPrefix(s, ".reg"):
		return k, k.registers(s)
	case strings.HasPrefix(s, ".shared"):
		return k, k.variable(s)
	case strings.HasSuffix(s, ":"):
		k.labels[strings.TrimSuffix(s, ":")] = len(k.code)
		return k, nil
	}
	in, err := k.instruction(s)
	in.line, in.text = line, strings.Join(strings.Fields(s), " ")
	k.code = append(k.code, in)
	return k, err
}

// entry begins a kernel.
func entry(s string) (*Kernel, error) {
	head, list, _ := strings.Cut(strings.TrimSuffix(s, ")"), "(")
	f := strings.Fields(head)
	k := &Kernel{
		Name: f[len(f)-1], symbols: map[string]symbol{}, names: map[string]operand{}, labels: map[string]int{},
	}
	for p := range strings.SplitSeq(list, ",") {
		name, size, align, err := declaration(p)
		if err != nil {
			return nil, err
		}
		k.Params = (k.Params + align - 1) / align * align
		k.symbols[name] = symbol{at: uint64(k.Params), param: true}
		k.Params += size
	}
	return k, nil
}

// declaration reads ".param .align 8 .b8 name[96]" and ".shared .align 128 .b8 name[96]".
func declaration(s string) (name string, size, align int, err error) {
	f := strings.Fields(s)
	for i, w := range f[1 : len(f)-1] {
		if n := widths[strings.TrimPrefix(w, ".")]; n > 0 {
			size, align = n, max(align, n)
		} else if w == ".align" {
			if align, err = strconv.Atoi(f[i+2]); err != nil {
				return "", 0, 0, err
			}
		}
	}
	name = f[len(f)-1]
	if i := strings.IndexByte(name, '['); i >= 0 {
		n, err := strconv.Atoi(strings.TrimSuffix(name[i+1:], "]"))
		if err != nil {
			return "", 0, 0, err
		}
		name, size = name[:i], size*n
	}
	if size == 0 {
		return "", 0, 0, fmt.Errorf("a declaration of no known type")
	}
	return name, size, align, nil
}

func (k *Kernel) variable(s string) error {
	name, size, align, err := declaration(s)
	if err != nil {
		return err
	}
	k.shared = (k.shared + align - 1) / align * align
	k.symbols[name] = symbol{at: sharedFirst + uint64(k.shared)}
	k.shared += size
	return nil
}

// registers reads ".reg .b32 %r<12>" and ".reg .b32 name".
func (k *Kernel) registers(s string) error {
	f := strings.Fields(s)
	if len(f) != 3 {
		return fmt.Errorf("want a type and a range of names")
	}
	c := words
	switch kind := strings.TrimPrefix(f[1], "."); {
	case kind == "pred":
		c = preds
	case widths[kind] == 8:
		c = longs
	case widths[kind] == 0:
		return fmt.Errorf("unknown type")
	}
	add := func(name string) {
		k.names[name] = operand{kind: register, class: c, reg: k.regs[c]}
		k.regs[c]++
	}
	name, count, many := strings.Cut(f[2], "<")
	if !many {
		add(name)
		return nil
	}
	n, err := strconv.Atoi(strings.TrimSuffix(count, ">"))
	for i := range n {
		add(name + strconv.Itoa(i))
	}
	return err
}

// link finds the branches' targets.
func (k *Kernel) link() error {
	for i := range k.code {
		if in := &k.code[i]; in.do == branch {
			f := strings.Fields(in.text)
			to, ok := k.labels[f[len(f)-1]]
			if !ok {
				return fmt.Errorf("line %d: %q: no such label", in.line, in.text)
			}
			in.to = to
		}
	}
	return nil
}

// operand is what an instruction names.
type operand struct {
	kind  kind
	class class
	reg   int       // register, memory's base (-1: none)
	value uint64    // immediate; an address's offset
	parts []operand // of a vector
	name  string    // of a special register
}

type kind uint8

const (
	register kind = iota
	immediate
	memory
	vector
	special
)

// operand reads one.
func (k *Kernel) operand(s string) (operand, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return operand{}, fmt.Errorf("an operand is missing")
	}
	if r, ok := k.names[s]; ok {
		return r, nil
	}
	if v, ok := k.symbols[s]; ok {
		return operand{kind: immediate, value: v.at}, nil
	}
	switch {
	case s[0] == '{':
		o := operand{kind: vector}
		for p := range strings.SplitSeq(strings.Trim(s, "{}"), ",") {
			part, err := k.operand(p)
			if err != nil {
				return o, err
			}
			o.parts = append(o.parts, part)
		}
		return o, nil
	case s[0] == '[':
		base, offset, plus := strings.Cut(strings.Trim(s, "[]"), "+")
		o := operand{kind: memory, reg: -1}
		if plus {
			n, err := strconv.ParseInt(offset, 0, 64)
			if err != nil {
				return o, err
			}
			o.value = uint64(n)
		}
		b, err := k.operand(base)
		if b.kind == register {
			o.reg, o.class = b.reg, b.class
		} else {
			o.value += b.value
		}
		return o, err
	case s[0] == '%':
		return operand{kind: special, name: s}, nil
	case strings.HasPrefix(s, "0f"):
		n, err := strconv.ParseUint(s[2:], 16, 32)
		return operand{kind: immediate, value: n}, err
	}
	n, err := strconv.ParseInt(s, 0, 64)
	return operand{kind: immediate, value: uint64(n)}, err
}

// split cuts the operands of an instruction.
func split(s string) []string {
	var parts []string
	depth, from := 0, 0
	for i, r := range s {
		switch r {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				parts, from = append(parts, s[from:i]), i+1
			}
		}
	}
	if strings.TrimSpace(s[from:]) != "" {
		parts = append(parts, s[from:])
	}
	return parts
}

// instruction reads one.
func (k *Kernel) instruction(s string) (inst, error) {
	in := inst{pred: -1}
	s = strings.Join(strings.Fields(s), " ")
	if s[0] == '@' {
		guard, rest, _ := strings.Cut(s[1:], " ")
		guard, in.not = strings.TrimPrefix(guard, "!"), strings.HasPrefix(guard, "!")
		p, ok := k.names[strings.TrimSpace(guard)]
		if !ok || p.class != preds {
			return in, fmt.Errorf("no such predicate")
		}
		in.pred, s = p.reg, strings.TrimSpace(rest)
	}
	op, rest, _ := strings.Cut(s, " ")
	switch op {
	case "bra", "bra.uni":
		in.do = branch
		return in, nil
	case "ret", "exit":
		in.do = exit
		return in, nil
	case "bar.sync":
		in.do = barrier
		return in, nil
	}
	var args []operand
	for _, a := range split(rest) {
		o, err := k.operand(a)
		if err != nil {
			return in, err
		}
		args = append(args, o)
	}
	run, err := k.decode(op, args)
	in.run = run
	return in, err
}
