package pth

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/c236555e/rehead/inception/convert/internal/pickle"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
)

// levels say what the integers of a quantised tensor stand for: (x-zero)*scale, with one of each for the
// tensor, or one for each place along an axis, which lie in tensors of their own.
type levels struct {
	scale         float64
	zero          int64
	scales, zeros *view
	axis          int
}

// rebuildQuantised is torch._utils._rebuild_qtensor(storage, offset, size, stride, (scheme, ...), ...).
func rebuildQuantised(args pickle.Tuple) (any, error) {
	v, err := rebuildTensor(args)
	if err != nil {
		return nil, err
	}
	if len(args) < 5 {
		return nil, errors.New("has no scale")
	}
	q, _ := args[4].(pickle.Tuple)
	l, name := &levels{}, ""
	if scheme, is := item(q, 0).(*pickle.Global); is {
		name = scheme.Name
	}
	var ok, ok2, ok3 bool
	switch name {
	case "per_tensor_affine":
		l.scale, ok = item(q, 1).(float64)
		l.zero, ok2 = item(q, 2).(int64)
		ok3 = true
	case "per_channel_affine":
		var axis int64
		l.scales, ok = item(q, 1).(*view)
		l.zeros, ok2 = item(q, 2).(*view)
		axis, ok3 = item(q, 3).(int64)
		l.axis = int(min(max(axis, -1), 8))
	}
	if !ok || !ok2 || !ok3 {
		return nil, fmt.Errorf("has a scheme of quantisation that is not read (%s)", name)
	}
	v.(*view).levels = l
	return v, nil
}

// item is an element of a tuple, nil where it has none.
func item(t pickle.Tuple, i int) any {
	if i >= len(t) {
		return nil
	}
	return t[i]
}

const (
	packed     = "._packed_params"
	packedPair = packed + packed

	sayQuantised = "holds quantised weights: save net.state_dict() of the network as it was before it was quantised"
)

// unpack gives the dense layers that PyTorch's dynamic quantisation packed, (weight, bias) under one name with
// the layer's scale, zero point and type beside, the names that they had.
func unpack(d *pickle.Dict) (*pickle.Dict, []string, error) {
	var layers []string
	of := map[string]bool{}
	for _, e := range d.Entries {
		if name, ok := e.Key.(string); ok && strings.HasSuffix(name, packedPair) {
			layers = append(layers, strings.TrimSuffix(name, packedPair))
			of[strings.TrimSuffix(name, packedPair)] = true
		}
	}
	if len(layers) == 0 {
		return d, nil, nil
	}
	out := &pickle.Dict{}
	for _, e := range d.Entries {
		name, _ := e.Key.(string)
		if layer, ok := strings.CutSuffix(name, packedPair); ok {
			pair, _ := e.Value.(pickle.Tuple)
			w, ok := item(pair, 0).(*view)
			if !ok || len(pair) != 2 {
				return nil, nil, fmt.Errorf("entry %q is a %s, want weights and a bias", name, kind(e.Value))
			}
			out.Entries = append(out.Entries, pickle.Entry{Key: layer + ".weight", Value: w})
			if b, ok := pair[1].(*view); ok {
				out.Entries = append(out.Entries, pickle.Entry{Key: layer + ".bias", Value: b})
			}
			continue
		}
		beside := false
		for _, end := range []string{packed + ".dtype", ".scale", ".zero_point"} {
			layer, ok := strings.CutSuffix(name, end)
			beside = beside || ok && of[layer]
		}
		if !beside {
			out.Entries = append(out.Entries, e)
		}
	}
	return out, layers, nil
}

// real is the Load of a quantised tensor of bytes, one behind the other.
func (v *view) real(r io.ReaderAt, size int64) (func(dst []float32) error, error) {
	if v.st.dtype != raw.I8 || v.levels.scales != nil && v.levels.axis != 0 {
		return nil, errors.New(sayQuantised)
	}
	n, err := raw.Elements(v.shape)
	if err != nil {
		return nil, err
	}
	if v.elements() != int64(n) || len(v.stride) != len(v.shape) || len(v.stride) == 0 || v.stride[len(v.stride)-1] != 1 ||
		int64(v.first)+int64(n) > int64(v.st.count) || v.st.off+int64(v.st.count) > size {
		return nil, fmt.Errorf("its shape %v with strides %v does not fit storage %q of %d elements", v.shape, v.stride,
			v.st.key, v.st.count)
	}
	levels, err := v.levels.perRow(r, size, v.shape[0])
	if err != nil {
		return nil, err
	}
	return func(dst []float32) error {
		b := make([]byte, n)
		if err := raw.ReadFull(r, b, v.st.off+int64(v.first)); err != nil {
			return err
		}
		for i, x := range b {
			l := levels[i/(n/v.shape[0])%len(levels)]
			dst[i] = float32((float64(int8(x)) - l[1]) * l[0])
		}
		return nil
	}, nil
}

// perRow are the scale and the zero point of each row, or of all.
func (l *levels) perRow(r io.ReaderAt, size int64, rows int) ([][2]float64, error) {
	if l.scales == nil {
		return [][2]float64{{l.scale, float64(l.zero)}}, nil
	}
	if int64(rows) > size/8 { // what their scales take
		return nil, fmt.Errorf("has %d rows, each with a scale of its own, in a file of %d bytes", rows, size)
	}
	out := make([][2]float64, rows)
	for k, v := range []*view{l.scales, l.zeros} {
		if len(v.shape) != 1 || v.shape[0] != rows || v.st.off < 0 || len(v.stride) != 1 || v.stride[0] != 1 {
			return nil, fmt.Errorf("has scales or zero points of shape %v, want [%d]", v.shape, rows)
		}
		c := raw.NewCursor(r, v.st.off+int64(v.first)*int64(v.st.dtype.Size()), size)
		for i := range out {
			x, err := c.Uint64()
			switch {
			case err != nil:
				return nil, err
			case v.st.dtype == raw.I64:
				out[i][k] = float64(int64(x))
			case v.st.dtype == raw.F64:
				out[i][k] = math.Float64frombits(x)
			default:
				return nil, fmt.Errorf("has scales or zero points of %v", v.st.dtype)
			}
		}
	}
	return out, nil
}
