package convert

import (
	"errors"
	"fmt"
	"math"

	"github.com/c236555e/rehead/inception/convert/internal/graph"
)

// op is what an operator means to the matcher.
type op uint8

const (
	opOther op = iota
	opPass     // hands on its first input
	opConv
	opAffine // scales or shifts channels by constants
	opRelu
	opMaxPool
	opAvgPool
	opGlobalPool
	opConcat
	opFlatten // drops axes of length 1
	opDense
)

// dialect is how a kind of graph spells the operators.
type dialect interface {
	kind(n *graph.Node) op
	layout() layout
	conv(m *matcher, n *graph.Node) (convolution, error)
	pool(m *matcher, n *graph.Node) (pooling, error)
	concat(m *matcher, n *graph.Node) ([]string, error)
	affine(m *matcher, n *graph.Node, a *affine) (string, error)
	dense(m *matcher, n *graph.Node) (*classifier, error)
	leak() float64 // the slope that a LeakyRelu has unless it says another
}

// convolution is a convolution's geometry.
type convolution struct {
	input  string
	stride [2]int
	pad    [4]int // top, left, bottom, right
	same   bool   // padded so that the size stays
}

// pooling is a pool's geometry.
type pooling struct {
	input          string
	max, counted   bool
	kernel, stride [2]int
	pad            [4]int // top, left, bottom, right
}

// vector evaluates a constant expression for channels in float64: constants, and sums, products,
// quotients and reciprocal square roots of them.
func (m *matcher) vector(v string) ([]float64, error) {
	if x, ok := m.vectors[v]; ok {
		return x, nil
	}
	if m.depth++; m.depth > maxChain {
		return nil, fmt.Errorf("graph is more than %d operators deep", maxChain)
	}
	defer func() { m.depth-- }()
	if m.open[v] {
		return nil, fmt.Errorf("value %q depends on itself", v)
	}
	m.open[v] = true
	defer delete(m.open, v)
	x, err := m.evaluate(v)
	if err == nil {
		m.vectors[v] = x
	}
	return x, err
}

// maxVector bounds a vector of channels: 2048 times the largest width, and some.
const maxVector = 1 << 14

// numbers are the values of a constant that has one for each channel.
func numbers(k *graph.Const, v string) ([]float64, error) {
	n := 0
	for _, d := range k.Shape {
		if d != 1 {
			n++
		}
	}
	if n > 1 || k.Len() > maxVector || k.Len() == 0 {
		return nil, fmt.Errorf("constant %q at offset %d has shape %v, want a number for each channel", v, k.Offset, k.Shape)
	}
	if len(k.Ints) == k.Len() { // a divisor such as 255
		x := make([]float64, len(k.Ints))
		for i, v := range k.Ints {
			x[i] = float64(v)
		}
		return x, nil
	}
	f, err := finite(k.Tensor)
	if err != nil {
		return nil, err
	}
	x := make([]float64, len(f))
	for i := range f {
		x[i] = float64(f[i])
	}
	return x, nil
}

func (m *matcher) evaluate(v string) ([]float64, error) {
	if k := m.g.Consts[v]; k != nil {
		return numbers(k, v)
	}
	n := m.g.By[v]
	if n == nil || len(n.Inputs) == 0 {
		return nil, fmt.Errorf("value %q: %w", v, errVariable)
	}
	if k := m.d.kind(n); k == opPass || k == opFlatten || n.Op == "Expand" || n.Op == "CastLike" {
		return m.vector(n.Inputs[0])
	}
	operands := map[string]int{"Rsqrt": 1, "Sqrt": 1, "Neg": 1, "Add": 2, "AddV2": 2, "BiasAdd": 2, "Sub": 2, "Mul": 2,
		"Div": 2, "RealDiv": 2}[n.Op]
	if operands == 0 || len(n.Inputs) < operands {
		return nil, fmt.Errorf("value %q of operator %s: %w", v, n.Op, errVariable)
	}
	a, err := m.vector(n.Inputs[0])
	if err != nil {
		return nil, err
	}
	if operands == 1 {
		return each(a, a, func(x, _ float64) float64 {
			switch n.Op {
			case "Rsqrt":
				return 1 / math.Sqrt(x)
			case "Sqrt":
				return math.Sqrt(x)
			}
			return -x
		})
	}
	b, err := m.vector(n.Inputs[1])
	if err != nil {
		return nil, err
	}
	switch n.Op {
	case "Sub":
		return each(a, b, func(x, y float64) float64 { return x - y })
	case "Mul":
		return each(a, b, func(x, y float64) float64 { return x * y })
	case "Div", "RealDiv":
		return each(a, b, func(x, y float64) float64 { return x / y })
	}
	return each(a, b, func(x, y float64) float64 { return x + y })
}

