package paddle

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// A program is what paddle.jit.save writes since version 3 (PIR): a graph as JSON, and in a file beside it the values
// of its parameters, one behind the other in the order of their names. Operators are handed on under ONNX's names and
// attributes.

// maxProgram bounds a program; that of an InceptionV3 has a third of a megabyte.
const maxProgram = 64 << 20

// named is a type or a value: what it is, and its contents.
type named struct {
	Kind string          `json:"#"`
	Data json.RawMessage `json:"D"`
}

type operator struct {
	Op      string          `json:"#"`
	Attrs   json.RawMessage `json:"A"`
	Inputs  []value         `json:"I"`
	Outputs json.RawMessage `json:"O"`
}

type value struct {
	ID   int   `json:"%"`
	Type named `json:"TT"`
}

func (v value) String() string {
	if v.ID == 0 {
		return ""
	}
	return "%" + strconv.Itoa(v.ID)
}

// program is what is read of the JSON.
type program struct {
	Base struct {
		Magic   string `json:"magic"`
		Version int    `json:"version"`
	} `json:"base_code"`
	Program struct {
		Regions []struct {
			Blocks []struct {
				Ops []operator `json:"ops"`
			} `json:"blocks"`
		} `json:"regions"`
	} `json:"program"`
}

// reader reads one program.
type reader struct {
	*graph.Graph
	parameters map[string]string  // by name, the value
	lists      map[string][]value // what builtin.combine joins
	scalars    map[string]float64 // of pd_op.full
	arrays     map[string][]int64 // of pd_op.full_int_array
}

// ReadProgram reads a program of the given size; open opens the file of its values.
func ReadProgram(r io.ReaderAt, size int64, open func() (io.ReaderAt, int64, error)) (*graph.Graph, error) {
	if size > maxProgram {
		return nil, fmt.Errorf("the program has %d bytes, want at most %d", size, maxProgram)
	}
	var p program
	if err := json.NewDecoder(io.NewSectionReader(r, 0, size)).Decode(&p); err != nil {
		return nil, fmt.Errorf("the program is damaged: %w", err)
	}
	if p.Base.Magic != "pir" || len(p.Program.Regions) != 1 || len(p.Program.Regions[0].Blocks) != 1 {
		return nil, errors.New("want a program of one block, as paddle.jit.save writes a network without " +
			"conditions and loops")
	}
	f := &reader{Graph: graph.New("Paddle"), parameters: map[string]string{}, lists: map[string][]value{},
		scalars: map[string]float64{}, arrays: map[string][]int64{}}
	for i, o := range p.Program.Regions[0].Blocks[0].Ops {
		if err := f.add(&o); err != nil {
			return nil, fmt.Errorf("operator %d, %q: %w", i, o.Op, err)
		}
	}
	b, n, err := open()
	if err != nil {
		return nil, fmt.Errorf("its values are in another file, which belongs beside this one: %w", err)
	}
	if err := f.values(raw.NewCursor(b, 0, n)); err != nil {
		return nil, fmt.Errorf("the values beside the program: %w", err)
	}
	return f.Graph, nil
}

// shape are a value's axes; -1 where the batch is free.
func (v value) shape() (dims []int) {
	var parts []json.RawMessage
	if json.Unmarshal(v.Type.Data, &parts) == nil && len(parts) > 1 {
		_ = json.Unmarshal(parts[1], &dims) // nil: unknown
	}
	return dims
}

// add adds one operator, or what it says in advance.
func (f *reader) add(o *operator) error {
	if o.Op == "p" {
		return f.parameter(o)
	}
	var outputs []value
	if err := json.Unmarshal(o.Outputs, &outputs); err != nil {
		return err
	}
	a, err := attributes(o.Attrs)
	if err != nil {
		return err
	}
	if len(outputs) == 0 {
		return nil
	}
	v := outputs[0].String()
	switch o.Op {
	case "0.combine":
		f.lists[v] = o.Inputs
		return nil
	case "1.full":
		f.scalars[v] = a["value"].Float
		return nil
	case "1.full_int_array":
		f.arrays[v] = a["value"].Ints
		return nil
	case "1.data":
		if s := outputs[0].shape(); len(s) == 4 && s[2] == s[3] && s[2] > 0 {
			f.Sizes[v] = min(s[2], 1<<20)
		}
		f.Bytes[v] = a["dtype"].Text == "uint8"
		return nil
	case "1.fetch":
		return nil
	}
	n := &graph.Node{Name: v, Op: o.Op, Attrs: a, At: -1}
	for _, in := range o.Inputs {
		n.Inputs = append(n.Inputs, in.String())
	}
	if err := f.translate(n, v); err != nil {
		return err
	}
	for _, in := range n.Inputs {
		if x, ok := f.scalars[in]; ok && f.Consts[in] == nil {
			if err := f.AddConst(in, scalar(in, x)); err != nil {
				return err
			}
		}
	}
	return f.Add(n, v)
}

// scalar is a constant of one number.
func scalar(name string, x float64) *graph.Const {
	return &graph.Const{Tensor: raw.Tensor{Name: name, Shape: []int{1}, DType: raw.F32, Offset: -1,
		Load: func(dst []float32) error {
			for i := range dst {
				dst[i] = float32(x)
			}
			return nil
		}}}
}

