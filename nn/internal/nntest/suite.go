package nntest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/c236555e/rehead/nn"
)

// Tolerance bounds an error: |got-want| <= Rel * the largest |want| of that
// output. It is relative to the largest value because a sum's rounding error
// grows with its terms, which may cancel.
type Tolerance struct {
	Rel float64
	// Loose lets the numbers of one image differ by as much from batch to batch and with the threads:
	// of a device whose library chooses its algorithms by them. Others keep every bit.
	Loose bool
}

// same holds two results of one image to each other.
func (tol Tolerance) same(t testing.TB, what string, got, want []float32) {
	t.Helper()
	if !tol.Loose {
		Same(t, what, got, want)
		return
	}
	wide := make([]float64, len(want))
	for i, w := range want {
		wide[i] = float64(w)
	}
	Near(t, what, got, wide, tol)
}

// Float32 is what float32 sums of a few hundred terms keep, a few layers deep.
var Float32 = Tolerance{Rel: 2e-5}

// A Runner runs one graph. Run takes n images and returns each output for all
// of them.
type Runner interface {
	Run(n int, in []float32) ([][]float32, error)
	Close() error
}

// Open prepares the computation of outputs from input, a graph of batch 1.
type Open func(input *nn.Node, outputs ...*nn.Node) (Runner, error)

// randoms is the number of random graphs in the suite.
const randoms = 24

// Test runs every graph of the suite on what open returns.
func Test(t *testing.T, open Open, tol Tolerance) {
	each(randoms, func(name string, seed uint64, build func(b *builder) graph) {
		t.Run(name, func(t *testing.T) { try(t, open, tol, build(newBuilder(t, seed))) })
	})
}

// TestSmall runs the graphs of the operators that the processor alone computes.
func TestSmall(t *testing.T, open Open, tol Tolerance) {
	for i, c := range small {
		t.Run(c.name, func(t *testing.T) { try(t, open, tol, c.build(newBuilder(t, uint64(100+i)))) })
	}
}

// testTrained runs the graphs of operators that have been trained: on a Program, as a Machine trains them.
func testTrained(t *testing.T, cfg nn.Config, tol Tolerance) {
	for i, c := range trained {
		t.Run(c.name, func(t *testing.T) { try(t, OnProgram(cfg), tol, c.build(newBuilder(t, uint64(200+i)))) })
	}
}

// try holds what open returns for g to what g must be.
func try(t *testing.T, open Open, tol Tolerance, g graph) {
	t.Helper()
	var nodes []*nn.Node
	for _, o := range g.outputs {
		nodes = append(nodes, o.node)
	}
	r, err := open(g.input.node, nodes...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	check(t, r, g, tol)
}

// check holds r to what g must be, for all images at once and for each alone.
func check(t *testing.T, r Runner, g graph, tol Tolerance) {
	t.Helper()
	in := narrow(g.input.data)
	fed := slices.Clone(in)
	all, err := r.Run(images, fed)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(in, fed) {
		t.Fatal("the run changed its input")
	}
	for i, o := range g.outputs {
		Near(t, fmt.Sprintf("output %d", i), all[i], o.data, tol)
	}
	size := len(in) / images
	poisoned := make([]float32, len(in)) // neighbours that must not matter
	for i := range poisoned {
		poisoned[i] = float32(math.NaN())
	}
	for i := range images {
		one := in[i*size : (i+1)*size]
		copy(poisoned[i*size:], one)
		alone, err := r.Run(1, one)
		if err != nil {
			t.Fatal(err)
		}
		among, err := r.Run(images, poisoned)
		if err != nil {
			t.Fatal(err)
		}
		for o := range all {
			n := len(alone[o])
			tol.same(t, fmt.Sprintf("output %d of image %d, alone and in a batch", o, i), alone[o], all[o][i*n:(i+1)*n])
			tol.same(t, fmt.Sprintf("output %d of image %d, among images of NaN", o, i), among[o][i*n:(i+1)*n], alone[o])
		}
		for j := range one {
			poisoned[i*size+j] = float32(math.NaN())
		}
	}
}

// Near fails t unless got is want within tol. A NaN is never near anything.
func Near(t testing.TB, what string, got []float32, want []float64, tol Tolerance) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: got %d values, want %d", what, len(got), len(want))
	}
	largest := 0.0
	for _, w := range want {
		largest = max(largest, math.Abs(w))
	}
	for i, w := range want {
		if !(math.Abs(float64(got[i])-w) <= tol.Rel*largest) {
			t.Fatalf("%s: value %d: got %v, want %v within %.0e of the largest, %v", what, i, got[i], w, tol.Rel, largest)
		}
	}
}

