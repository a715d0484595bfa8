package coreml

import (
	"errors"
	"fmt"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/convert/internal/wire"
)

// operation is an operator of an ML program (MIL.proto).
type operation struct {
	kind    string
	at      int64
	inputs  map[string][]string // names of values, by argument
	outputs []string
	value   *graph.Const // attribute val of a const
	texts   []string     // the same, where they are texts
	name    string
}

// program reads Program: the operations of its one function.
func (f *reader) program(x wire.Field) error {
	functions := 0
	return x.Each(func(x wire.Field) error {
		if x.Num != 2 {
			return nil
		}
		if functions++; functions > 1 {
			return x.Bad(errors.New("has several functions: save it with one"))
		}
		return x.Each(func(x wire.Field) error { // an entry of the map
			if x.Num != 2 {
				return nil
			}
			return x.Each(f.function)
		})
	})
}

// function reads Function: of its blocks, which do the same for different systems, the first.
func (f *reader) function(x wire.Field) error {
	if x.Num != 3 || len(f.Nodes) > 0 {
		return nil
	}
	return x.Each(func(x wire.Field) error {
		if x.Num != 2 {
			return nil
		}
		return x.Each(func(x wire.Field) error {
			if x.Num != 3 {
				return nil
			}
			o, err := f.operation(x)
			if err == nil {
				err = f.emit(o)
			}
			if err != nil {
				return fmt.Errorf("operation at offset %d: %w", x.At, err)
			}
			return nil
		})
	})
}

// operation reads Operation.
func (f *reader) operation(x wire.Field) (*operation, error) {
	o := &operation{at: x.At, inputs: map[string][]string{}}
	err := x.Each(func(x wire.Field) (err error) {
		switch x.Num {
		case 1:
			o.kind, err = x.Text(maxName)
		case 2:
			err = f.argument(x, o)
		case 3:
			err = x.Each(func(x wire.Field) error { // NamedValueType
				if x.Num != 1 {
					return nil
				}
				name, err := x.Text(maxName)
				o.outputs = append(o.outputs, name)
				return err
			})
		case 4:
			err = x.Bad(errors.New("it has blocks of its own, as loops and conditions have"))
		case 5:
			err = f.attribute(x, o)
		}
		return err
	})
	if len(o.inputs) > maxInts || len(o.outputs) > maxInts {
		err = fmt.Errorf("%s has more than %d inputs or outputs", o.kind, maxInts)
	}
	return o, err
}

// argument reads an entry of the inputs: the names of values, or values themselves.
func (f *reader) argument(x wire.Field, o *operation) error {
	key := ""
	return x.Each(func(x wire.Field) (err error) {
		if x.Num == 1 {
			key, err = x.Text(maxName)
			return err
		}
		return x.Each(func(x wire.Field) error { // Argument
			return x.Each(func(x wire.Field) error { // Binding
				name, err := "", error(nil)
				if x.Num == 1 {
					name, err = x.Text(maxName)
				} else {
					name = f.name(o.kind)
					err = f.known(x, name)
				}
				if o.inputs[key] = append(o.inputs[key], name); len(o.inputs[key]) > maxInts {
					err = fmt.Errorf("argument %s has more than %d values", key, maxInts)
				}
				return err
			})
		})
	})
}

// known reads a value that stands in an argument's place and gives it a name.
func (f *reader) known(x wire.Field, name string) error {
	k, texts, err := f.value(x)
	switch {
	case err != nil:
		return err
	case len(texts) == 1:
		f.Texts[name] = texts[0]
		return nil
	case k == nil:
		f.lists[name] = texts
		return nil
	}
	k.Name = name
	return f.AddConst(name, k)
}

// attribute reads an entry of the attributes: the value of a constant, and the operation's name.
func (f *reader) attribute(x wire.Field, o *operation) error {
	key := ""
	return x.Each(func(x wire.Field) (err error) {
		switch {
		case x.Num == 1:
			key, err = x.Text(maxName)
		case key == "val":
			o.value, o.texts, err = f.value(x)
		case key == "name":
			var texts []string
			if _, texts, err = f.value(x); err == nil && len(texts) == 1 {
				o.name = texts[0]
			}
		}
		return err
	})
}

// dtypes are MIL's element types.
var dtypes = map[int64]raw.DType{1: raw.Bool, 10: raw.F16, 11: raw.F32, 12: raw.F64, 13: raw.BF16, 21: raw.I8,
	22: raw.I16, 23: raw.I32, 24: raw.I64, 31: raw.U8}

// tensorType reads ValueType: element type and shape of a tensor; an axis of unknown length is -1.
func tensorType(x wire.Field) (d raw.DType, shape []int, err error) {
	length := func(x wire.Field) error { // Dimension
		shape = append(shape, -1)
		if len(shape) > 8 {
			return errors.New("a type has more than 8 axes")
		}
		return x.Each(func(x wire.Field) error {
			if x.Num != 1 {
				return nil
			}
			return x.Each(func(x wire.Field) error {
				if x.Num == 1 {
					shape[len(shape)-1] = int(min(x.Val, 1<<40))
				}
				return nil
			})
		})
	}
	err = x.Each(func(x wire.Field) error {
		if x.Num != 1 {
			return nil
		}
		return x.Each(func(x wire.Field) error {
			switch x.Num {
			case 1:
				d = dtypes[int64(x.Val)]
			case 3:
				return length(x)
			}
			return nil
		})
	})
	return d, shape, err
}

// emit adds an operation to the graph.
func (f *reader) emit(o *operation) error {
	if o.kind == "const" {
		switch {
		case len(o.outputs) != 1:
			return errors.New("a const has no name")
		case len(o.texts) == 1:
			f.Texts[o.outputs[0]] = o.texts[0]
			return nil
		case len(o.texts) > 1:
			f.lists[o.outputs[0]] = o.texts
			return nil
		case o.value == nil:
			return nil
		}
		o.value.Name = o.outputs[0]
		return f.AddConst(o.outputs[0], o.value)
	}
	n := &graph.Node{Name: o.name, Op: o.kind, Attrs: map[string]graph.Attr{}, At: o.at}
	if len(o.outputs) > 0 && n.Name == "" {
		n.Name = o.outputs[0]
	}
	if err := f.translate(n, o); err != nil {
		return fmt.Errorf("%s %q: %w", o.kind, n.Name, err)
	}
	return f.Add(n, o.outputs...)
}
