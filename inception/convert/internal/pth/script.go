package pth

import (
	"errors"
	"fmt"
	"io"

	"github.com/c236555e/rehead/inception/convert/internal/pickle"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// Script is a TorchScript program: an object whose class has methods in the code, as text.
type Script struct {
	Root      *pickle.Object // modules, numbers and tensors; a tensor's value is a *raw.Tensor
	Constants []any          // what the code calls CONSTANTS.cN
	Size      int            // side of the picture that it was traced with, 0 when it was not
	a         *Archive
}

// maxCode bounds a file of code.
const maxCode = 8 << 20

// ReadScript reads a TorchScript program without its code.
func ReadScript(a *Archive) (*Script, error) {
	s := &Script{a: a}
	v, err := a.unpickle("data.pkl", "data")
	if err != nil {
		return nil, err
	}
	if s.Root, _ = v.(*pickle.Object); s.Root == nil {
		return nil, fmt.Errorf("holds a %s, want a TorchScript module", kind(v))
	}
	if err := s.tensors(s.Root, 0, new(int)); err != nil {
		return nil, err
	}
	if v, err = a.unpickle("constants.pkl", "constants"); err != nil {
		return nil, err
	}
	list, ok := v.(pickle.Tuple)
	if !ok {
		return nil, fmt.Errorf("its constants are a %s, want a tuple", kind(v))
	}
	for _, c := range list {
		if v, ok := c.(*view); ok {
			t, err := s.tensor(v, "constant")
			if err != nil {
				return nil, err
			}
			c = t
		}
		s.Constants = append(s.Constants, c)
	}
	s.traced()
	return s, nil
}

// Code is the text of a module of the program, such as "__torch__.torchvision.models.inception".
func (s *Script) Code(file string) ([]byte, error) { return s.a.Text(file, maxCode) }

// File is what the tensors' values lie in.
func (s *Script) File() io.ReaderAt { return s.a.r }

// tensors replaces the views in a module by tensors.
func (s *Script) tensors(o *pickle.Object, depth int, met *int) error {
	if *met++; depth > maxNesting || *met > maxModules {
		return errors.New("its modules are nested too deep, or too many")
	}
	d, ok := o.State.(*pickle.Dict)
	if !ok {
		return fmt.Errorf("module of class %s.%s has no attributes", o.Module, o.Name)
	}
	for i, e := range d.Entries {
		switch v := e.Value.(type) {
		case *view:
			t, err := s.tensor(v, fmt.Sprint(e.Key))
			if err != nil {
				return err
			}
			d.Entries[i].Value = t
		case *pickle.Object:
			if err := s.tensors(v, depth+1, met); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Script) tensor(v *view, name string) (*raw.Tensor, error) {
	if v.shape == nil {
		return nil, fmt.Errorf("%s is a storage, want a tensor", name)
	}
	es := int64(v.st.dtype.Size())
	load, err := raw.Strided(s.a.r, s.a.size, v.st.off, v.st.count, v.first, v.shape, v.stride, v.st.dtype)
	if err != nil {
		return nil, fmt.Errorf("tensor %q at offset %d: %w", name, v.st.off, err)
	}
	return &raw.Tensor{Name: name, Shape: v.shape, DType: v.st.dtype, Offset: v.st.off + int64(v.first)*es, Load: load,
		Span: v.elements() * es}, nil
}

// traced takes the side of the picture from the inputs that a traced program keeps.
func (s *Script) traced() {
	if !s.a.Has("traced_inputs.pkl") {
		return
	}
	v, err := s.a.unpickle("traced_inputs.pkl", "") // whose values PyTorch leaves out
	d, ok := v.(*pickle.Dict)
	if err != nil || !ok {
		return // only an example
	}
	inputs, _ := d.Get("forward")
	if l, ok := inputs.(*pickle.List); ok && len(l.Items) == 1 {
		if x, ok := l.Items[0].(*view); ok && len(x.shape) == 4 && x.shape[2] == x.shape[3] {
			s.Size = x.shape[2]
		}
	}
}
