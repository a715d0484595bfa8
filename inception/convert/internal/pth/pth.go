package pth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/c236555e/rehead/inception/convert/internal/pickle"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// The first pickle of the stream form holds this number, the second the version of the form.
var magic, _ = new(big.Int).SetString("1950a86a20f9469cfc6c", 16)

const protocol = 1001

// IsZIP and IsStream tell the two forms by a file's first bytes (at least 16 of them).
func IsZIP(head []byte) bool { return bytes.HasPrefix(head, []byte("PK\x03\x04")) }

// IsStream reports whether head starts as the stream form does: protocol 2 and the ten-byte magic
// number.
func IsStream(head []byte) bool {
	return bytes.HasPrefix(head, []byte("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."))
}

// File is what torch.save wrote.
type File struct {
	Tensors []raw.Tensor      // in the order of the dictionary
	Nest    string            // the key under which the weights were, "" at the top
	Modules map[string]Module // of a network that was saved whole, by path; "" is the network
	Packed  []string          // dense layers of int8 weights, as dynamic quantisation leaves them
}

// Read lists the tensors of a torch.save file of the given size. Tensors of nested dictionaries are
// found under the first of nests that the outermost one has; other entries there (epoch, optimizer)
// are passed over.
func Read(r io.ReaderAt, size int64) (*File, error) {
	head := make([]byte, 16)
	if n, err := r.ReadAt(head, 0); n < len(head) {
		return nil, fmt.Errorf("file has %d bytes, too few for a .pth: %w", n, err)
	}
	var top any
	var err error
	switch {
	case IsZIP(head):
		top, err = readZIP(r, size)
	case IsStream(head):
		top, err = readStream(r, size)
	default:
		return nil, errors.New("starts neither as a ZIP file nor as an old PyTorch stream: save the weights again with " +
			"torch.save(net.state_dict(), path)")
	}
	if err != nil {
		return nil, err
	}
	f := &File{}
	d, _ := top.(*pickle.Dict)
	for depth := 0; d != nil && depth < 3 && !hasTensor(d); depth++ {
		inner, key := nested(d)
		if inner == nil {
			break
		}
		top, f.Nest = inner, key
		d, _ = inner.(*pickle.Dict)
	}
	if o, ok := top.(*pickle.Object); ok {
		if d, f.Modules, err = flatten(o); err != nil {
			return nil, err
		}
	}
	if d == nil {
		return nil, fmt.Errorf("holds a %s, want a dictionary of tensors: save net.state_dict()", kind(top))
	}
	if d, f.Packed, err = unpack(d); err == nil {
		f.Tensors, err = list(r, size, d)
	}
	return f, err
}

// readZIP reads data.pkl and gives each storage the place of its file in the archive.
func readZIP(r io.ReaderAt, size int64) (any, error) {
	a, err := OpenArchive(r, size)
	if err != nil {
		return nil, err
	}
	if a.Has("constants.pkl") {
		return nil, errors.New("is a TorchScript program, want a state dict: save with torch.save(net.state_dict(), path)")
	}
	if !a.Has("data.pkl") {
		return nil, errors.New("the ZIP archive has no data.pkl: it was not written by torch.save")
	}
	return a.unpickle("data.pkl", "data")
}

// readStream reads the pickles of the stream form and then where each storage lies behind them.
func readStream(r io.ReaderAt, size int64) (any, error) {
	c := raw.NewCursor(r, 0, size)
	if err := streamHeader(c); err != nil {
		return nil, err
	}
	seen := map[string]*storage{}
	get := func(key string, d raw.DType, count int) (*storage, error) {
		st := seen[key]
		if st == nil {
			st = &storage{key: key, dtype: d, count: count, off: -1}
			seen[key] = st
		}
		if st.dtype != d || st.count != count {
			return nil, fmt.Errorf("storage %q is both %d of %v and %d of %v", key, st.count, st.dtype, count, d)
		}
		return st, nil
	}
	top, err := pickle.Read(c, pickle.Config{
		Find:       find,
		Persistent: func(id any) (any, error) { return persistent(id, get) },
	})
	if err != nil {
		return nil, err
	}
	return top, place(c, seen)
}

// streamHeader reads the pickles before the weights: the magic number, the version, the byte order.
func streamHeader(c *raw.Cursor) error {
	plain := pickle.Config{Find: find}
	m, err := pickle.Read(c, plain)
	if err != nil {
		return err
	}
	if b, ok := m.(*big.Int); !ok || b.Cmp(magic) != 0 {
		return errors.New("the magic number of the stream form is wrong")
	}
	if v, err := pickle.Read(c, plain); err != nil || v != any(int64(protocol)) {
		return fmt.Errorf("the version of the stream form is %v, want %d (%w)", v, protocol, orNone(err))
	}
	info, err := pickle.Read(c, plain)
	if err != nil {
		return err
	}
	if d, ok := info.(*pickle.Dict); ok {
		if le, ok := d.Get("little_endian"); ok && le != any(true) {
			return errors.New("its numbers are stored big-endian: save the weights on another machine")
		}
	}
	return nil
}

