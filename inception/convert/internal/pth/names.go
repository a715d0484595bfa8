package pth

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/pickle"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// storageTypes are the classes of torch that stand for an element type; their names are all that is
// used of them.
var storageTypes = map[string]raw.DType{
	"HalfStorage": raw.F16, "BFloat16Storage": raw.BF16, "FloatStorage": raw.F32, "DoubleStorage": raw.F64,
	"CharStorage": raw.I8, "ByteStorage": raw.U8, "ShortStorage": raw.I16, "IntStorage": raw.I32, "LongStorage": raw.I64,
	"BoolStorage": raw.Bool, "QInt8Storage": raw.I8,
}

// inert are types that training scripts put beside the weights; their contents are thrown away.
var inert = map[string]bool{
	"argparse.Namespace": true, "datetime.datetime": true, "pathlib.PosixPath": true, "pathlib.WindowsPath": true,
	"torch.device": true, "torch.Size": true, "torch.dtype": true, "numpy.dtype": true,
	"numpy.core.multiarray.scalar":  true,
	"numpy._core.multiarray.scalar": true, "_codecs.encode": true, "torch.float32": true, "torch.float16": true,
	"torch.float64": true, "torch.bfloat16": true, "torch.int64": true,
}

// libraries are the beginnings of modules whose classes are known: a network of them may be pickled
// whole, for what it computes follows from their names.
var libraries = []string{"torch.nn.", "torch._dynamo.eval_frame", "torch.optim.swa_utils", "torchvision.", "timm.",
	"pytorch_fid.", "__torch__."}

// first is a function of TorchScript's that gives its first argument a type.
func first(args pickle.Tuple) (any, error) {
	if len(args) == 0 {
		return nil, errors.New("is called without an argument")
	}
	return args[0], nil
}

// newSet is set(list).
func newSet(args pickle.Tuple) (any, error) {
	if len(args) == 0 {
		return pickle.Set(nil), nil
	}
	l, ok := args[0].(*pickle.List)
	if !ok || len(args) != 1 {
		return nil, errors.New("is called with other arguments than one list")
	}
	return pickle.Set(l.Items), nil
}

// storage is a run of elements of one type.
type storage struct {
	key   string
	dtype raw.DType
	count int   // elements, as the pickle says
	off   int64 // position in the file, -1 until it is known (stream form)
}

// view is a tensor as the pickle describes it.
type view struct {
	st            *storage
	first         int
	shape, stride []int
	levels        *levels // of a quantised one
}

// find is the list of harmless names.
func find(module, name string) (*pickle.Global, error) {
	g := &pickle.Global{Module: module, Name: name}
	full := module + "." + name
	switch full {
	case "collections.OrderedDict", "builtins.dict", "__builtin__.dict":
		g.Call = pickle.NewDict
		return g, nil
	case "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor":
		g.Call = rebuildTensor
		return g, nil
	case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state", "torch.nn.parameter.Parameter":
		g.Call = func(args pickle.Tuple) (any, error) {
			if len(args) == 0 {
				return nil, fmt.Errorf("a parameter without a tensor")
			}
			if v, ok := args[0].(*view); ok {
				return v, nil
			}
			return nil, fmt.Errorf("a parameter made of a %T, want a tensor", args[0])
		}
		return g, nil
	}
	if _, ok := storageTypes[name]; ok && (module == "torch" || module == "torch.storage") {
		return g, nil
	}
	if inert[full] {
		g.Inert = true
		return g, nil
	}
	switch full {
	case "builtins.set", "__builtin__.set":
		g.Call = newSet
		return g, nil
	case "torch.jit._pickle.restore_type_tag", "torch.jit._pickle.build_intlist",
		"torch.jit._pickle.build_doublelist", "torch.jit._pickle.build_boollist", "torch.jit._pickle.build_tensorlist":
		g.Call = first
		return g, nil
	case "torch._utils._rebuild_qtensor":
		g.Call = rebuildQuantised
		return g, nil
	case "torch.qint8", "torch.per_tensor_affine", "torch.per_channel_affine":
		return g, nil
	case "torch.quint8", "torch.qint32":
		return nil, errors.New(sayQuantised)
	case "functools.partial":
		g.Inert = true
		return g, nil
	}
	if module == "__torch__" ||
		slices.ContainsFunc(libraries, func(l string) bool { return strings.HasPrefix(module, l) }) {
		g.Class = true
		return g, nil
	}
	return nil, fmt.Errorf("%w; save the weights alone with torch.save(net.state_dict(), path)",
		&pickle.NameError{Module: module, Name: name})
}

// rebuildTensor is torch._utils._rebuild_tensor_v2(storage, offset, size, stride, ...): what
// follows concerns gradients.
func rebuildTensor(args pickle.Tuple) (any, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("has %d arguments, want storage, offset, size and stride", len(args))
	}
	st, ok := args[0].(*view)
	if !ok {
		return nil, fmt.Errorf("its storage is a %T", args[0])
	}
	first, ok := args[1].(int64)
	if !ok || first < 0 || first > raw.MaxElements {
		return nil, fmt.Errorf("its storage offset is %v", args[1])
	}
	shape, err := ints(args[2])
	if err != nil {
		return nil, fmt.Errorf("its size: %w", err)
	}
	stride, err := ints(args[3])
	if err != nil {
		return nil, fmt.Errorf("its stride: %w", err)
	}
	return &view{st: st.st, first: st.first + int(first), shape: shape, stride: stride}, nil
}

func ints(v any) ([]int, error) {
	t, ok := v.(pickle.Tuple)
	if !ok || len(t) > 8 {
		return nil, fmt.Errorf("got a %T, want a tuple of at most 8 integers", v)
	}
	out := make([]int, len(t))
	for i, x := range t {
		n, ok := x.(int64)
		if !ok || n < 0 || n > raw.MaxElements {
			return nil, fmt.Errorf("axis %d is %v, want an integer of 0..%d", i, x, raw.MaxElements)
		}
		out[i] = int(n)
	}
	return out, nil
}

// persistent reads torch's persistent id ("storage", type, key, location, count[, view]); get
// returns the storage of a key, made once.
func persistent(id any, get func(key string, d raw.DType, count int) (*storage, error)) (any, error) {
	t, ok := id.(pickle.Tuple)
	if !ok || len(t) < 5 || t[0] != any("storage") {
		return nil, fmt.Errorf("has a persistent id that does not name a storage")
	}
	g, ok := t[1].(*pickle.Global)
	if !ok {
		return nil, fmt.Errorf("has a storage whose type is a %T", t[1])
	}
	d := storageTypes[g.Name]
	key, okKey := t[2].(string)
	n, okCount := t[4].(int64)
	if d == raw.Invalid || !okKey || !okCount || n < 0 || n > raw.MaxElements {
		return nil, fmt.Errorf("has a storage of type %s.%s, key %v and %v elements, want a known type, a name and 0..%d",
			g.Module, g.Name, t[2], t[4], raw.MaxElements)
	}
	st, err := get(key, d, int(n))
	if err != nil {
		return nil, err
	}
	first := 0
	if len(t) > 5 && t[5] != nil { // the stream form's views: (key, offset, size)
		v, ok := t[5].(pickle.Tuple)
		if !ok || len(v) != 3 {
			return nil, fmt.Errorf("storage %q has a view that is a %T", key, t[5])
		}
		off, ok := v[1].(int64)
		if !ok || off < 0 || off > n {
			return nil, fmt.Errorf("storage %q has a view that starts at element %v of %d", key, v[1], n)
		}
		first = int(off)
	}
	return &view{st: st, first: first}, nil
}