// each combines two vectors; one element stands for all.
func each(a, b []float64, f func(x, y float64) float64) ([]float64, error) {
	n := max(len(a), len(b))
	if len(a) != n && len(a) != 1 || len(b) != n && len(b) != 1 {
		return nil, errChannels
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = f(a[i%len(a)], b[i%len(b)])
	}
	return out, nil
}

var (
	errVariable    = errors.New("is not a constant (a graph must be frozen first)")
	errNotConstant = errors.New("neither operand is a constant: want channels scaled or shifted by constants")
)

// operands tells the constant v from the value x that it scales or shifts; flipped says that the
// constant comes first.
func (m *matcher) operands(n *graph.Node) (x string, v []float64, flipped bool, err error) {
	if len(n.Inputs) < 2 {
		return "", nil, false, errNotConstant
	}
	second, err := m.vector(n.Inputs[1])
	if err == nil {
		return n.Inputs[0], second, false, nil
	}
	if !errors.Is(err, errVariable) {
		return "", nil, false, err
	}
	first, err := m.vector(n.Inputs[0])
	if errors.Is(err, errVariable) {
		err = errNotConstant
	}
	return n.Inputs[1], first, true, err
}

// arithmetic is what both dialects have: Add, Sub, Mul and Div of channels and a constant.
func arithmetic(m *matcher, n *graph.Node, a *affine) (string, error) {
	x, v, flipped, err := m.operands(n)
	if err != nil {
		return "", err
	}
	scale, shift := []float64(nil), []float64(nil)
	switch n.Op {
	case "Mul":
		scale = v
	case "Add", "AddV2", "BiasAdd":
		shift = v
	case "Sub":
		shift = v
		if !flipped {
			shift, err = each(v, v, func(x, _ float64) float64 { return -x })
		} else {
			scale = []float64{-1}
		}
	case "Div", "RealDiv":
		if flipped {
			return "", errNotConstant
		}
		scale, err = each(v, v, func(x, _ float64) float64 { return 1 / x })
	}
	if err != nil {
		return "", err
	}
	return x, a.before(scale, shift)
}

// batchNorm puts gamma (x-mean)/sqrt(variance+eps) + beta in front; an empty gamma is 1.
func batchNorm(m *matcher, a *affine, gamma, beta, mean, variance string, eps float64) error {
	g, err := []float64{1}, error(nil)
	if gamma != "" {
		if g, err = m.vector(gamma); err != nil {
			return err
		}
	}
	b := []float64{0}
	if beta != "" {
		if b, err = m.vector(beta); err != nil {
			return err
		}
	}
	mu, err := m.vector(mean)
	if err != nil {
		return err
	}
	va, err := m.vector(variance)
	if err != nil {
		return err
	}
	for i, v := range va {
		if !(v+eps > 0) {
			return fmt.Errorf("variance of channel %d is %g, want at least 0", i, v)
		}
	}
	scale, err := each(g, va, func(g, v float64) float64 { return g / math.Sqrt(v+eps) })
	if err != nil {
		return err
	}
	shift, err := each(mu, scale, func(mu, s float64) float64 { return -mu * s })
	if err != nil {
		return err
	}
	if shift, err = each(b, shift, func(b, s float64) float64 { return b + s }); err != nil {
		return err
	}
	return a.before(scale, shift)
}

// two takes the spatial entries of an attribute of two numbers.
func two(v []int64, missing int) ([2]int, error) {
	switch {
	case len(v) == 0:
		return [2]int{missing, missing}, nil
	case len(v) == 2 && v[0] >= 0 && v[1] >= 0 && v[0] < 1<<10 && v[1] < 1<<10:
		return [2]int{int(v[0]), int(v[1])}, nil
	}
	return [2]int{}, fmt.Errorf("an attribute is %v, want two small numbers", v)
}
