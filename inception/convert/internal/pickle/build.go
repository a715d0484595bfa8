package pickle

import (
	"errors"
	"fmt"
)

// collect makes tuples, lists, dicts and sets.
func (m *machine) collect(op byte) error {
	var items []any
	var err error
	switch op {
	case opEmptyTuple:
		return m.push(Tuple{})
	case opEmptyList:
		return m.push(&List{})
	case opEmptyDict:
		return m.push(&Dict{})
	case opEmptySet:
		return m.push(&List{})
	case opTuple1, opTuple2, opTuple3:
		items = make([]any, int(op-opTuple1)+1)
		for i := len(items) - 1; i >= 0 && err == nil; i-- {
			items[i], err = m.pop()
		}
	default:
		items, err = m.popMark()
	}
	if err != nil {
		return err
	}
	switch op {
	case opList:
		return m.push(&List{items})
	case opFrozenSet:
		return m.push(Set(items))
	case opDict:
		d := &Dict{}
		if err := setItems(d, items); err != nil {
			return err
		}
		return m.push(d)
	}
	return m.push(Tuple(items))
}

func setItems(d *Dict, items []any) error {
	if len(items)%2 != 0 {
		return errors.New("a dict gets a key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		d.Entries = append(d.Entries, Entry{items[i], items[i+1]})
	}
	return nil
}

// build changes the object below its arguments, or calls it.
func (m *machine) build(op byte) error {
	var items []any
	var err error
	switch op {
	case opAppends, opSetItems, opAddItems:
		items, err = m.popMark()
	case opSetItem:
		items = make([]any, 2)
		if items[1], err = m.pop(); err == nil {
			items[0], err = m.pop()
		}
	default:
		items = make([]any, 1)
		items[0], err = m.pop()
	}
	if err != nil {
		return err
	}
	if op == opReduce || op == opNewObj {
		return m.call(items[0])
	}
	obj, err := m.top()
	if err != nil {
		return err
	}
	switch o := obj.(type) {
	case Opaque: // what is done to an inert object is forgotten
		return nil
	case *Object:
		if op == opBuild {
			o.State = items[0]
			return nil
		}
	case *List:
		if op == opAppend || op == opAppends || op == opAddItems {
			o.Items = append(o.Items, items...)
			return nil
		}
	case *Dict:
		if op == opSetItem || op == opSetItems {
			return setItems(o, items)
		}
		if op == opBuild { // attributes of an OrderedDict, such as a state dict's _metadata
			return nil
		}
	}
	return fmt.Errorf("changes the contents of a %T", obj)
}

// call replaces a global by the result of its function.
func (m *machine) call(args any) error {
	f, err := m.pop()
	if err != nil {
		return err
	}
	a, ok := args.(Tuple)
	if !ok {
		return fmt.Errorf("calls something with a %T, want a tuple", args)
	}
	if o, ok := f.(Opaque); ok {
		return m.push(o)
	}
	g, ok := f.(*Global)
	if !ok {
		return fmt.Errorf("calls a %T, want a listed Python function", f)
	}
	if g.Class {
		return m.push(&Object{Module: g.Module, Name: g.Name})
	}
	if g.Call == nil {
		return fmt.Errorf("calls %s.%s, which may only be named", g.Module, g.Name)
	}
	v, err := g.Call(a)
	if err != nil {
		return fmt.Errorf("%s.%s: %w", g.Module, g.Name, err)
	}
	if d, ok := v.(*Dict); ok { // a stored list may be copied by any number of calls
		if m.budget -= int64(len(d.Entries)); m.budget < 0 {
			return errors.New("its dictionaries are larger than the pickle itself")
		}
	}
	return m.push(v)
}
