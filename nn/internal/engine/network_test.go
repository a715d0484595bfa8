package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/ref"
)

// maker builds networks with random weights.
type maker struct {
	net   *ir.Net
	rng   *rand.Rand
	width float64
}

func newMaker(seed uint64, c, h, w int) *maker {
	m := &maker{net: &ir.Net{}, rng: rand.New(rand.NewPCG(seed, 1)), width: 1}
	m.value("input", c, h, w)
	return m
}

func (m *maker) value(name string, shape ...int) int {
	m.net.Values = append(m.net.Values, ir.Value{Name: name, Shape: shape})
	return len(m.net.Values) - 1
}

func (m *maker) step(s ir.Step, shape ...int) int {
	s.Name = fmt.Sprintf("%v %d", s.Kind, len(m.net.Steps))
	s.Out = m.value(s.Name, shape...)
	m.net.Steps = append(m.net.Steps, s)
	return s.Out
}

func (m *maker) random(n int, scale float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32((m.rng.Float64()*2 - 1) * scale)
	}
	return v
}

func square(k, stride, pad int) ir.Window {
	return ir.Window{KH: k, KW: k, StrideH: stride, StrideW: stride, Top: pad, Bottom: pad, Left: pad, Right: pad}
}

// same is a stride-1 window that keeps the size.
func same(kh, kw int) ir.Window {
	return ir.Window{KH: kh, KW: kw, StrideH: 1, StrideW: 1, Top: kh / 2, Bottom: kh / 2, Left: kw / 2, Right: kw / 2}
}

// channels scales a width as TF-slim's depth multiplier does.
func (m *maker) channels(c int) int { return max(int(m.width*float64(c)), 16) }

// conv adds a convolution to out channels with bias and ReLU.
func (m *maker) conv(in, out int, w ir.Window) int {
	return m.exact(in, m.channels(out), w)
}

func (m *maker) exact(in, out int, w ir.Window) int {
	s := m.net.Values[in].Shape
	oh, ow := w.Out(s[1], s[2])
	fan := s[0] * w.KH * w.KW
	return m.step(ir.Step{
		Kind: ir.Conv, In: []int{in}, Window: w, ReLU: true,
		W: m.random(out*fan, math.Sqrt(6/float64(fan))), B: m.random(out, 0.1),
	}, out, oh, ow)
}

func (m *maker) pool(kind ir.Kind, in int, w ir.Window) int {
	s := m.net.Values[in].Shape
	oh, ow := w.Out(s[1], s[2])
	return m.step(ir.Step{Kind: kind, In: []int{in}, Window: w}, s[0], oh, ow)
}

func (m *maker) concat(in ...int) int {
	s := append([]int(nil), m.net.Values[in[0]].Shape...)
	for _, i := range in[1:] {
		s[0] += m.net.Values[i].Shape[0]
	}
	return m.step(ir.Step{Kind: ir.Concat, In: in}, s...)
}

