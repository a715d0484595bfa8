package engine

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/c236555e/rehead/nn/internal/device"
	"github.com/c236555e/rehead/nn/internal/ir"
	"github.com/c236555e/rehead/nn/internal/kernel"
)

func compile(tb testing.TB, net *ir.Net, cfg device.Config) *Executor {
	tb.Helper()
	e, err := Compile(net, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := e.Close(); err != nil {
			tb.Error(err)
		}
	})
	return e
}

func uniform(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 7))
	v := make([]float32, n)
	for i := range v {
		v[i] = r.Float32()*2 - 1
	}
	return v
}

// TestNetwork compares the whole network, narrow, with the reference.
func TestNetwork(t *testing.T) {
	for _, width := range []float64{0.25, 0.4} {
		net := inceptionV3(75, width)
		for i, s := range net.Steps {
			if s.Kind == ir.Concat || i%7 == 0 {
				net.Outputs = append(net.Outputs, s.Out)
			}
		}
		in := uniform(1, net.Values[net.Input].Size())
		want := evaluate(t, net, in)
		for _, set := range kernel.Sets() {
			e := compile(t, net, device.Config{Threads: 2, Kernel: set.String()})
			out := make([][]float32, len(net.Outputs))
			for i, o := range net.Outputs {
				out[i] = make([]float32, net.Values[o].Size())
			}
			if err := e.Run(context.Background(), 1, in, out); err != nil {
				t.Fatal(err)
			}
			for i, o := range net.Outputs {
				// float32 rounding of a hundred layers; Winograd's is larger.
				if d := distance(out[i], want[o]); !(d < 2e-5) {
					t.Errorf("width %g, %v: %s differs by %.2g", width, set, net.Values[o].Name, d)
				}
			}
		}
	}
}

// TestSteadyState asserts that a run allocates nothing and that results depend
// on neither the batch nor the threads.
func TestSteadyState(t *testing.T) {
	net := inceptionV3(91, 0.25)
	const n = 7
	in := uniform(2, n*net.Values[net.Input].Size())
	sameWhatever(t, net, device.Config{}, n, in)
}

// sameWhatever runs n images: neither threads nor the others of a batch change a bit, and nothing is
// allocated.
func sameWhatever(t *testing.T, net *ir.Net, cfg device.Config, n int, in []float32) {
	t.Helper()
	size := net.Values[net.Input].Size()
	var want []float32
	for _, threads := range []int{1, 2, 5} {
		cfg.Threads = threads
		e := compile(t, net, cfg)
		features := net.Values[net.Outputs[0]].Size()
		out := [][]float32{make([]float32, n*features)}
		run := func(n int, in []float32, out [][]float32) {
			if err := e.Run(context.Background(), n, in, out); err != nil {
				t.Fatal(err)
			}
		}
		run(n, in, out)
		if want == nil {
			want = slices.Clone(out[0])
		}
		if !slices.Equal(out[0], want) {
			t.Errorf("%d threads change the result", threads)
		}
		one := [][]float32{make([]float32, features)}
		for i := range n {
			run(1, in[i*size:][:size], one)
			if !slices.Equal(one[0], want[i*features:][:features]) {
				t.Errorf("%d threads: image %d alone differs from the batch", threads, i)
			}
		}
		if a := testing.AllocsPerRun(5, func() { run(n, in, out) }); a != 0 {
			t.Errorf("%d threads: %v allocations a run, want none", threads, a)
		}
	}
}

// TestManyAtOnce: many goroutines at once, while memory is collected, get the bits of one thread alone, in each
// precision.
func TestManyAtOnce(t *testing.T) {
	net := inceptionV3(75, 0.25)
	in := uniform(4, net.Values[net.Input].Size())
	for name, cfg := range map[string]device.Config{
		"float32": {}, "bfloat16": {BFloat16: true}, "int8": {Ranges: rangesOf(t, net, in)},
	} {
		cfg.Threads = 1
		want := runNet(t, net, cfg, in)[0]
		cfg.Threads = 3
		e := compile(t, net, cfg)
		stop := make(chan struct{})
		var collector, crowd sync.WaitGroup
		collector.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					runtime.GC()
				}
			}
		})
		for range 100 {
			crowd.Go(func() {
				out := [][]float32{make([]float32, len(want))}
				if err := e.Run(context.Background(), 1, in, out); err != nil {
					t.Error(err)
				} else if !slices.Equal(out[0], want) {
					t.Errorf("%s: a run among many differs from one alone", name)
				}
			})
		}
		crowd.Wait()
		close(stop)
		collector.Wait()
	}
}

// BenchmarkNetwork times the full network, batch and threads.
func BenchmarkNetwork(b *testing.B) {
	net := inceptionV3(299, 1)
	for _, set := range kernel.Sets() {
		for _, threads := range []int{1, 2} {
			if threads > runtime.NumCPU() {
				continue
			}
			e := compile(b, net, device.Config{Threads: threads, Kernel: set.String()})
			for _, n := range []int{1, 8} {
				in := uniform(1, n*net.Values[net.Input].Size())
				out := [][]float32{make([]float32, n*2048)}
				b.Run(set.String()+"/threads="+strconv.Itoa(threads)+"/batch="+strconv.Itoa(n), func(b *testing.B) {
					least := time.Hour
					for range b.N {
						start := time.Now()
						if err := e.Run(context.Background(), n, in, out); err != nil {
							b.Fatal(err)
						}
						least = min(least, time.Since(start))
					}
					b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N*n), "ms/image")
					b.ReportMetric(least.Seconds()*1e3/float64(n), "ms/image(min)")
				})
			}
		}
	}
}

// TestProfile checks that a profile names every step and adds up to the
// network's arithmetic.
func TestProfile(t *testing.T) {
	net := inceptionV3(75, 0.25)
	e := compile(t, net, device.Config{Threads: 2})
	steps, err := e.Profile(context.Background(), 2, uniform(1, net.Values[net.Input].Size()))
	if err != nil {
		t.Fatal(err)
	}
	want, got, convs := 0.0, 0.0, 0
	for _, s := range net.Steps {
		if s.Kind == ir.Conv {
			shape := net.Values[s.Out].Shape
			want += 2e-9 * float64(len(s.W)*shape[1]*shape[2])
		}
	}
	for _, s := range steps {
		if s.Name == "" || s.Algorithm == "" || s.Time <= 0 {
			t.Errorf("incomplete step %+v", s)
		}
		if got += s.GFLOP; s.GFLOP > 0 {
			convs++
		}
		if _, more, ok := strings.Cut(s.Name, " and "); ok { // computed together
			var n int
			if _, err := fmt.Sscanf(more, "%d more", &n); err != nil {
				t.Errorf("step %q: %v", s.Name, err)
			}
			convs += n
		}
	}
	if convs != 94 || math.Abs(got-want) > 1e-9*want {
		t.Errorf("got %d convolutions of %g GFLOP, want 94 of %g", convs, got, want)
	}
}
