package pickle

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// Config says what the names in a pickle stand for.
type Config struct {
	// Find returns what module.name stands for, or an error, which ends the reading: the pickle is
	// refused.
	Find func(module, name string) (*Global, error)
	// Persistent resolves a persistent id, as torch.save uses for storages; nil refuses them.
	Persistent func(id any) (any, error)
}

// A NameError is a pickle's reference to a name that may not be used.
type NameError struct{ Module, Name string }

func (e *NameError) Error() string {
	return fmt.Sprintf("names the Python object %s.%s, which is not on the list of harmless ones; nothing was run",
		e.Module, e.Name)
}

func errArgs(name, want string) error {
	return fmt.Errorf("%s is called with other arguments than %s", name, want)
}

// maxStack bounds the values on the stack and the memo; real files have some thousands.
const maxStack = 1 << 22

type mark struct{}

type machine struct {
	c     *raw.Cursor
	cfg   Config
	stack []any
	memo  map[uint64]any

	budget int64 // entries that calls may still copy
}

// Read runs the pickle at the cursor up to its STOP and returns its value; the cursor stands behind
// it.
func Read(c *raw.Cursor, cfg Config) (any, error) {
	m := &machine{c: c, cfg: cfg, memo: map[uint64]any{}, budget: c.Remaining()}
	for {
		at := c.Pos()
		op, err := c.Byte()
		if err == nil {
			var done bool
			if done, err = m.step(op); done && err == nil {
				return m.stack[0], nil
			}
		}
		if err == nil && len(m.stack)+len(m.memo) > maxStack {
			err = fmt.Errorf("more than %d values at a time", maxStack)
		}
		if err != nil {
			return nil, fmt.Errorf("pickle at offset %d: %w", at, err)
		}
	}
}

var errUnderflow = errors.New("an instruction finds too few values on the stack")

func (m *machine) push(v any) error {
	m.stack = append(m.stack, v)
	return nil
}

