package convert

import (
	"fmt"
	"math"

	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/internal/safetensors"
)

// fold reads a unit and returns weight [O,I,H,W] and bias [O] with batch norm folded in.
func (u *unit) fold(shape [4]int) (w, b []float32, err error) {
	if w, err = finite(u.weight); err != nil {
		return nil, nil, err
	}
	o := shape[0]
	if u.layout == hwio {
		w = fromHWIO(w, shape)
	}
	scale, shift := make([]float64, o), make([]float64, o)
	for i := range scale {
		scale[i] = 1
	}
	if u.bias != nil {
		bias, err := vector(u.bias, o)
		if err != nil {
			return nil, nil, err
		}
		for i, v := range bias {
			shift[i] = float64(v)
		}
	}
	if u.norm != nil {
		if err := u.norm.apply(scale, shift); err != nil {
			return nil, nil, err
		}
	}
	if u.after != nil {
		if err := u.after.put(scale, shift); err != nil {
			return nil, nil, tensorError(u.weight, "%v", err)
		}
	}
	b = make([]float32, o)
	n := len(w) / o
	for i := range b {
		b[i] = float32(shift[i])
		s := scale[i]
		if s == 1 {
			continue
		}
		row := w[i*n : (i+1)*n]
		for j, v := range row {
			row[j] = float32(float64(v) * s)
		}
	}
	if at := safetensors.NotFinite(w); at >= 0 {
		return nil, nil, tensorError(u.weight,
			"is no longer finite once batch norm is folded in (element %d of the result)", at)
	}
	if at := safetensors.NotFinite(b); at >= 0 {
		return nil, nil, tensorError(u.weight, "has a bias that is not finite once batch norm is folded in (channel %d)", at)
	}
	return w, b, nil
}

// put copies a graph's scale and shift, of which one element stands for all.
func (a *affine) put(scale, shift []float64) error {
	for i, v := range [][]float64{a.scale, a.shift} {
		dst := [][]float64{scale, shift}[i]
		if len(v) > 1 && len(v) != len(dst) {
			return fmt.Errorf("has %d channels, but %d are scaled and shifted behind it", len(dst), len(v))
		}
		for j := range dst {
			if len(v) > 0 {
				dst[j] = v[j%len(v)]
			}
		}
	}
	return nil
}

// apply puts the batch norm behind y = scale x + shift.
func (n *norm) apply(scale, shift []float64) error {
	o := len(scale)
	one := make([]float32, o)
	gamma, beta := one, make([]float32, o)
	for i := range one {
		one[i] = 1
	}
	mean, err := vector(n.mean, o)
	if err != nil {
		return err
	}
	variance, err := vector(n.variance, o)
	if err != nil {
		return err
	}
	if n.gamma != nil {
		if gamma, err = vector(n.gamma, o); err != nil {
			return err
		}
	}
	if n.beta != nil {
		if beta, err = vector(n.beta, o); err != nil {
			return err
		}
	}
	for i := range scale {
		v := float64(variance[i]) + n.eps
		if v <= 0 {
			return tensorError(*n.variance, "channel %d has variance %g, want at least 0", i, variance[i])
		}
		s := float64(gamma[i]) / math.Sqrt(v)
		scale[i] *= s
		shift[i] = (shift[i]-float64(mean[i]))*s + float64(beta[i])
	}
	return nil
}

// add puts the classifier into tensors.
func (c *classifier) add(tensors map[string]inception.Tensor) error {
	f := bottleneck(tensors)
	w, b, err := c.read(f)
	if err != nil {
		return err
	}
	tensors["fc.weight"] = inception.Tensor{Shape: []int{len(b), f}, Data: w}
	tensors["fc.bias"] = inception.Tensor{Shape: []int{len(b)}, Data: b}
	return nil
}

// bottleneck is the number of channels of Mixed_7c.
func bottleneck(tensors map[string]inception.Tensor) int {
	n := 0
	for _, p := range []string{"branch1x1", "branch3x3_2a", "branch3x3_2b", "branch3x3dbl_3a", "branch3x3dbl_3b",
		"branch_pool"} {
		n += len(tensors["Mixed_7c."+p+".bias"].Data)
	}
	return n
}

// vector reads a tensor of n elements, whatever axes of length 1 it has.
func vector(t *raw.Tensor, n int) ([]float32, error) {
	if t.Len() != n {
		return nil, tensorError(*t, "has shape %v, want [%d]", t.Shape, n)
	}
	return finite(*t)
}

// finite reads a tensor and refuses NaN and infinities.
func finite(t raw.Tensor) ([]float32, error) {
	if _, err := raw.Elements(t.Shape); err != nil {
		return nil, tensorError(t, "%v", err)
	}
	v, err := t.Float32s()
	if err != nil {
		return nil, &inception.FormatError{Tensor: t.Name, Offset: t.Offset, Reason: "cannot be read", Err: err}
	}
	if i := safetensors.NotFinite(v); i >= 0 {
		return nil, tensorError(t, "element %d is %v, want finite numbers only", i, v[i])
	}
	return v, nil
}

// fromHWIO reorders a weight's axes from [H,W,I,O] to [O,I,H,W].
func fromHWIO(src []float32, s [4]int) []float32 {
	o, in, hw := s[0], s[1], s[2]*s[3]
	dst := make([]float32, len(src))
	for p := range hw {
		for i := range in {
			row := src[(p*in+i)*o : (p*in+i+1)*o]
			at := i*hw + p
			for k, v := range row {
				dst[k*in*hw+at] = v
			}
		}
	}
	return dst
}