// parameter notes a parameter; its name is the fourth of its attributes.
func (f *reader) parameter(o *operator) error {
	var parts []any
	var out value
	if err := errors.Join(json.Unmarshal(o.Attrs, &parts), json.Unmarshal(o.Outputs, &out)); err != nil {
		return err
	}
	name := ""
	if len(parts) > 3 {
		name, _ = parts[3].(string)
	}
	if name == "" || out.ID <= 0 || f.parameters[name] != "" {
		return fmt.Errorf("parameter %q, value %d, has no name or no number of its own", name, out.ID)
	}
	k := &graph.Const{Tensor: raw.Tensor{Name: name, Shape: out.shape(), Load: raw.NotFloat}}
	f.parameters[name] = out.String()
	return f.AddConst(out.String(), k)
}

// attributes reads an operator's attributes by name.
func attributes(text json.RawMessage) (map[string]graph.Attr, error) {
	var list []struct {
		Value named  `json:"AT"`
		Name  string `json:"N"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	out := map[string]graph.Attr{}
	for _, e := range list {
		var a graph.Attr
		var err error
		switch e.Value.Kind {
		case "0.a_bool":
			err = json.Unmarshal(e.Value.Data, &a.Bool)
		case "0.a_f32", "0.a_f64":
			err = json.Unmarshal(e.Value.Data, &a.Float)
		case "0.a_i32", "0.a_i64":
			err = json.Unmarshal(e.Value.Data, &a.Int)
		case "0.a_str", "1.a_dtype":
			err = json.Unmarshal(e.Value.Data, &a.Text)
		case "1.a_intarray":
			err = json.Unmarshal(e.Value.Data, &a.Ints)
		case "0.a_array":
			a.Ints, err = integers(e.Value.Data)
		}
		if err != nil {
			return nil, fmt.Errorf("attribute %q: %w", e.Name, err)
		}
		out[e.Name] = a
	}
	return out, nil
}

// integers reads a list of integers; nil where it is of something else.
func integers(text json.RawMessage) ([]int64, error) {
	var list []named
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	var out []int64
	for _, v := range list {
		var x int64
		if v.Kind != "0.a_i32" && v.Kind != "0.a_i64" {
			return nil, nil
		}
		if err := json.Unmarshal(v.Data, &x); err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// kinds are the types of framework.proto.
var kinds = map[uint64]raw.DType{0: raw.Bool, 1: raw.I16, 2: raw.I32, 3: raw.I64, 4: raw.F16, 5: raw.F32, 6: raw.F64,
	20: raw.U8, 21: raw.I8, 22: raw.BF16}

// values finds the values of the parameters, which lie in the order of their names.
func (f *reader) values(c *raw.Cursor) error {
	names := make([]string, 0, len(f.parameters))
	for name := range f.parameters {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		k := f.Consts[f.parameters[name]]
		if err := record(c, &k.Tensor); err != nil {
			return fmt.Errorf("parameter %q: %w", name, err)
		}
	}
	if n := c.Remaining(); n > 0 {
		return fmt.Errorf("offset %d: %d bytes follow the last of %d parameters: it is another program's", c.Pos(), n,
			len(names))
	}
	return nil
}

// record reads a tensor's header: two versions of 0 around a number of levels, then its type and sides.
func record(c *raw.Cursor, t *raw.Tensor) error {
	at := c.Pos()
	head, err := c.Bytes(20)
	if err != nil {
		return err
	}
	size := int64(binary.LittleEndian.Uint32(head[16:]))
	if slices.ContainsFunc(head[:16], func(b byte) bool { return b != 0 }) || size > 96 {
		return fmt.Errorf("offset %d: no tensor begins there: want a dense one of version 0", at)
	}
	d, err := c.Sub(size)
	if err != nil {
		return err
	}
	var shape []int
	for d.Remaining() > 0 {
		tag, err := d.Uvarint()
		if err != nil {
			return err
		}
		v, err := d.Uvarint()
		if err != nil {
			return err
		}
		switch {
		case tag == 0x08:
			t.DType = kinds[v]
		case tag == 0x10 && v <= raw.MaxElements:
			shape = append(shape, int(v))
		default:
			return fmt.Errorf("offset %d: %d of field %d, want its type and sides", at, v, tag>>3)
		}
	}
	if !slices.Equal(shape, t.Shape) {
		return fmt.Errorf("offset %d: has shape %v, and %v in the program: the two files belong to different networks", at,
			shape, t.Shape)
	}
	n, err := raw.Elements(shape)
	if err != nil {
		return err
	}
	if t.DType == raw.Invalid {
		return fmt.Errorf("offset %d: has elements of an unknown type", at)
	}
	t.Offset = c.Pos()
	t.Span = int64(n) * int64(t.DType.Size())
	if t.DType.Float() {
		if t.Load, err = raw.Dense(c.Reader(), c.End(), t.Offset, n, t.DType); err != nil {
			return err
		}
	}
	return c.Skip(t.Span)
}