// Same fails t unless got and want have the same bits.
func Same(t testing.TB, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: got %d values, want %d", what, len(got), len(want))
	}
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: value %d: got %v, want %v to the last bit", what, i, got[i], want[i])
		}
	}
}

// testUnwanted compiles two outputs, of which one is read by what leads to the
// other, and asks for both, for each alone, and for none.
func testUnwanted(t *testing.T, cfg nn.Config) {
	b := newBuilder(t, 98)
	x := b.input(19, 11, 9)
	inner := b.reduction(b.inception(x, true))
	outer := b.globalAvgPool(inner)
	r, err := OnProgram(cfg)(x.node, outer.node, inner.node)
	if err != nil {
		t.Fatal(err)
	}
	p := r.(program)
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	in := narrow(x.data)
	want, err := p.Run(images, in)
	if err != nil {
		t.Fatal(err)
	}
	for name, wanted := range map[string][2]bool{"the first": {true, false}, "the second": {false, true}, "none": {}} {
		out := make([][]float32, 2)
		for i := range out {
			if wanted[i] {
				out[i] = make([]float32, len(want[i]))
			}
		}
		if err := p.Program.Run(context.Background(), images, in, out...); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range out {
			if wanted[i] {
				Same(t, name, out[i], want[i])
			}
		}
	}
}

func narrow(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

// OnMachine is the tape machine, which takes one image at a time.
func OnMachine(input *nn.Node, outputs ...*nn.Node) (Runner, error) {
	m, err := nn.NewMachine(append(slices.Clone(outputs), input)...)
	return machine{m, input.Name(), len(outputs)}, err
}

type machine struct {
	*nn.Machine
	input   string
	outputs int
}

func (m machine) Run(n int, in []float32) ([][]float32, error) {
	out := make([][]float32, m.outputs)
	size := len(in) / n
	for i := range n {
		one, err := m.Machine.Run(map[string][]float32{m.input: in[i*size : (i+1)*size]})
		if err != nil {
			return nil, err
		}
		for o := range out {
			out[o] = append(out[o], one[o]...)
		}
	}
	return out, nil
}

// OnProgram is a Program of the given configuration.
func OnProgram(cfg nn.Config) Open {
	return func(input *nn.Node, outputs ...*nn.Node) (Runner, error) {
		p, err := nn.Compile(cfg, input, outputs...)
		if err != nil {
			return nil, err
		}
		r := program{p, nil}
		for _, o := range outputs {
			r.sizes = append(r.sizes, o.Shape().TotalSize())
		}
		return r, nil
	}
}

type program struct {
	*nn.Program
	sizes []int
}

func (p program) Run(n int, in []float32) ([][]float32, error) {
	out := make([][]float32, len(p.sizes))
	for i, size := range p.sizes {
		out[i] = make([]float32, n*size)
		for j := range out[i] {
			out[i][j] = float32(math.NaN()) // whatever is not written shows
		}
	}
	return out, p.Program.Run(context.Background(), n, in, out...)
}

// TestProgram runs the suite on Programs of cfg, with 1, 2 and 5 threads, and
// holds them to what nn.Program promises beyond right numbers.
func TestProgram(t *testing.T, cfg nn.Config, tol Tolerance) {
	for _, threads := range []int{1, 2, 5} {
		cfg.Threads = threads
		t.Run(fmt.Sprintf("threads=%d", threads), func(t *testing.T) { Test(t, OnProgram(cfg), tol) })
	}
	t.Run("threads do not matter", func(t *testing.T) { testThreads(t, cfg, tol) })
	cfg.Threads = 3
	t.Run("trained", func(t *testing.T) { testTrained(t, cfg, tol) })
	t.Run("concurrent", func(t *testing.T) { testConcurrent(t, cfg, tol) })
	t.Run("cancelled", func(t *testing.T) { testCancelled(t, cfg) })
	t.Run("closed", func(t *testing.T) { testClosed(t, cfg) })
	t.Run("arguments", func(t *testing.T) { testArguments(t, cfg) })
	t.Run("unwanted outputs", func(t *testing.T) { testUnwanted(t, cfg) })
}

// block is the graph that the tests below run.
func block(t *testing.T) (graph, []float32) {
	t.Helper()
	b := newBuilder(t, 99)
	x := b.input(19, 11, 9)
	g := graph{x, []value{b.globalAvgPool(b.reduction(b.inception(x, true)))}}
	return g, narrow(x.data)
}

func compile(t *testing.T, cfg nn.Config, g graph) program {
	t.Helper()
	r, err := OnProgram(cfg)(g.input.node, g.outputs[0].node)
	if err != nil {
		t.Fatal(err)
	}
	p := r.(program)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func testThreads(t *testing.T, cfg nn.Config, tol Tolerance) {
	g, in := block(t)
	var want []float32
	for _, threads := range []int{1, 2, 3, 4, 8, 16} {
		cfg.Threads = threads
		got, err := compile(t, cfg, g).Run(images, in)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got[0]
		}
		tol.same(t, fmt.Sprintf("%d threads", threads), got[0], want)
	}
}

func testConcurrent(t *testing.T, cfg nn.Config, tol Tolerance) {
	g, in := block(t)
	p := compile(t, cfg, g)
	want, err := p.Run(images, in)
	if err != nil {
		t.Fatal(err)
	}
	size, each := len(in)/images, len(want[0])/images
	const callers, rounds = 8, 4
	batch := func(caller, round int) (first, n int) {
		first = (caller + round) % images
		return first, 1 + (caller+round)%(images-first)
	}
	var results [callers][rounds][]float32
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for round := range rounds {
				first, n := batch(caller, round)
				got, err := p.Run(n, in[first*size:(first+n)*size])
				if err != nil {
					t.Error(err)
					return
				}
				results[caller][round] = got[0]
			}
		})
	}
	wg.Wait()
	for caller := range callers {
		for round := range rounds {
			first, n := batch(caller, round)
			tol.same(t, fmt.Sprintf("caller %d, round %d, and a lone caller", caller, round), results[caller][round],
				want[0][first*each:(first+n)*each])
		}
	}
}

