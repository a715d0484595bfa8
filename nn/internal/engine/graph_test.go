package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/c236555e/rehead/nn/internal/device"
	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/kernel"
)

// wild returns a network of random steps on odd sizes, in which values are
// used several times, concatenations contain each other, themselves twice and
// the input, and anything may be an output.
func wild(seed uint64) *ir.Net {
	m := newMaker(seed, 3, 9, 11)
	r := m.rng
	live := []int{m.net.Input}
	for range 4 + r.IntN(10) {
		in := live[r.IntN(len(live))]
		if r.IntN(2) == 0 {
			in = live[len(live)-1]
		}
		s := m.net.Values[in].Shape
		win := ir.Window{
			KH: 1 + r.IntN(min(3, s[1])), KW: 1 + r.IntN(min(3, s[2])), StrideH: 1, StrideW: 1,
		}
		if s[1] > 5 && s[2] > 5 && r.IntN(3) == 0 {
			win.StrideH, win.StrideW = 1+r.IntN(2), 1+r.IntN(2)
		}
		if r.IntN(2) == 0 { // at most a kernel less one, so that no window is empty
			win.Top, win.Bottom = r.IntN(win.KH), r.IntN(win.KH)
			win.Left, win.Right = r.IntN(win.KW), r.IntN(win.KW)
		}
		var out int
		switch r.IntN(9) {
		case 0, 1, 2:
			out = m.exact(in, 1+r.IntN(40), win)
			m.net.Steps[len(m.net.Steps)-1].ReLU = r.IntN(2) == 0
		case 3:
			out = m.exact(in, 17+r.IntN(20), same(3, 3))
		case 4:
			out = m.pool(ir.MaxPool, in, win)
		case 5: // with something behind it that it can change places with
			p := m.pool(ir.AvgPool, in, win)
			m.net.Steps[len(m.net.Steps)-1].CountBorder = r.IntN(2) == 0
			out = m.exact(p, 1+r.IntN(9), same(1, 1))
		case 6:
			out = m.step(ir.Step{Kind: ir.ReLU, In: []int{in}}, s...)
		case 7:
			out = m.step(ir.Step{Kind: ir.Affine, In: []int{in}, W: m.random(s[0], 1), B: m.random(s[0], 1), ReLU: true}, s...)
		default:
			parts := []int{in}
			for _, v := range live {
				if slices.Equal(m.net.Values[v].Shape[1:], s[1:]) && r.IntN(2) == 0 {
					parts = append(parts, v)
				}
			}
			out = m.concat(parts...)
		}
		live = append(live, out)
	}
	last := live[len(live)-1]
	f := m.step(ir.Step{Kind: ir.GlobalAvgPool, In: []int{last}}, m.net.Values[last].Shape[0])
	k := 1 + r.IntN(20)
	d := m.step(ir.Step{Kind: ir.Dense, In: []int{f}, W: m.random(k*m.net.Values[f].Shape[0], 0.3), B: m.random(k, 1)}, k)
	p := m.step(ir.Step{Kind: ir.Softmax, In: []int{d}}, k)
	m.net.Outputs = []int{p, f, live[r.IntN(len(live))], live[r.IntN(len(live))], p}
	return m.net
}

