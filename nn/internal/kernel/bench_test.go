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
	p := prepared{conv: conv, in: random(r, spec.In.Size()), out: make([]float32, spec.Out.Size()),
		scratch: make([]float32, conv.Scratch())}
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
	for _, set := range levels() {
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

// BenchmarkPool times the network's poolings.
func BenchmarkPool(b *testing.B) {
	for _, c := range []struct {
		name     string
		in, side int
		spec     PoolSpec
	}{
		{"max_64x147x147_3x3_s2", 64, 147, PoolSpec{KH: 3, KW: 3, StrideH: 2, StrideW: 2, Max: true}},
		{"max_288x35x35_3x3_s2", 288, 35, PoolSpec{KH: 3, KW: 3, StrideH: 2, StrideW: 2, Max: true}},
		{"mean_64x35x35_3x3_s1", 64, 35, PoolSpec{KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1}},
		{"mean_192x17x17_3x3_s1", 192, 17, PoolSpec{KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 1, PadLeft: 1}},
		{"mean_2048x8x8_8x8_s1", 2048, 8, PoolSpec{KH: 8, KW: 8, StrideH: 1, StrideW: 1}},
	} {
		for _, set := range levels() {
			b.Run(set.String()+"/"+c.name, func(b *testing.B) {
				s := c.spec
				side := (c.side+2*s.PadTop-s.KH)/s.StrideH + 1
				s.In, s.Out = Dense(c.in, c.side, c.side), Dense(c.in, side, side)
				pool, err := NewPool(set, s)
				if err != nil {
					b.Fatal(err)
				}
				p := prepared{conv: pool, in: make([]float32, s.In.Size()), out: make([]float32, s.Out.Size())}
				b.SetBytes(int64(4 * (len(p.in) + len(p.out))))
				for b.Loop() {
					p.run()
				}
			})
		}
	}
}

// BenchmarkConvert times what lies between the caller's layout and the blocked.
func BenchmarkConvert(b *testing.B) {
	t := Dense(192, 35, 35)
	planar, blocked := make([]float32, 192*35*35), make([]float32, t.Size())
	lanes := inOrder(t.C)
	b.Run("unpack", func(b *testing.B) {
		b.SetBytes(int64(4 * len(planar)))
		for b.Loop() {
			Unpack(blocked, t, planar, lanes)
		}
	})
	b.Run("pack", func(b *testing.B) {
		b.SetBytes(int64(4 * len(planar)))
		for b.Loop() {
			Pack(planar, blocked, t, lanes)
		}
	})
}