// place reads the list of storages and where each lies behind it.
func place(c *raw.Cursor, seen map[string]*storage) error {
	keys, err := pickle.Read(c, pickle.Config{Find: find})
	if err != nil {
		return err
	}
	l, ok := keys.(*pickle.List)
	if !ok {
		return fmt.Errorf("the list of storages is a %T", keys)
	}
	for _, k := range l.Items {
		key, _ := k.(string)
		st := seen[key]
		if st == nil || st.off >= 0 {
			return fmt.Errorf("the list of storages names %v, which no tensor uses or which is listed twice", k)
		}
		at := c.Pos()
		n, err := c.Uint64()
		if err != nil {
			return fmt.Errorf("storage %q: %w", key, err)
		}
		if n != uint64(st.count) {
			return fmt.Errorf("storage %q at offset %d has %d elements, want %d", key, at, n, st.count)
		}
		st.off = c.Pos()
		if err := c.Skip(int64(st.count) * int64(st.dtype.Size())); err != nil {
			return fmt.Errorf("storage %q is cut off: %w", key, err)
		}
	}
	if n := c.Remaining(); n > 0 {
		return fmt.Errorf("offset %d: %d bytes follow the last storage: fetch the file again", c.Pos(), n)
	}
	return nil
}

var errNone = errors.New("no other error")

func orNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

// nests are the keys under which training scripts keep the weights, best first: an averaged model
// beats the raw one, as timm's own loader has it.
var nests = []string{"state_dict_ema", "model_ema", "ema_state_dict", "model_ema_state_dict", "ema_model", "ema",
	"state_dict", "model_state_dict", "model", "net"}

// list turns a dictionary into tensors.
func list(r io.ReaderAt, size int64, d *pickle.Dict) ([]raw.Tensor, error) {
	var out []raw.Tensor
	seen := map[string]bool{}
	for _, e := range d.Entries {
		name, ok := e.Key.(string)
		if !ok {
			return nil, fmt.Errorf("a key of the dictionary is a %s, want a tensor's name", kind(e.Key))
		}
		v, ok := e.Value.(*view)
		if !ok || v.shape == nil {
			return nil, fmt.Errorf("entry %q is a %s, want a tensor: save net.state_dict()", name, kind(e.Value))
		}
		if v.st.off < 0 {
			return nil, fmt.Errorf("tensor %q uses storage %q, which the file does not have", name, v.st.key)
		}
		es := int64(v.st.dtype.Size())
		t := raw.Tensor{Name: name, Shape: v.shape, DType: v.st.dtype, Offset: v.st.off + int64(v.first)*es}
		if seen[name] {
			return nil, fmt.Errorf("tensor %q at offset %d is in the dictionary twice", name, t.Offset)
		}
		seen[name] = true
		load, err := v.load(r, size)
		if err == nil && v.levels != nil {
			t.DType = raw.F32
		}
		if err != nil {
			return nil, fmt.Errorf("tensor %q at offset %d: %w", name, t.Offset, err)
		}
		t.Load, t.Span = load, v.elements()*es
		out = append(out, t)
	}
	if len(out) == 0 {
		return nil, errors.New("its dictionary has no tensors: save net.state_dict()")
	}
	return out, raw.Disjoint(out)
}

// load is a tensor's Load.
func (v *view) load(r io.ReaderAt, size int64) (func(dst []float32) error, error) {
	if v.levels != nil {
		return v.real(r, size)
	}
	return raw.Strided(r, size, v.st.off, v.st.count, v.first, v.shape, v.stride, v.st.dtype)
}

// elements is how far a tensor reaches in its storage; its strides have been checked.
func (v *view) elements() int64 {
	n := int64(1)
	for i, d := range v.shape {
		if d == 0 {
			return 0
		}
		n += int64(d-1) * int64(v.stride[i])
	}
	return n
}

func hasTensor(d *pickle.Dict) bool {
	for _, e := range d.Entries {
		if _, ok := e.Value.(*view); ok {
			return true
		}
	}
	return false
}

// nested is the dictionary, or the whole network, under the best key.
func nested(d *pickle.Dict) (any, string) {
	for _, k := range nests {
		v, _ := d.Get(k)
		switch v.(type) {
		case *pickle.Dict, *pickle.Object:
			return v, k
		}
	}
	return nil, ""
}

// kind names a value for people.
func kind(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case *view:
		if x.shape == nil {
			return "storage"
		}
		return "tensor"
	case *pickle.Dict:
		return "dictionary"
	case *pickle.List, pickle.Tuple:
		return "list"
	case string:
		return "string"
	case int64, *big.Int, float64, bool:
		return "number"
	case *pickle.Object:
		return x.Module + "." + x.Name
	case pickle.Opaque:
		return x.Module + "." + x.Name
	}
	return fmt.Sprintf("%T", v)
}