// inceptionV3 returns InceptionV3 up to the bottleneck.
func inceptionV3(size int, width float64) *ir.Net {
	m := newMaker(3, 3, size, size)
	m.width = width
	one := same(1, 1)
	x := m.conv(m.net.Input, 32, square(3, 2, 0))
	x = m.conv(x, 32, square(3, 1, 0))
	x = m.conv(x, 64, same(3, 3))
	x = m.pool(ir.MaxPool, x, square(3, 2, 0))
	x = m.conv(m.conv(x, 80, one), 192, square(3, 1, 0))
	x = m.pool(ir.MaxPool, x, square(3, 2, 0))
	for _, p := range []int{32, 64, 64} {
		x = m.concat(
			m.conv(x, 64, one),
			m.conv(m.conv(x, 48, one), 64, same(5, 5)),
			m.conv(m.conv(m.conv(x, 64, one), 96, same(3, 3)), 96, same(3, 3)),
			m.conv(m.pool(ir.AvgPool, x, same(3, 3)), p, one))
	}
	x = m.concat(
		m.conv(x, 384, square(3, 2, 0)),
		m.conv(m.conv(m.conv(x, 64, one), 96, same(3, 3)), 96, square(3, 2, 0)),
		m.pool(ir.MaxPool, x, square(3, 2, 0)))
	row, col := same(1, 7), same(7, 1)
	for _, c := range []int{128, 160, 160, 192} {
		x = m.concat(
			m.conv(x, 192, one),
			m.conv(m.conv(m.conv(x, c, one), c, row), 192, col),
			m.conv(m.conv(m.conv(m.conv(m.conv(x, c, one), c, col), c, row), c, col), 192, row),
			m.conv(m.pool(ir.AvgPool, x, same(3, 3)), 192, one))
	}
	x = m.concat(
		m.conv(m.conv(x, 192, one), 320, square(3, 2, 0)),
		m.conv(m.conv(m.conv(m.conv(x, 192, one), 192, row), 192, col), 192, square(3, 2, 0)),
		m.pool(ir.MaxPool, x, square(3, 2, 0)))
	for _, kind := range []ir.Kind{ir.AvgPool, ir.MaxPool} {
		a := m.conv(x, 384, one)
		b := m.conv(m.conv(x, 448, one), 384, same(3, 3))
		x = m.concat(
			m.conv(x, 320, one),
			m.concat(m.conv(a, 384, same(1, 3)), m.conv(a, 384, same(3, 1))),
			m.concat(m.conv(b, 384, same(1, 3)), m.conv(b, 384, same(3, 1))),
			m.conv(m.pool(kind, x, same(3, 3)), 192, one))
	}
	s := m.net.Values[x].Shape
	m.net.Outputs = []int{m.step(ir.Step{Kind: ir.GlobalAvgPool, In: []int{x}}, s[0])}
	return m.net
}

// evaluate computes all values of net for one image with package ref.
func evaluate(tb testing.TB, net *ir.Net, in []float32) [][]float32 {
	tb.Helper()
	all := make([][]float32, len(net.Values))
	all[net.Input] = in
	for _, s := range net.Steps {
		x, shape := all[s.In[0]], net.Values[s.In[0]].Shape
		im := ref.Image{N: 1, C: shape[0], H: 1, W: 1}
		if len(shape) == 3 {
			im.H, im.W = shape[1], shape[2]
		}
		out := make([]float32, net.Values[s.Out].Size())
		switch s.Kind {
		case ir.Conv:
			ref.Conv2D(out, x, im, ref.Kernel[float32]{W: s.W, B: s.B, Out: net.Values[s.Out].Shape[0], Window: s.Window})
		case ir.Affine:
			ref.Affine(out, x, im, s.W, s.B)
		case ir.ReLU:
			ref.ReLU(out, x)
		case ir.MaxPool:
			ref.MaxPool(out, x, im, s.Window)
		case ir.AvgPool:
			ref.AvgPool(out, x, im, ref.Pool{Window: s.Window, CountBorder: s.CountBorder})
		case ir.GlobalAvgPool:
			ref.GlobalAvgPool(out, x, im)
		case ir.Moments:
			ref.Moments(out, x, im)
		case ir.Dense:
			ref.Dense(out, x, 1, ref.Layer[float32]{W: s.W, B: s.B, F: len(x)})
		case ir.Softmax:
			ref.Softmax(out, x, len(x))
		case ir.Concat:
			out = out[:0]
			for _, i := range s.In {
				out = append(out, all[i]...)
			}
		default:
			tb.Fatalf("no reference for %v", s.Kind)
		}
		if s.ReLU {
			ref.ReLU(out, out)
		}
		all[s.Out] = out
	}
	return all
}

// distance returns |a-b| / |b|, and NaN if either has one, 0 if they are equal.
func distance(a, b []float32) float64 {
	diff, norm := 0.0, 0.0
	for i := range b {
		d := float64(a[i]) - float64(b[i])
		diff += d * d
		norm += float64(b[i]) * float64(b[i])
	}
	if diff == 0 {
		return 0
	}
	return math.Sqrt(diff / norm)
}
