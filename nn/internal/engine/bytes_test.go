package engine

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/c236555e/rehead/nn/internal/device"
	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/kernel"
)

// rangesOf returns the range of every value of net over an image, from package ref.
func rangesOf(tb testing.TB, net *ir.Net, in []float32) map[string]ir.Range {
	ranges := map[string]ir.Range{}
	for i, v := range evaluate(tb, net, in) {
		if v != nil {
			ranges[net.Values[i].Name] = ir.Range{Low: slices.Min(v), High: slices.Max(v)}
		}
	}
	return ranges
}

// TestBytes compares a network of bytes with the float32 one, narrow, and the
// sets of kernels with each other.
func TestBytes(t *testing.T) {
	for _, width := range []float64{0.25, 0.4} {
		net := inceptionV3(75, width)
		for i, s := range net.Steps {
			if s.Kind == ir.Concat || i%7 == 0 {
				net.Outputs = append(net.Outputs, s.Out)
			}
		}
		in := uniform(1, net.Values[net.Input].Size())
		want := evaluate(t, net, in)
		ranges := rangesOf(t, net, in)
		var first [][]float32
		for _, set := range kernel.Sets() {
			e := compile(t, net, device.Config{Threads: 2, Kernel: set.String(), Ranges: ranges})
			out := make([][]float32, len(net.Outputs))
			for i, o := range net.Outputs {
				out[i] = make([]float32, net.Values[o].Size())
			}
			if err := e.Run(context.Background(), 1, in, out); err != nil {
				t.Fatal(err)
			}
			for i, o := range net.Outputs {
				// A step is 1/255 of the largest value; random weights add
				// up the errors of up to forty layers without cancelling.
				if d := distance(out[i], want[o]); !(d < 0.08) {
					t.Errorf("width %g, %v: %s differs by %.2g", width, set, net.Values[o].Name, d)
				}
			}
			if first == nil {
				first = out
			}
			for i := range out {
				if !slices.Equal(out[i], first[i]) {
					t.Errorf("width %g: %v and %v differ at %s", width, set, kernel.Sets()[0], net.Values[net.Outputs[i]].Name)
				}
			}
		}
	}
}

// TestBytesHalo asserts that a convolution with a border reads the input's zero
// there, and that what cannot be written in place is copied in its new step.
func TestBytesHalo(t *testing.T) {
	m := newMaker(5, 2, 9, 12)
	a := m.conv(m.net.Input, 20, same(3, 5))
	b := m.pool(ir.MaxPool, a, same(3, 3))
	c := m.concat(a, m.pool(ir.AvgPool, b, same(3, 3)))
	d := m.concat(c, a, m.pool(ir.MaxPool, m.conv(c, 33, same(3, 1)), same(3, 3)))
	m.net.Outputs = []int{a, b, c, d}
	in := uniform(3, m.net.Values[0].Size())
	for i := range in {
		in[i] += 0.3 // so that zero is not in the middle
	}
	want := evaluate(t, m.net, in)
	ranges := rangesOf(t, m.net, in)
	for _, set := range kernel.Sets() {
		e := compile(t, m.net, device.Config{Threads: 3, Kernel: set.String(), Ranges: ranges})
		var out [][]float32
		for _, o := range m.net.Outputs {
			out = append(out, make([]float32, m.net.Values[o].Size()))
		}
		for range 2 { // the second time over what the first left behind
			if err := e.Run(context.Background(), 1, in, out); err != nil {
				t.Fatal(err)
			}
			for i, o := range m.net.Outputs {
				if d := distance(out[i], want[o]); !(d < 0.02) {
					t.Errorf("%v: %s differs by %.2g", set, m.net.Values[o].Name, d)
				}
			}
		}
	}
}

// TestBytesSteadyState asserts that a run allocates nothing and that results
// depend on neither the batch nor the threads.
func TestBytesSteadyState(t *testing.T) {
	net := inceptionV3(91, 0.25)
	const n = 5
	size := net.Values[net.Input].Size()
	in := uniform(2, n*size)
	ranges := rangesOf(t, net, in[:size])
	sameWhatever(t, net, device.Config{Ranges: ranges}, n, in)
}