func (m *machine) pop() (any, error) {
	if len(m.stack) == 0 {
		return nil, errUnderflow
	}
	v := m.stack[len(m.stack)-1]
	if _, ok := v.(mark); ok {
		return nil, errUnderflow
	}
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

func (m *machine) top() (any, error) {
	if len(m.stack) == 0 {
		return nil, errUnderflow
	}
	v := m.stack[len(m.stack)-1]
	if _, ok := v.(mark); ok {
		return nil, errUnderflow
	}
	return v, nil
}

// popMark returns a copy of the values above the last mark and removes both.
func (m *machine) popMark() ([]any, error) {
	for i := len(m.stack) - 1; i >= 0; i-- {
		if _, ok := m.stack[i].(mark); ok {
			items := append([]any(nil), m.stack[i+1:]...)
			m.stack = m.stack[:i]
			return items, nil
		}
	}
	return nil, errors.New("an instruction finds no mark on the stack")
}

// The instructions, by the names of Python's pickletools.
const (
	opMark, opStop, opPop, opPopMark, opDup                    = '(', '.', '0', '1', '2'
	opFloat, opInt, opBinInt, opBinInt1, opLong, opBinInt2     = 'F', 'I', 'J', 'K', 'L', 'M'
	opNone, opPersID, opBinPersID, opReduce                    = 'N', 'P', 'Q', 'R'
	opString, opBinString, opShortBinString, opUnicode         = 'S', 'T', 'U', 'V'
	opBinUnicode, opAppend, opBuild, opGlobal, opDict          = 'X', 'a', 'b', 'c', 'd'
	opEmptyDict, opAppends, opGet, opBinGet, opLongBinGet      = '}', 'e', 'g', 'h', 'j'
	opList, opEmptyList, opPut, opBinPut, opLongBinPut         = 'l', ']', 'p', 'q', 'r'
	opSetItem, opTuple, opEmptyTuple, opSetItems, opBinFloat   = 's', 't', ')', 'u', 'G'
	opProto, opNewObj, opTuple1, opTuple2, opTuple3            = 0x80, 0x81, 0x85, 0x86, 0x87
	opNewTrue, opNewFalse, opLong1, opLong4                    = 0x88, 0x89, 0x8a, 0x8b
	opBinBytes, opShortBinBytes                                = 'B', 'C'
	opShortBinUnicode, opBinUnicode8, opBinBytes8, opEmptySet  = 0x8c, 0x8d, 0x8e, 0x8f
	opAddItems, opFrozenSet, opStackGlobal, opMemoize, opFrame = 0x90, 0x91, 0x93, 0x94, 0x95
	maxLine                                                    = 1 << 16
	maxLong                                                    = 1 << 12 // bytes of an arbitrary-length integer
)

// step runs one instruction and reports whether it was STOP.
func (m *machine) step(op byte) (bool, error) {
	switch op {
	case opStop:
		if len(m.stack) != 1 {
			return false, fmt.Errorf("ends with %d values on the stack, want 1", len(m.stack))
		}
		_, err := m.top()
		return true, err
	case opProto:
		v, err := m.c.Byte()
		if err == nil && v > 5 {
			err = fmt.Errorf("protocol %d, want 0 to 5", v)
		}
		return false, err
	case opFrame:
		_, err := m.c.Uint64()
		return false, err
	case opMark:
		return false, m.push(mark{})
	case opPop:
		if len(m.stack) == 0 {
			return false, errUnderflow
		}
		m.stack = m.stack[:len(m.stack)-1]
		return false, nil
	case opPopMark:
		_, err := m.popMark()
		return false, err
	case opDup:
		v, err := m.top()
		if err != nil {
			return false, err
		}
		return false, m.push(v)
	case opAppend, opAppends, opSetItem, opSetItems, opAddItems, opBuild, opReduce, opNewObj:
		return false, m.build(op)
	case opTuple, opEmptyTuple, opTuple1, opTuple2, opTuple3, opList, opEmptyList, opDict, opEmptyDict, opEmptySet,
		opFrozenSet:
		return false, m.collect(op)
	case opPut, opBinPut, opLongBinPut, opMemoize, opGet, opBinGet, opLongBinGet:
		return false, m.remember(op)
	case opGlobal, opStackGlobal, opPersID, opBinPersID:
		return false, m.name(op)
	}
	v, err := m.atom(op)
	if err != nil {
		return false, err
	}
	return false, m.push(v)
}

// remember runs the memo's instructions.
func (m *machine) remember(op byte) error {
	var key uint64
	var err error
	switch op {
	case opPut, opGet:
		var s string
		if s, err = m.c.Line(20); err == nil {
			key, err = strconv.ParseUint(s, 10, 63)
		}
	case opBinPut, opBinGet:
		var b byte
		b, err = m.c.Byte()
		key = uint64(b)
	case opLongBinPut, opLongBinGet:
		var k uint32
		k, err = m.c.Uint32()
		key = uint64(k)
	case opMemoize:
		key = uint64(len(m.memo))
	}
	if err != nil {
		return err
	}
	if op == opGet || op == opBinGet || op == opLongBinGet {
		v, ok := m.memo[key]
		if !ok {
			return fmt.Errorf("refers to value %d, which was never stored", key)
		}
		return m.push(v)
	}
	v, err := m.top()
	if err != nil {
		return err
	}
	m.memo[key] = v
	return nil
}

// name resolves globals and persistent ids.
func (m *machine) name(op byte) error {
	switch op {
	case opPersID, opBinPersID:
		var id any
		var err error
		if op == opPersID {
			id, err = m.c.Line(maxLine)
		} else {
			id, err = m.pop()
		}
		if err != nil {
			return err
		}
		if m.cfg.Persistent == nil {
			return errors.New("has persistent ids, which this kind of file should not have")
		}
		v, err := m.cfg.Persistent(id)
		if err != nil {
			return err
		}
		return m.push(v)
	}
	var module, name string
	var err error
	if op == opGlobal {
		if module, err = m.c.Line(maxLine); err == nil {
			name, err = m.c.Line(maxLine)
		}
	} else {
		var a, b any
		if b, err = m.pop(); err == nil {
			a, err = m.pop()
		}
		var okA, okB bool
		module, okA = a.(string)
		name, okB = b.(string)
		if err == nil && (!okA || !okB) {
			err = errors.New("a global's name is not a string")
		}
	}
	if err != nil {
		return err
	}
	if m.cfg.Find == nil {
		return &NameError{module, name}
	}
	g, err := m.cfg.Find(module, name)
	if err != nil {
		return err
	}
	if g == nil {
		return &NameError{module, name}
	}
	if g.Inert {
		return m.push(Opaque{module, name})
	}
	return m.push(g)
}
