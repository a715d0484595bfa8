package kernel

import (
	"math/rand/v2"
	"testing"
)

func TestNetworkShapes(t *testing.T) {
	convs, gflop, params := 0, 0.0, 0
	for _, s := range network {
		convs += s.count
		gflop += float64(s.count) * s.gflop()
		params += s.count * s.in * s.out * s.kh * s.kw
	}
	if convs != 94 || gflop < 11.41 || gflop > 11.43 {
		t.Errorf("the table holds %d convolutions, %.3f GFLOP, %d weights; want 94, 11.42", convs, gflop, params)
	}
}

// prepared is a convolution with data to run it on.
type prepared struct {
	conv             Conv
	in, out, scratch []float32
}

func prepare(tb testing.TB, s shape, make_ func(Spec) (Conv, error)) prepared {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	spec := Spec{
		KH: s.kh, KW: s.kw, StrideH: s.stride, StrideW: s.stride, PadTop: s.padH, PadLeft: s.padW,
		Out: Dense(s.out, s.outH(), s.outW()), ReLU: true,
		Filter: random(r, s.out*s.in*s.kh*s.kw), Bias: random(r, s.out),
	}
	spec.In = Padded(s.in, s.h, s.w, Border{s.padH, s.padH, s.padW, s.padW})
	if s.in == 3 {
		spec.Planar = true
		spec.In = Tensor{C: 3, H: s.h, W: s.w, Row: s.w, Plane: s.h * s.w}
	}
	conv, err := make_(spec)
	if err != nil {
		tb.Fatal(err)
	}
	p := prepared{conv: conv, in: random(r, spec.In.Size()), out: make([]float32, spec.Out.Size()), scratch: make([]float32, conv.Scratch())}
	return p
}

func (p prepared) run() {
	for i := range p.conv.Parts() {
		p.conv.Run(i, p.out, p.in, p.scratch)
	}
}

func random(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = r.Float32()*2 - 1
	}
	return v
}

// BenchmarkDirect times the direct kernels on every shape of the network.
func BenchmarkDirect(b *testing.B) {
	for _, set := range Sets() {
		for _, s := range network {
			b.Run(set.String()+"/"+s.String(), func(b *testing.B) {
				p := prepare(b, s, func(spec Spec) (Conv, error) { return NewDirect(set, spec) })
				p.run()
				b.ResetTimer()
				for range b.N {
					p.run()
				}
				ms := b.Elapsed().Seconds() * 1e3 / float64(b.N)
				b.ReportMetric(s.gflop()/ms*1e3, "GFLOP/s")
			})
		}
	}
}