func testCancelled(t *testing.T, cfg nn.Config) {
	g, in := block(t)
	p := compile(t, cfg, g)
	want, err := p.Run(images, in)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float32, len(want[0]))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Program.Run(ctx, images, in, out); !errors.Is(err, context.Canceled) {
		t.Fatalf("a run whose context has ended: got %v, want context.Canceled", err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	go cancel()
	for err = nil; err == nil; { // ends, as one of the runs meets the cancellation
		err = p.Program.Run(ctx, images, in, out)
	}
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("a run that is cancelled: got %v, want context.Canceled", err)
	}
	got, err := p.Run(images, in)
	if err != nil {
		t.Fatal(err)
	}
	Same(t, "the run after a cancelled one", got[0], want[0])
}

func testClosed(t *testing.T, cfg nn.Config) {
	g, in := block(t)
	p := compile(t, cfg, g)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(images, in); !errors.Is(err, nn.ErrClosed) {
		t.Errorf("a closed program runs: got %v, want nn.ErrClosed", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

func testArguments(t *testing.T, cfg nn.Config) {
	g, in := block(t)
	p := compile(t, cfg, g)
	out := make([]float32, len(g.outputs[0].data))
	ctx := context.Background()
	for name, err := range map[string]error{
		"no images":          p.Program.Run(ctx, 0, nil, nil),
		"negative images":    p.Program.Run(ctx, -1, in, out),
		"huge batch":         p.Program.Run(ctx, math.MaxInt, in, out),
		"short input":        p.Program.Run(ctx, images, in[1:], out),
		"short output":       p.Program.Run(ctx, images, in, out[1:]),
		"no output":          p.Program.Run(ctx, images, in),
		"an output too much": p.Program.Run(ctx, images, in, out, out),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := p.Program.Run(ctx, images, in, out); err != nil {
		t.Error(err)
	}
}