// TestBytesRefused asserts that what bytes cannot do is refused by name.
func TestBytesRefused(t *testing.T) {
	good := func() (*maker, int) {
		m := newMaker(1, 3, 7, 8)
		return m, m.conv(m.net.Input, 16, same(3, 3))
	}
	for want, build := range map[string]func() (*maker, int){
		"up to 4 channels": func() (*maker, int) {
			m := newMaker(1, 5, 7, 8)
			return m, m.conv(m.net.Input, 16, same(3, 3))
		},
		"maxpool of the input": func() (*maker, int) {
			m := newMaker(1, 3, 7, 8)
			return m, m.conv(m.pool(ir.MaxPool, m.net.Input, same(3, 3)), 16, same(3, 3))
		},
		"without a ReLU": func() (*maker, int) {
			m, x := good()
			m.net.Steps[0].ReLU = false
			return m, x
		},
		"got a relu": func() (*maker, int) {
			m, x := good()
			return m, m.step(ir.Step{Kind: ir.ReLU, In: []int{x}}, 16, 7, 8)
		},
		"after the global average": func() (*maker, int) {
			m, x := good()
			x = m.step(ir.Step{Kind: ir.GlobalAvgPool, In: []int{x}}, 16)
			return m, m.step(ir.Step{Kind: ir.Softmax, In: []int{x}}, 16)
		},
	} {
		m, x := build()
		m.net.Outputs = []int{x}
		if _, err := Compile(m.net, device.Config{Ranges: map[string]ir.Range{}}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	m, x := good()
	m.net.Outputs = []int{x}
	ranges := rangesOf(t, m.net, uniform(1, 3*7*8))
	delete(ranges, m.net.Values[x].Name)
	if _, err := Compile(m.net, device.Config{Ranges: ranges}); err == nil || !strings.Contains(err.Error(), "calibrate") {
		t.Errorf("a missing range: got %v", err)
	}
	ranges[m.net.Values[x].Name] = ir.Range{High: float32(math.Inf(1))}
	if _, err := Compile(m.net, device.Config{Ranges: ranges}); err == nil || !strings.Contains(err.Error(), "finite") {
		t.Errorf("an infinite range: got %v", err)
	}
}

// TestQuantizeRow asserts the bound on pairs and the size of the error.
func TestQuantizeRow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 8))
	for _, n := range []int{1, 2, 3, 16, 33} {
		for range 200 {
			const area = 3
			w, q := make([]float32, n*area), make([]int8, n*area)
			for i := range w {
				w[i] = float32(r.NormFloat64())
			}
			step := QuantizeFilter(q, w, area)
			for i, v := range w {
				if d := math.Abs(float64(q[i])*step - float64(v)); !(d <= 1.51*step) {
					t.Fatalf("weight %v is %d of %v: off by %v", v, q[i], step, d)
				}
				if i/area%2 == 0 && i+area < len(w) {
					if sum := int(q[i]) + int(q[i+area]); sum > kernel.PairLimit || sum < -kernel.PairLimit {
						t.Fatalf("a pair of %d and %d", q[i], q[i+area])
					}
				}
			}
		}
	}
	if step := QuantizeFilter(make([]int8, 4), make([]float32, 4), 1); step != 1 {
		t.Errorf("zeros: step %v, want 1", step)
	}
}

// BenchmarkBytes times the full network of bytes.
func BenchmarkBytes(b *testing.B) {
	net := inceptionV3(299, 1)
	ranges := map[string]ir.Range{}
	for _, v := range net.Values {
		ranges[v.Name] = ir.Range{Low: -1, High: 1}
	}
	for _, set := range kernel.Sets() {
		for _, threads := range []int{1, 2} {
			if threads > runtime.NumCPU() || set == kernel.Ref {
				continue
			}
			e := compile(b, net, device.Config{Threads: threads, Kernel: set.String(), Ranges: ranges})
			in := uniform(1, net.Values[net.Input].Size())
			out := [][]float32{make([]float32, 2048)}
			b.Run(set.String()+"/threads="+strconv.Itoa(threads), func(b *testing.B) {
				for b.Loop() {
					if err := e.Run(context.Background(), 1, in, out); err != nil {
						b.Fatal(err)
					}
				}
			})
			if steps, err := e.Profile(context.Background(), 5, in); err == nil && testing.Verbose() {
				for _, s := range steps {
					b.Logf("%-14s %-24s %-34s %8.1f us %7.1f Gop/s", s.Name, s.Algorithm, s.Shape, s.Time.Seconds()*1e6,
						s.GFLOP/s.Time.Seconds())
				}
			}
		}
	}
}
