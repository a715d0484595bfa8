package kernel

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkWinograd times every algorithm for every convolution of the network
// that has a choice, on GOMAXPROCS threads (-cpu 1 or -cpu 2). With batch 1 the weights
// come from memory, as they do in a whole network; a batch of 8 reads them once.
// GFLOP/s counts the direct convolution's operations, in the quickest tenth of
// the runs.
func BenchmarkWinograd(b *testing.B) {
	set := Sets()[0]
	seen := map[string]bool{}
	for _, s := range network {
		spec := Spec{
			KH: s.kh, KW: s.kw, StrideH: s.stride, StrideW: s.stride, PadTop: s.padH, PadLeft: s.padW, ReLU: true,
			In:  Padded(s.in, s.h, s.w, Border{s.padH, s.padH, s.padW, s.padW}),
			Out: Dense(s.out, s.outH(), s.outW()), Planar: s.in == 3,
		}
		tilings := Tilings(&spec)
		if seen[s.String()] || len(tilings) == 0 {
			continue
		}
		seen[s.String()] = true
		r := rand.New(rand.NewPCG(1, 2))
		spec.Filter, spec.Bias = random(r, s.out*s.in*s.kh*s.kw), random(r, s.out)
		for _, t := range append(tilings, Tiling{}) {
			name := fmt.Sprintf("%v/%dx%d", s, t.H, t.W)
			make := func(spec Spec) (Conv, error) { return NewWinograd(set, spec, t, runtime.GOMAXPROCS(0)) }
			if t.H == 0 {
				name, make = fmt.Sprintf("%v/direct", s), func(spec Spec) (Conv, error) { return NewDirect(set, spec) }
			}
			b.Run(name, func(b *testing.B) {
				for _, batch := range []int{1, 8} {
					b.Run(fmt.Sprintf("batch%d", batch), func(b *testing.B) {
						benchConv(b, spec, make, batch, s.gflop())
					})
				}
			})
		}
	}
}

// benchConv times runs of a batch on convolutions whose weights together exceed
// the caches.
func benchConv(b *testing.B, spec Spec, prepare func(Spec) (Conv, error), batch int, gflop float64) {
	var slab Slab
	used := 0
	spec.Alloc = func(n int) []float32 {
		used += n
		return slab.Alloc(n)
	}
	var convs []Conv
	for used < 10<<20 && len(convs) < 50 {
		c, err := prepare(spec)
		if err != nil {
			b.Fatal(err)
		}
		convs = append(convs, c)
	}
	threads := runtime.GOMAXPROCS(0)
	scratch := make([][]float32, threads)
	for i := range scratch {
		scratch[i] = slab.Alloc(convs[0].Scratch())
	}
	in, out := slab.Alloc(spec.In.Size()*batch), slab.Alloc(spec.Out.Size()*batch)
	copy(in, random(rand.New(rand.NewPCG(3, 4)), spec.In.Size()))
	run := func(c Conv) {
		var next atomic.Int32
		work := func(thread int) {
			for {
				i := int(next.Add(1)) - 1
				if i >= c.Parts()*batch {
					return
				}
				image := i / c.Parts()
				c.Run(i%c.Parts(), out[image*spec.Out.Size():], in[image*spec.In.Size():], scratch[thread])
			}
		}
		var others sync.WaitGroup
		for t := 1; t < threads; t++ {
			others.Go(func() { work(t) })
		}
		work(0)
		others.Wait()
	}
	var times []float64
	for i := 0; b.Loop(); i++ {
		start := time.Now()
		run(convs[i%len(convs)])
		times = append(times, time.Since(start).Seconds())
	}
	slices.Sort(times)
	b.ReportMetric(gflop*float64(batch)/times[len(times)/10], "GFLOP/s")
}
