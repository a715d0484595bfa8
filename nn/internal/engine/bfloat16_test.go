package engine

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/nn/internal/device"
	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/kernel"
)

// runNet returns the outputs of net for one image, run twice: the second time over what the first
// left behind.
func runNet(t *testing.T, net *ir.Net, cfg device.Config, in []float32) [][]float32 {
	t.Helper()
	e := compile(t, net, cfg)
	var out [][]float32
	for _, o := range net.Outputs {
		out = append(out, make([]float32, net.Values[o].Size()))
	}
	for range 2 {
		if err := e.Run(context.Background(), 1, in, out); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// sameBFloat16 runs net in bfloat16 with every set, and wants them near want, and those with assembly
// to agree to the bit, but for one whose sums are rounded otherwise.
func sameBFloat16(t *testing.T, net *ir.Net, in []float32, most float64) {
	t.Helper()
	want := evaluate(t, net, in)
	var first [][]float32
	for _, set := range kernel.Sets() {
		out := runNet(t, net, device.Config{Threads: 2, Kernel: set.String(), BFloat16: true}, in)
		same := set != kernel.Ref && !set.OwnSums()
		if first == nil && same {
			first = out
		}
		for i, o := range net.Outputs {
			if d := distance(out[i], want[o]); !(d < most) {
				t.Errorf("%v: %s differs by %.2g, want below %.2g", set, net.Values[o].Name, d, most)
			}
			if same && !slices.Equal(out[i], first[i]) {
				t.Errorf("%v and others differ at %s by %.2g", set, net.Values[o].Name, distance(out[i], first[i]))
			}
		}
	}
}

// TestBFloat16 compares a network of bfloat16 with the float32 one, narrow, and the sets of kernels
// with each other.
func TestBFloat16(t *testing.T) {
	for _, width := range []float64{0.25, 0.4} {
		net := inceptionV3(75, width)
		for i, s := range net.Steps {
			if s.Kind == ir.Concat || i%7 == 0 {
				net.Outputs = append(net.Outputs, s.Out)
			}
		}
		// Random weights of both signs add up the errors of up to forty layers and cancel what they
		// are errors of.
		sameBFloat16(t, net, uniform(1, net.Values[net.Input].Size()), 0.04)
	}
}

// TestBFloat16Odd: odd channels, borders of the input, parts that are copied, what follows the average.
func TestBFloat16Odd(t *testing.T) {
	m := newMaker(5, 3, 13, 12)
	a := m.exact(m.net.Input, 21, same(3, 5))
	b := m.pool(ir.MaxPool, a, same(3, 3))
	c := m.concat(a, m.exact(m.pool(ir.AvgPool, b, same(3, 3)), 9, same(1, 1)))
	x := m.exact(c, 33, same(3, 3))
	m.net.Steps[len(m.net.Steps)-1].ReLU = false
	e := m.exact(m.concat(c, a, m.pool(ir.AvgPool, m.exact(x, 17, same(7, 1)), same(3, 3))), 35, same(5, 5))
	s := m.net.Values[e].Shape
	mean := m.step(ir.Step{Kind: ir.GlobalAvgPool, In: []int{e}}, s[0])
	dense := m.step(ir.Step{Kind: ir.Dense, In: []int{mean}, W: m.random(7*s[0], 0.3), B: m.random(7, 0.1)}, 7)
	soft := m.step(ir.Step{Kind: ir.Softmax, In: []int{dense}}, 7)
	moments := m.step(ir.Step{Kind: ir.Moments, In: []int{e}}, ir.MomentRuns*s[0])
	m.net.Outputs = []int{a, b, c, x, e, mean, dense, soft, moments}
	sameBFloat16(t, m.net, uniform(3, m.net.Values[0].Size()), 0.02)
}

// TestBFloat16SteadyState asserts that a run allocates nothing and that results depend on neither the
// batch nor the threads.
func TestBFloat16SteadyState(t *testing.T) {
	net := inceptionV3(91, 0.25)
	const n = 5
	in := uniform(2, n*net.Values[net.Input].Size())
	sameWhatever(t, net, device.Config{BFloat16: true}, n, in)
}

func TestBFloat16Refused(t *testing.T) {
	m := newMaker(1, 3, 7, 8)
	x := m.conv(m.net.Input, 16, same(3, 3))
	m.net.Outputs = []int{m.step(ir.Step{Kind: ir.ReLU, In: []int{x}}, 16, 7, 8)}
	if _, err := Compile(m.net, device.Config{BFloat16: true}); err == nil || !strings.Contains(err.Error(), "relu") {
		t.Errorf("a ReLU alone: got %v, want an error that names it", err)
	}
}

// TestBFloat16Wild: random convolutions, pools and concatenations.
func TestBFloat16Wild(t *testing.T) {
	for seed := range uint64(30) {
		m := newMaker(seed, 1+int(seed%4), 9, 11)
		r := rand.New(rand.NewPCG(seed, 9))
		live := []int{m.exact(m.net.Input, 1+r.IntN(40), same(1+2*r.IntN(2), 3))}
		for range 8 {
			x := live[r.IntN(len(live))]
			switch r.IntN(5) {
			case 0:
				live = append(live, m.concat(x, live[r.IntN(len(live))]))
			case 1:
				live = append(live, m.pool([]ir.Kind{ir.MaxPool, ir.AvgPool}[r.IntN(2)], x, same(3, 3)))
			default:
				w := []ir.Window{same(1, 1), same(3, 3), same(1, 7), same(7, 1), same(5, 5), same(1, 3), same(3, 1)}[r.IntN(7)]
				live = append(live, m.exact(x, 1+r.IntN(50), w))
				m.net.Steps[len(m.net.Steps)-1].ReLU = r.IntN(3) > 0
			}
		}
		m.net.Outputs = live
		sameBFloat16(t, m.net, uniform(seed, m.net.Values[0].Size()), 0.03)
	}
}

// TestBFloat16Whole: what the first convolution gives stays float32 where only Winograd's tiles read it,
// which is nearer to the float32 network, and has the same bits in all assembly.
func TestBFloat16Whole(t *testing.T) {
	for _, c := range []struct {
		next ir.Window
		want bool
	}{{same(3, 3), true}, {same(1, 1), false}, {same(1, 7), false}, {square(3, 2, 1), false}} {
		m := newMaker(3, 3, 61, 63)
		first := m.exact(m.net.Input, 24, square(3, 2, 0))
		x := m.exact(m.exact(first, 40, c.next), 18, same(1, 1))
		m.net.Outputs = []int{x}
		if got := wholeValues(m.net, m.net.Steps, m.net.Values, false)[first]; got != c.want {
			t.Errorf("read by %+v: got whole %v, want %v", c.next, got, c.want)
		}
		if wholeValues(m.net, m.net.Steps, m.net.Values, true)[first] {
			t.Errorf("read by %+v, without Winograd: got whole, want it rounded", c.next)
		}
		sameBFloat16(t, m.net, uniform(5, m.net.Values[0].Size()), 0.02)
		m.net.Outputs = []int{first, x}
		if wholeValues(m.net, m.net.Steps, m.net.Values, false)[first] {
			t.Errorf("read by %+v and handed out: got whole, want it rounded", c.next)
		}
	}
}

// TestBFloat16Everywhere: assembly of every processor, AVX512_BF16, AVX-512, AVX2 and NEON, gives the bits
// that this number was taken of; but for matrix products of bfloat16, which are to be near, and tiles, which
// round the weights that others give to Winograd, and so are to be as near as two roundings of weights.
func TestBFloat16Everywhere(t *testing.T) {
	const want = 0xb7c35f8bf347a4c
	m := newMaker(11, 3, 33, 39)
	x := m.exact(m.exact(m.net.Input, 24, square(3, 2, 0)), 20, same(3, 3))
	a := m.concat(m.exact(x, 35, same(1, 7)), m.exact(x, 17, same(7, 1)), m.exact(m.exact(x, 48, same(1, 1)), 32, same(5, 5)),
		m.exact(m.pool(ir.AvgPool, x, same(3, 3)), 16, same(1, 1)))
	b := m.concat(m.exact(a, 40, square(3, 2, 0)), m.pool(ir.MaxPool, a, square(3, 2, 0)))
	c := m.exact(m.concat(m.exact(b, 33, same(1, 3)), m.exact(b, 31, same(3, 1))), 47, same(3, 3))
	mean := m.step(ir.Step{Kind: ir.GlobalAvgPool, In: []int{c}}, 47)
	m.net.Outputs = []int{x, a, b, c, mean}
	in := uniform(8, m.net.Values[0].Size())
	var bits [][]float32
	type answer struct {
		set kernel.Set
		out [][]float32
	}
	var own []answer
	for _, set := range kernel.Sets() {
		out := runNet(t, m.net, device.Config{Threads: 2, Kernel: set.String(), BFloat16: true}, in)
		switch {
		case set == kernel.Ref:
			continue
		case set.OwnSums():
			own = append(own, answer{set, out})
			continue
		}
		bits = out
		h := fnv.New64a()
		for _, o := range out {
			if err := binary.Write(h, binary.LittleEndian, o); err != nil {
				t.Fatal(err)
			}
		}
		if got := h.Sum64(); got != want {
			t.Errorf("%v: the results' bits are %#x, want %#x", set, got, uint64(want))
		}
	}
	for _, a := range own {
		bound := 2e-3
		if a.set.PairTiles() {
			bound = 1e-2
		}
		for i, o := range m.net.Outputs {
			d := distance(a.out[i], bits[i])
			t.Logf("%v: %s differs by %.2g", a.set, m.net.Values[o].Name, d)
			if !(d < bound) {
				t.Errorf("%v: %s differs by %.2g, want below %g", a.set, m.net.Values[o].Name, d, bound)
			}
		}
	}
}