// TestWild compares random networks with the reference.
func TestWild(t *testing.T) {
	for seed := range uint64(60) {
		net := wild(seed)
		const n = 3
		size := net.Values[net.Input].Size()
		in := uniform(seed, n*size)
		set := kernel.Sets()[int(seed)%len(kernel.Sets())]
		e, err := Compile(net, device.Config{Threads: 2, Kernel: set.String()})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		out := make([][]float32, len(net.Outputs))
		for i, o := range net.Outputs {
			out[i] = make([]float32, n*net.Values[o].Size())
		}
		for range 2 { // the second time in memory that is not zero any more
			for i := range out {
				clear(out[i])
			}
			if err := e.Run(context.Background(), n, in, out); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			for k := range n {
				want := evaluate(t, net, in[k*size:][:size])
				for i, o := range net.Outputs {
					v := net.Values[o].Size()
					if d := distance(out[i][k*v:][:v], want[o]); !(d < 1e-5) {
						t.Errorf("seed %d, %v, image %d: output %d, %s, differs by %.2g", seed, set, k, i, net.Values[o].Name, d)
					}
				}
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestConcurrent asserts that concurrent runs do not disturb each other.
func TestConcurrent(t *testing.T) {
	net := inceptionV3(75, 0.25)
	size, features := net.Values[net.Input].Size(), net.Values[net.Outputs[0]].Size()
	e := compile(t, net, device.Config{Threads: 3})
	var wait sync.WaitGroup
	for g := range 4 {
		wait.Go(func() {
			n := g + 1
			in := uniform(uint64(g), n*size)
			first := make([]float32, n*features)
			for round := range 5 {
				out := make([]float32, n*features)
				if err := e.Run(context.Background(), n, in, [][]float32{out}); err != nil {
					t.Error(err)
				}
				if round == 0 {
					copy(first, out)
				} else if !slices.Equal(out, first) {
					t.Errorf("goroutine %d: round %d differs", g, round)
				}
			}
		})
	}
	wait.Wait()
}

// TestCancel asserts that a run ends with its context, before and while it
// waits for its turn, and that a closed executor refuses.
func TestCancel(t *testing.T) {
	net := inceptionV3(75, 0.25)
	in, out := uniform(1, net.Values[net.Input].Size()), [][]float32{make([]float32, net.Values[net.Outputs[0]].Size())}
	e := compile(t, net, device.Config{Threads: 2})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Run(ctx, 1, in, out); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	<-e.turn // somebody else has it
	ctx, cancel = context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := e.Run(ctx, 1, in, out); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want context.DeadlineExceeded", err)
	}
	e.turn <- struct{}{}
	if err := e.Run(context.Background(), 1, in, out); err != nil {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := e.Run(context.Background(), 1, in, out); !errors.Is(err, errClosed) {
		t.Errorf("got %v, want %v", err, errClosed)
	}
}

// countdown ends after a number of questions whether it has ended.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestCancelUnderWay asserts that a run stops between regions and that the next
// one is right.
func TestCancelUnderWay(t *testing.T) {
	net := inceptionV3(75, 0.25)
	in, out := uniform(1, net.Values[net.Input].Size()), [][]float32{make([]float32, net.Values[net.Outputs[0]].Size())}
	e := compile(t, net, device.Config{Threads: 2})
	if err := e.Run(context.Background(), 1, in, out); err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(out[0])
	for left := 1; left < 30; left += 7 {
		if err := e.Run(&countdown{context.Background(), left}, 1, in, out); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	}
	if err := e.Run(context.Background(), 1, in, out); err != nil || !slices.Equal(out[0], want) {
		t.Errorf("after cancelled runs: %v, or the result differs", err)
	}
}

// TestPlan checks that steps were merged as they should be: no copies, a small
// arena, average pools behind their convolutions.
func TestPlan(t *testing.T) {
	net := inceptionV3(299, 1)
	for i := range net.Steps { // planning needs shapes only
		s := &net.Steps[i]
		s.W = make([]float32, len(s.W))
	}
	p, err := newPlan(net, kernel.Ref, 1, device.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if mb := float64(p.arena) * 4e-6; mb > 9 {
		t.Errorf("the arena takes %.1f MB, want at most 9", mb)
	}
	if mb := float64(p.kept) * 4e-6; mb > 4 || p.alone < 6 {
		t.Errorf("images keep %.1f MB after %d regions alone, want at most 4 after the second pool", mb, p.alone)
	}
	for _, r := range p.regions {
		for _, s := range r {
			if s.algorithm == "copy" {
				t.Errorf("%s is copied", s.name)
			}
			if s.algorithm == "average pool" && s.shape[:3] == "768" {
				t.Errorf("%s pools %s", s.name, s.shape)
			}
		}
	}
}

func TestRejects(t *testing.T) {
	net := wild(1)
	if _, err := Compile(net, device.Config{Kernel: "fast"}); err == nil {
		t.Error("an unknown kernel is accepted")
	}
	if _, err := Compile(net, device.Config{Threads: -1}); err == nil {
		t.Error("negative threads are accepted")
	}
	net.Steps[0].Kind = 99
	if _, err := Compile(net, device.Config{}); err == nil {
		t.Error("an unknown step is accepted")
	}
}
