package pickle

// Tuple is a Python tuple.
type Tuple []any

// List is a Python list; a pointer because a pickle may append to it after it was referred to.
type List struct{ Items []any }

// Set is a Python set or frozenset in the order of the file.
type Set []any

// Entry is one key and value of a Dict.
type Entry struct{ Key, Value any }

// Dict is a Python dict or OrderedDict: entries in the order of the file. A key that is set twice
// stands twice; the reader of weights refuses that by name.
type Dict struct{ Entries []Entry }

// Get returns the value of the last entry whose key is the string key.
func (d *Dict) Get(key string) (any, bool) {
	for i := len(d.Entries) - 1; i >= 0; i-- {
		if k, ok := d.Entries[i].Key.(string); ok && k == key {
			return d.Entries[i].Value, true
		}
	}
	return nil, false
}

// Func is what a listed global does when the pickle calls it. It must treat its arguments as
// hostile.
type Func func(args Tuple) (any, error)

// Global is a listed name. Call is nil for names that are only passed on as values, such as storage
// types. Inert says that objects of this type are of no interest: all that the pickle does with it
// makes an Opaque. Class says that its objects are kept as an Object, with what they hold.
type Global struct {
	Module, Name string
	Call         Func
	Inert        bool
	Class        bool
}

// Opaque is an object whose construction was skipped: a name the caller listed as inert, with the
// arguments and state thrown away.
type Opaque struct{ Module, Name string }

// Object is an instance of a listed class that was not made: State is what the pickle wanted to set
// in it, nil if nothing.
type Object struct {
	Module, Name string
	State        any
}

// NewDict is the Func of collections.OrderedDict and dict: no arguments, or a list of pairs.
func NewDict(args Tuple) (any, error) {
	d := &Dict{}
	if len(args) == 0 {
		return d, nil
	}
	l, ok := args[0].(*List)
	if !ok || len(args) != 1 {
		return nil, errArgs("OrderedDict", "nothing or one list of pairs")
	}
	for _, it := range l.Items {
		switch p := it.(type) {
		case Tuple:
			if len(p) == 2 {
				d.Entries = append(d.Entries, Entry{p[0], p[1]})
				continue
			}
		case *List:
			if len(p.Items) == 2 {
				d.Entries = append(d.Entries, Entry{p.Items[0], p.Items[1]})
				continue
			}
		}
		return nil, errArgs("OrderedDict", "a list of pairs")
	}
	return d, nil
}
